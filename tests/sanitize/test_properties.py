"""What must hold for every text."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora_dir import corpora
from tests.effort import examples
from validator.address import EmailAddress, parse_address, plain_address
from validator.reference import load_reference
from validator.reference.providers import load_providers
from validator.sanitize import CorrectionAction, Sanitizer
from validator.sanitize.endings import is_special_use

REFERENCE = load_reference()
PROVIDERS = load_providers(REFERENCE)
SANITIZER = Sanitizer(REFERENCE)
NAMES = sorted(domain for domain, tier in PROVIDERS.tiers.items() if tier < 3)

any_text = st.text(max_size=60)
local_parts = st.from_regex(r"[A-Za-z0-9_+-]{1,10}(\.[a-z0-9]{1,6})?", fullmatch=True)
odd = st.sampled_from(list("@@..,;:|\u00b7\u30fb\u200d\"'<>() \u200b\u00a0!?#$&%+-_/\\шфаеьюЮіЖgmailcom\u3002\uff20"))
noise = st.lists(odd, max_size=4).map("".join)
near_domains = st.sampled_from(NAMES)
SAMPLES = REFERENCE.table("name_samples").records()
names = st.sampled_from([row["word"] for row in SAMPLES if row["script"] == "latin" and len(row["word"]) > 3])
KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,."
RUSSIAN = dict(zip(KEYS, "йцукенгшщзхъфывапролджэячсмитьбю", strict=True))
LAYOUTS = (RUSSIAN, RUSSIAN | {"s": "і", "]": "ї", "'": "є"})
TWINS = dict(zip("aceopxykmtbhi", "асеорхукмтвні", strict=True))
WRAPPINGS = (
    "<{}>",
    "Anna Petrova <{}>",
    '"Petrova, Anna" <{}>',
    "mailto:{}?subject=x",
    "'{}'",
    " {}\u200b",
    "{},",
    "({})",
    "{}.",
)


def struck(text: str, layout: dict[str, str]) -> str:
    """*text* by the keys of another layout, the @ and the digits as they are."""
    return "".join(layout.get(char, char) for char in text)


@st.composite
def slipped(draw: st.DrawFn) -> str:
    """A provider's domain with one to three random slips."""
    domain = list(draw(near_domains))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(domain) - 1))
        kind = draw(st.sampled_from("dist"))
        letter = draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz.-0"))
        if kind == "d" and len(domain) > 1:
            del domain[at]
        elif kind == "i":
            domain.insert(at, letter)
        elif kind == "s":
            domain[at] = letter
        elif at + 1 < len(domain):
            domain[at], domain[at + 1] = domain[at + 1], domain[at]
    return "".join(domain)


@st.composite
def messy(draw: st.DrawFn) -> str:
    """An address with a slipped domain and odd characters here and there."""
    return draw(noise) + draw(local_parts) + draw(noise) + "@" + draw(noise) + draw(slipped()) + draw(noise)


def check_result(text: str) -> None:
    result = SANITIZER.sanitize(text)
    again = SANITIZER.sanitize(result.text)
    assert (again.text, again.changes, again.suggestion) == (result.text, (), result.suggestion)
    assert result.text != text or not result.changes
    if result.suggestion is not None:
        suggested = parse_address(result.suggestion)
        assert isinstance(suggested, EmailAddress)
        assert suggested.text == result.suggestion != result.text
        assert not is_special_use(suggested.domain)


@given(any_text)
@settings(max_examples=examples(200), deadline=None)
def test_any_text_is_sanitized_once_and_for_all(text: str) -> None:
    check_result(text)


@given(messy())
@settings(max_examples=examples(200), deadline=None)
def test_a_messy_address_is_sanitized_once_and_for_all(text: str) -> None:
    check_result(text)


