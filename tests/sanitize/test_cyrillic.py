"""Keys, twins and sounds; a Russian word or Latin on the wrong layout."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from validator.address import EmailAddress, parse_address
from validator.reference import Reference
from validator.reference.providers import Providers
from validator.reference.suffixes import is_delegated_tld
from validator.sanitize import Sanitizer
from validator.sanitize.cyrillic import by_key, by_sound, by_twin, has_cyrillic, only_twins

RUSSIAN = dict(zip("qwertyuiop[]asdfghjkl;'zxcvbnm,.", "йцукенгшщзхъфывапролджэячсмитьбю", strict=True))
UKRAINIAN = RUSSIAN | {"s": "і", "]": "ї", "'": "є"}
TWINS = dict(zip("aceopxykmtbhi", "асеорхукмтвні", strict=True))
NAMES = ("ivan", "anna.petrova", "maxim77", "olga_k", "sergey.ivanov", "elena1985", "lena-work", "denis", "natasha")
WORDS = ("иван", "мария.петрова", "ольга77", "сергей", "саша", "рома", "директор", "магазин", "солнышко", "аптека")


def typed(text: str, layout: dict[str, str]) -> str:
    return "".join(layout.get(char, char) for char in text)


def test_the_whole_of_both_layouts_is_read_back() -> None:
    for layout in (RUSSIAN, UKRAINIAN):
        assert by_key("".join(layout.values())) == "".join(layout)


def test_look_alikes_are_read_as_what_they_look_like() -> None:
    assert by_twin("аlех") == "alex"
    assert only_twins("оlga")
    assert not only_twins("ольga")


@given(st.text(st.characters(min_codepoint=0x400, max_codepoint=0x52F), max_size=20))
@settings(max_examples=examples(200), deadline=None)
def test_a_spelling_by_ear_holds_letters_and_digits_or_is_none(text: str) -> None:
    spelled = by_sound(text)
    assert spelled is None or (spelled.isascii() and spelled.isalnum())


@pytest.mark.parametrize("layout", [RUSSIAN, UKRAINIAN])
def test_every_big_provider_is_found_behind_the_wrong_layout(
    sanitizer: Sanitizer, providers: Providers, layout: dict[str, str]
) -> None:
    for domain in sorted(domain for domain, tier in providers.tiers.items() if tier == 1):
        if domain[0].isdigit():
            continue
        for form in (typed(domain, layout), typed(domain.replace(".", "\0"), layout).replace("\0", ".")):
            if has_cyrillic(form):
                assert sanitizer.sanitize(f"anna@{form}").text == f"anna@{domain}", form


def test_every_look_alike_in_a_big_providers_name_is_put_right(sanitizer: Sanitizer, providers: Providers) -> None:
    for domain in sorted(domain for domain, tier in providers.tiers.items() if tier == 1):
        for at, char in enumerate(domain):
            if char in TWINS:
                form = f"{domain[:at]}{TWINS[char]}{domain[at + 1 :]}"
                assert sanitizer.sanitize(f"anna@{form}").text == f"anna@{domain}", form


@pytest.mark.parametrize("name", NAMES)
def test_a_name_struck_on_the_wrong_layout_is_read_by_its_keys(sanitizer: Sanitizer, name: str) -> None:
    for form in (typed(name, RUSSIAN), typed(name.replace(".", "\0"), RUSSIAN).replace("\0", ".")):
        assert sanitizer.sanitize(f"{form}@gmail.com").text == f"{name}@gmail.com"


@pytest.mark.parametrize("word", WORDS)
def test_a_russian_word_is_left_alone_and_its_sound_suggested(sanitizer: Sanitizer, word: str) -> None:
    result = sanitizer.sanitize(f"{word}@mail.ru")
    assert result.text == f"{word}@mail.ru"
    assert result.suggestion is not None
    assert isinstance(parse_address(result.suggestion), EmailAddress)
    assert result.suggestion.endswith("@mail.ru")


def test_one_letter_has_no_sound_to_go_by_so_the_key_decides(sanitizer: Sanitizer) -> None:
    assert sanitizer.sanitize("ш@gmail.com").text == "i@gmail.com"


def test_a_domain_spelled_by_ear_becomes_that_domain_or_stays(
    reference: Reference, sanitizer: Sanitizer, providers: Providers
) -> None:
    """Not one that is near another reading: `аутлук.ру` read as outlook.he is no slip for outlook.be."""
    spellings = {row["spelled"]: row["meant"] for row in reference.table("cyrillic_aliases").records()}
    endings = {spelled: meant for spelled, meant in spellings.items() if is_delegated_tld(meant)}
    for name, meant in spellings.items():
        for ending, tld in endings.items():
            text = f"anna@{name}.{ending}"
            result = sanitizer.sanitize(text)
            heard = f"{meant}.{tld}"
            corrected = sanitizer.correct_domain(heard).target
            assert result.text in {text, f"anna@{heard}", f"anna@{corrected}"} or name in endings, text
            if heard in providers.domains and len(name) > 2:
                assert f"anna@{heard}" in {result.text, result.suggestion}, text
