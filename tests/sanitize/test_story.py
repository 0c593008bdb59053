"""The story of a repair is complete and every rule has a sentence."""

from __future__ import annotations

import pytest

from validator.reference.providers import Providers
from validator.sanitize import Sanitizer
from validator.sanitize.story import rule_sentence, tell


def sentences(sanitizer: Sanitizer, text: str) -> list[str]:
    result = sanitizer.sanitize(text)
    domain = result.text.rpartition("@")[2]
    return [step.sentence for step in tell(result, sanitizer.correct_domain(domain))]


def test_each_repair_is_a_step_and_the_last_step_says_what_came_of_it(sanitizer: Sanitizer) -> None:
    story = sentences(sanitizer, " анна!@gmial.com\u200b")
    assert "invisible" in story[0]
    assert story[-1].startswith(("judged as", "not an address"))


def test_a_whole_address_on_the_wrong_layout_is_told_in_order(sanitizer: Sanitizer) -> None:
    rules = [step.rule for step in tell(sanitizer.sanitize('ыефы"пьфшдюсщь'))]
    assert rules == ["cyrillic.at_key", "cyrillic.key", "cyrillic.key", "end"]


def test_a_suggestion_names_its_rivals_and_says_why_it_is_not_applied(sanitizer: Sanitizer) -> None:
    story = sentences(sanitizer, "anna@hmail.com")
    assert "gmail.com" in story[0]
    assert "only suggested" in story[0]
    assert "probably meant" in story[-1]


def test_a_known_domain_has_nothing_to_repair(sanitizer: Sanitizer) -> None:
    assert sentences(sanitizer, "anna@gmail.com") == ["gmail.com: a provider's domain", "nothing to repair"]


def test_what_cannot_be_printed_is_shown_escaped(sanitizer: Sanitizer) -> None:
    assert "\\u200b" in sentences(sanitizer, "an\u200bna@gmail.com")[0]


@pytest.mark.parametrize(
    "text",
    [
        "&#97;nna@gmail.com", "anna＠gmail.com", "anna@@gmail.com", 'anna"gmail.com', "a@b.ru@b.ru", "<anna@gmail.com>",
        "anna@gmail..com", "anna@gmáil.com", "an!na@gmail.com", "ш@gmail.com", "anna@gmаil.com", "anna@яндекс.ру",
        "a@gmial.com", "a@gmail.con", "a@gmail", "a@gmailcom", "a@gmail.comgmail.com", "a@www.gmail.com",
        "a@gmail1.com", "a@corporation.con",
    ],
)  # fmt: skip
def test_every_rule_that_fires_has_a_sentence(sanitizer: Sanitizer, text: str, providers: Providers) -> None:
    changes = sanitizer.sanitize(text).changes
    assert changes
    for change in changes:
        assert rule_sentence(change.rule) != "a repair", change.rule