@given(slipped())
@settings(max_examples=examples(200), deadline=None)
def test_every_domain_that_is_applied_is_a_provider_or_differs_in_the_ending_alone(domain: str) -> None:
    correction = SANITIZER.correct_domain(domain)
    if correction.action is CorrectionAction.APPLY and correction.rule != "domain.tld":
        assert correction.target in PROVIDERS.domains
    if correction.rule == "domain.tld" and correction.action is CorrectionAction.APPLY:
        assert correction.target.rpartition(".")[2] != domain.rpartition(".")[2]
    if correction.action is not CorrectionAction.KEEP:
        assert correction.target != domain


@given(slipped())
@settings(max_examples=examples(200), deadline=None)
def test_a_correction_is_final(domain: str) -> None:
    correction = SANITIZER.correct_domain(domain)
    if correction.action is CorrectionAction.APPLY:
        assert SANITIZER.correct_domain(correction.target).action is not CorrectionAction.APPLY


@given(local_parts, st.from_regex(r"[a-z]{3,20}\.[a-z]{2,6}", fullmatch=True))
@settings(max_examples=examples(200), deadline=None)
def test_a_plain_address_changes_only_when_its_domain_is_corrected(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    plain = plain_address(text)
    if plain is None:
        return
    correction = SANITIZER.correct_domain(plain.domain)
    result = SANITIZER.sanitize(text)
    if correction.action is CorrectionAction.APPLY:
        assert result.text == f"{local}@{correction.target}"
    else:
        assert result.text == text
        assert result.changes == ()
    if correction.action is CorrectionAction.KEEP:
        assert result.suggestion is None


@given(names, near_domains, st.sampled_from(LAYOUTS))
@settings(max_examples=examples(200), deadline=None)
def test_what_was_struck_on_another_layout_is_read_as_it_was_meant_or_not_at_all(
    name: str, domain: str, layout: dict[str, str]
) -> None:
    for typed in (struck(f"{name}@{domain}", layout), f"{struck(name, layout)}@{domain}"):
        result = SANITIZER.sanitize(typed)
        accepted = result.fault is None and isinstance(parse_address(result.text), EmailAddress)
        assert not accepted or result.text in {f"{name}@{domain}", typed}


@given(names, near_domains, st.data())
@settings(max_examples=examples(200), deadline=None)
def test_look_alikes_in_a_name_are_read_as_they_look_or_not_at_all(name: str, domain: str, data: st.DataObject) -> None:
    alike = [TWINS[char] if char in TWINS and data.draw(st.booleans()) else char for char in name]
    result = SANITIZER.sanitize(f"{''.join(alike)}@{domain}")
    accepted = isinstance(parse_address(result.text), EmailAddress)
    assert result.text == f"{name}@{domain}" or not accepted or len(name) - sum(map(str.isascii, alike)) < 3


@given(local_parts, near_domains, st.sampled_from(WRAPPINGS))
@settings(max_examples=examples(200), deadline=None)
def test_an_address_of_a_provider_comes_out_of_what_is_around_it_as_it_was(
    local: str, domain: str, wrapping: str
) -> None:
    result = SANITIZER.sanitize(wrapping.format(f"{local}@{domain}"))
    assert (result.text, result.fault) == (f"{local}@{domain}", None)


@given(local_parts, slipped())
@settings(max_examples=examples(200), deadline=None)
def test_a_plain_address_is_answered_as_its_domain_is(local: str, domain: str) -> None:
    plain = plain_address(f"{local}@{domain}")
    if plain is None:
        return
    correction = SANITIZER.correct_domain(plain.domain)
    result = SANITIZER.sanitize(plain.text)
    applied = correction.action is CorrectionAction.APPLY
    assert result.text == (f"{local}@{correction.target}" if applied else plain.text)
    if correction.action is CorrectionAction.SUGGEST:
        assert result.suggestion == f"{local}@{correction.target}"


def test_naughty_strings_are_sanitized_without_raising() -> None:
    for text in json.loads(corpora("syntax", "naughty_strings.json").read_text("utf-8")):
        for form in (text, f"{text}@gmail.com", f"a@{text}"):
            check_result(form)
