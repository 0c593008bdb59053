"""Whole addresses in, whole addresses out: our own rows, then what the rows do not say."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from validator.address import EmailAddress, FaultCode, SyntaxRules, parse_address
from validator.reference import Reference
from validator.sanitize import Sanitizer

ROWS = Path(__file__).resolve().parents[1] / "corpora" / "sanitizing"


def table(name: str) -> Iterator[dict[str, str]]:
    with (ROWS / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def lines(name: str) -> list[tuple[str, ...]]:
    return [tuple(json.loads(line).values()) for line in (ROWS / name).read_text("utf-8").splitlines()]


def sure_rows() -> Iterator[tuple[str, str]]:
    for row in table("special_characters.tsv"):
        if row["ambiguous"] == "0":
            yield json.loads(row["raw_json"]), row["expected"]
    for row in table("cyrillic.tsv"):
        if row["ambiguous"] == "0":
            yield row["raw"], row["expected"]


@pytest.mark.parametrize(("raw", "expected"), list(sure_rows()))
def test_an_unambiguous_row_comes_out_as_expected(sanitizer: Sanitizer, raw: str, expected: str) -> None:
    wanted = parse_address(expected)
    assert isinstance(wanted, EmailAddress)
    result = sanitizer.sanitize(raw)
    assert result.fault is None
    assert result.text.lower() == wanted.text.lower()


@pytest.mark.parametrize("case", [json.loads(line) for line in (ROWS / "cases.jsonl").read_text("utf-8").splitlines()])
def test_the_published_cases_hold(sanitizer: Sanitizer, case: dict[str, dict[str, object] | str]) -> None:
    wanted = case["sanitize_true"]
    assert isinstance(wanted, dict)
    result = sanitizer.sanitize(str(case["input"]))
    parsed = parse_address(result.text)
    accepted = result.fault is None and isinstance(parsed, EmailAddress)
    assert accepted == (wanted["valid"] or wanted.get("reason") == "system")
    if accepted:
        assert result.text == wanted["email"]


@pytest.mark.parametrize(("raw", "expected"), lines("repaired.jsonl"))
def test_an_address_is_taken_out_of_what_surrounds_it(sanitizer: Sanitizer, raw: str, expected: str) -> None:
    result = sanitizer.sanitize(raw)
    assert (result.text, result.fault) == (expected, None)


@pytest.mark.parametrize("text", [text for (text,) in lines("left.jsonl")])
def test_what_is_fine_or_doubtful_is_left_as_it_stands(sanitizer: Sanitizer, text: str) -> None:
    result = sanitizer.sanitize(text)
    assert (result.text, result.changes) == (text, ())


@pytest.mark.parametrize(("raw", "hint"), lines("suggested.jsonl"))
def test_what_is_not_sure_is_suggested(sanitizer: Sanitizer, raw: str, hint: str) -> None:
    result = sanitizer.sanitize(raw)
    assert result.suggestion == hint
    assert result.text != hint


@pytest.mark.parametrize(
    "text",
    ["a@b.com c@d.com", "a@b.com;c@d.com", "a@b.com\nc@d.com", "mailto:a@b.com,c@d.com", "x <a@b.com>, y <c@d.com>"],
)
def test_of_two_addresses_none_is_taken_and_the_first_is_suggested(sanitizer: Sanitizer, text: str) -> None:
    result = sanitizer.sanitize(text)
    assert result.text == text
    assert result.fault is not None
    assert result.fault.code is FaultCode.TWO_ADDRESSES
    assert result.suggestion == "a@b.com"


def test_a_tag_goes_only_when_asked_and_where_it_is_known_to_be_one(reference: Reference, sanitizer: Sanitizer) -> None:
    stripping = Sanitizer(reference, strip_tags=True)
    assert sanitizer.sanitize("anna+news@gmail.com").text == "anna+news@gmail.com"
    assert stripping.sanitize("anna+news@gmail.com").text == "anna@gmail.com"
    assert stripping.sanitize("anna+news@gmial.com").text == "anna@gmail.com"
    assert stripping.sanitize("anna+news@corp.com").text == "anna+news@corp.com"
    assert stripping.sanitize("anna+news@yahoo.com").text == "anna+news@yahoo.com"
    assert stripping.sanitize("+news@gmail.com").text == "+news@gmail.com"


def test_wider_rules_keep_what_they_accept(reference: Reference) -> None:
    apostrophes = Sanitizer(reference, rules=SyntaxRules(apostrophe=True))
    symbols = Sanitizer(reference, rules=SyntaxRules(symbols=True))
    assert apostrophes.sanitize("o'brien@corp.com").text == "o'brien@corp.com"
    assert symbols.sanitize("a!b&c@corp.com").text == "a!b&c@corp.com"
    scripts = Sanitizer(reference, rules=SyntaxRules(eai=True))
    for fine in ("anna\u0661@corp.com", "ттф@почта.рф"):
        assert scripts.sanitize(fine).text == fine
    assert scripts.sanitize("шмфт@gmail.com").text == "ivan@gmail.com"


def test_every_change_is_recorded_with_rule_and_confidence(sanitizer: Sanitizer) -> None:
    changes = sanitizer.sanitize(" an!na@gmial.com\u200b").changes
    assert [change.rule for change in changes] == ["text.invisible", "text.unwrap", "symbols.removed", "domain.map"]
    assert all(change.before != change.after and 0.9 <= change.confidence <= 1 for change in changes)


def test_a_text_beyond_the_limit_is_returned_at_once(sanitizer: Sanitizer) -> None:
    text = "\u0344" * 1_000_000 + "@gmail.com"
    assert sanitizer.sanitize(text).text is text


@pytest.mark.parametrize(
    "number", ["8 916 123-45-67", "+7(916)1234567", "8 (916) 123 45 67", "(916)1234567", "(916) 1234567"]
)
def test_no_mailbox_is_made_of_a_telephone_number_in_its_signs(sanitizer: Sanitizer, number: str) -> None:
    result = sanitizer.sanitize(f"{number}@mail.ru")
    assert (result.text, result.suggestion) == (f"{number}@mail.ru", None)


def test_a_text_that_grows_beyond_the_limit_when_it_is_written_plainly_is_left(sanitizer: Sanitizer) -> None:
    text = "\ufdfa" * 30 + "@gmail.com"
    assert (sanitizer.sanitize(text).text, sanitizer.sanitize(text).changes) == (text, ())


@pytest.mark.parametrize(
    "text", ["\ud800@gmail.com", "a@\udfff.com", "\x00", "\u202e@\u202e", "&#1114112;@gmail.com", "%FF@x.ru"]
)
def test_nothing_raises(sanitizer: Sanitizer, text: str) -> None:
    sanitizer.sanitize(text)
