"""The price of a slip."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from validator.sanitize import distance
from validator.sanitize.distance import slip_cost
from validator.sanitize.endings import ending_cost, is_delegated, is_tie, unknown_ending

words = st.text("abdegilmnooxy.-0", min_size=1, max_size=10)


@pytest.mark.parametrize(
    ("typed", "target", "cost"),
    [
        ("gmail", "gmail", 0.0),
        ("gmaill", "gmail", distance.DOUBLED),
        ("yaho", "yahoo", distance.DOUBLED),
        ("gmial", "gmail", distance.SWAPPED),
        ("t.online", "t-online", distance.PUNCTUATION),
        ("yah0o", "yahoo", distance.LOOK_ALIKE),
        ("gvail", "gmail", distance.LAYOUT_ECHO),
        ("efndtx", "yandex", distance.LAYOUT_ECHO + distance.FIRST + 2 * distance.ECHO_AGAIN),
        ("gmaul", "gmail", distance.NEIGHBOUR),
        ("gmeil", "gmail", distance.SOUND_ALIKE),
        ("gmal", "gmail", distance.LOST),
        ("gmazil", "gmail", distance.NEIGHBOUR),
        ("gmabil", "gmail", distance.ADDED),
        ("gmapl", "gmail", distance.OTHER),
        ("hotnail", "hotmail", distance.LOOK_ALIKE),
        ("jotmail", "hotmail", distance.NEIGHBOUR + distance.FIRST),
        ("gmila", "gmail", distance.MOVED),
        ("wananadoo", "wanadoo", distance.SYLLABLE),
        ("yandeks", "yandex", distance.DIGRAPH),
    ],
)
def test_each_kind_of_slip_has_its_price(typed: str, target: str, cost: float) -> None:
    assert slip_cost(typed, target) == pytest.approx(cost)


@given(words, words)
@settings(max_examples=examples(200), deadline=None)
def test_a_cost_is_nought_only_for_the_word_itself_and_never_more_than_typing_it_anew(typed: str, target: str) -> None:
    cost = slip_cost(typed, target)
    assert (cost == 0) == (typed == target)
    anew = len(typed) * distance.ADDED + len(target) * distance.LOST + distance.FIRST + distance.FIRST_ADDED
    assert cost <= anew + 1e-9


@given(words, words)
@settings(max_examples=examples(200), deadline=None)
def test_a_limit_never_makes_a_far_word_near(typed: str, target: str) -> None:
    cost = slip_cost(typed, target)
    limited = slip_cost(typed, target, 1.0)
    assert limited == cost if cost <= 1.0 else limited > 1.0


def test_endings_cut_short_or_with_something_glued_on_are_near() -> None:
    assert ending_cost("c", "com") < ending_cost("x", "com")
    assert ending_cost("comxx", "com") < 1
    assert ending_cost("com.com", "com") < 0.5


def test_an_ending_of_an_unknown_name_is_repaired_towards_the_common_ones() -> None:
    assert unknown_ending("con")[0][0] == "com"
    assert unknown_ending("ney")[0][0] == "net"
    assert unknown_ending("co.uj")[0][0] == "co.uk"
    assert is_tie(unknown_ending("ed"))
    assert unknown_ending("zzzzz") == ()


def test_every_country_of_the_root_zone_counts_as_delegated() -> None:
    assert all(is_delegated(f"a.{tld}") for tld in ("com", "za", "uk", "bd", "er", "xn--p1ai"))
    assert not any(is_delegated(f"a.{tld}") for tld in ("con", "ry", "fe", "c"))
