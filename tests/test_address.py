"""What is an address."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora_dir import corpora, tsv
from validator.address import (
    MAX_INPUT_CHARS,
    EmailAddress,
    FaultCode,
    SyntaxFault,
    SyntaxRules,
    ascii_domain,
    parse_address,
    plain_address,
    unicode_domain,
)

COLUMNS = {
    "default": SyntaxRules(),
    "with_atext": SyntaxRules(symbols=True),
    "with_eai": SyntaxRules(symbols=True, eai=True),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_every_row_of_the_syntax_suites_is_judged_as_the_contract_says(column: str) -> None:
    wrong = []
    for row in tsv("syntax", "addresses.tsv"):
        text = json.loads(row["address_json"])
        wanted = row[column] != "invalid"
        if isinstance(parse_address(text, COLUMNS[column]), EmailAddress) is not wanted:
            wrong.append((row["address_json"], row[column]))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", FaultCode.EMPTY),
        ("a" * 321, FaultCode.TOO_LONG),
        ("a\x00b@example.com", FaultCode.CONTROL_CHARACTER),
        ("a\ud800@example.com", FaultCode.CONTROL_CHARACTER),
        ("example.com", FaultCode.NO_AT),
        ("a@b@example.com", FaultCode.MANY_AT),
        ("@example.com", FaultCode.EMPTY_PART),
        ("a@", FaultCode.EMPTY_PART),
        ("o'brien@example.com", FaultCode.LOCAL_CHARACTER),
        ("a..b@example.com", FaultCode.LOCAL_DOTS),
        (".a@example.com", FaultCode.LOCAL_DOTS),
        ("a@[127.0.0.1]", FaultCode.DOMAIN_LITERAL),
        ("a@exa_mple.com", FaultCode.DOMAIN_CHARACTER),
        ("a@example.com.", FaultCode.DOMAIN_DOTS),
        ("a@-example.com", FaultCode.DOMAIN_HYPHEN),
        ("a@example.com-", FaultCode.DOMAIN_HYPHEN),
        ("a@\u0300.com", FaultCode.DOMAIN_IDN),
        ("a@localhost", FaultCode.SINGLE_LABEL),
        ("a@1.2.3.4", FaultCode.BAD_TLD),
        ("a" * 65 + "@example.com", FaultCode.TOO_LONG),
        ("a@" + "b" * 64 + ".com", FaultCode.TOO_LONG),
    ],
)
def test_a_fault_names_its_cause_and_never_quotes_the_text(text: str, code: FaultCode) -> None:
    fault = parse_address(text)
    assert isinstance(fault, SyntaxFault)
    assert fault.code is code
    assert len(text) < 5 or text not in fault.message


def test_the_case_of_the_local_part_stays_and_the_domain_is_lower_cased() -> None:
    parsed = parse_address("John.DOE@Example.COM")
    assert parsed == EmailAddress("John.DOE", "example.com", "John.DOE@example.com")


def test_an_internationalised_domain_is_shown_as_typed_and_asked_as_a_labels() -> None:
    parsed = parse_address("info@Почта.рф")
    assert parsed == EmailAddress("info", "xn--80a1acny.xn--p1ai", "info@почта.рф")
    assert unicode_domain("xn--80a1acny.xn--p1ai") == "почта.рф"


def test_sharp_s_is_a_domain_of_its_own() -> None:
    assert ascii_domain("faß.de") == "xn--fa-hia.de"


def test_the_apostrophe_is_accepted_only_when_asked_for() -> None:
    assert isinstance(parse_address("o'brien@example.com", SyntaxRules(apostrophe=True)), EmailAddress)
    assert isinstance(parse_address("a&b@example.com", SyntaxRules(apostrophe=True)), SyntaxFault)


@given(st.text(max_size=400))
def test_nothing_raises(text: str) -> None:
    parsed = parse_address(text)
    assert isinstance(parsed, EmailAddress | SyntaxFault)
    if isinstance(parsed, EmailAddress):
        again = parse_address(parsed.text)
        assert isinstance(again, EmailAddress)
        assert (again.local, again.domain) == (parsed.local, parsed.domain)


@given(st.from_regex(r"[A-Za-z0-9._+-]{1,70}@[a-z0-9.-]{1,80}", fullmatch=True))
def test_the_fast_gate_agrees_with_the_full_judgement(text: str) -> None:
    fast = plain_address(text)
    if fast is not None:
        local, _, domain = text.partition("@")
        assert fast == EmailAddress(local, domain, text)
        assert ascii_domain(domain) == domain
        assert isinstance(parse_address(text.replace("@", "@x.")), EmailAddress) or len(text) > 250


def test_naughty_strings_neither_raise_nor_take_long() -> None:
    strings = json.loads(corpora("syntax", "naughty_strings.json").read_text("utf-8"))
    started = time.process_time()
    for text in strings:
        parse_address(text)
        parse_address(f"{text}@example.com")
        parse_address(f"a@{text}")
    assert time.process_time() - started < len(strings) * 0.005


def test_a_megabyte_of_combining_marks_is_refused_before_any_unicode_work() -> None:
    started = time.process_time()
    fault = parse_address("a\u0300\u0316" * 350_000)
    assert isinstance(fault, SyntaxFault)
    assert fault.code is FaultCode.TOO_LONG
    assert time.process_time() - started < 0.05
    assert MAX_INPUT_CHARS == 320


@pytest.mark.parametrize("domain", ["cΣ0.cz", "ΟΔΟΣ-1.gr", "ΣΣ.gr", "ΑΣ.ελ", "İ.de", "ẞ.de", "ÅÉ.fr", "ДОМ.рф"])
def test_the_domain_that_is_shown_is_the_one_that_was_judged(domain: str) -> None:
    """A capital sigma at the end of a word has another small letter there, which is another domain in IDNA."""
    parsed = parse_address(f"a@{domain}")
    assert isinstance(parsed, EmailAddress)
    assert parse_address(parsed.text) == parsed
