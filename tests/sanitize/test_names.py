"""The short lists are only a quicker way to what comparing with every name gives."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import process
from rapidfuzz.distance import OSA

from validator.reference import load_reference
from validator.reference.providers import load_providers
from validator.sanitize.finding import CandidateFinder
from validator.sanitize.targets import NameList, Targets

TARGETS = Targets(load_providers(load_reference()))


class EveryName(NameList):
    """Compares with every name, whatever its length."""

    def of_length(self, length: int, within: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
        return self._names, tuple(range(len(self._names)))


class AnyName(NameList):
    """Never says that nothing is near."""

    def near(self, typed: str, edits: int, limit: int) -> list[tuple[str, int]]:
        return [("", 0)]


def slow_targets() -> Targets:
    slow = copy.copy(TARGETS)
    slow.names, slow.flats = EveryName(TARGETS.names._names), EveryName(TARGETS.flats._names)
    slow.names_under = {ending: EveryName(names._names) for ending, names in TARGETS.names_under.items()}
    slow.distinct_names, slow.within_reach = AnyName([]), {}
    return slow


FAST, SLOW = CandidateFinder(TARGETS), CandidateFinder(slow_targets())
ALPHABET = "abcdefghiklmnoprstuvwxyz0129.-"
DOMAINS = sorted(target.domain for group in TARGETS.by_name.values() for target in group)


@st.composite
def slips(draw: st.DrawFn) -> str:
    """A provider's domain after a few slips of the keys."""
    letters = list(draw(st.sampled_from(DOMAINS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(letters)))
        letters[at : at + draw(st.integers(0, 1))] = draw(st.text(ALPHABET, max_size=1))
        if draw(st.booleans()):
            letters[at : at + 2] = reversed(letters[at : at + 2])
    return "".join(letters)


@given(st.one_of(slips(), st.text(ALPHABET, min_size=1, max_size=20)))
def test_the_same_candidates_are_found(domain: str) -> None:
    assert FAST.near(domain) == SLOW.near(domain)


@given(slips(), st.integers(1, 3), st.integers(1, 4))
def test_a_short_list_is_that_of_all_names(typed: str, edits: int, limit: int) -> None:
    names = TARGETS.flats._names
    close = process.extract(typed, names, scorer=OSA.distance, score_cutoff=edits, limit=limit)
    assert TARGETS.flats.near(typed, edits, limit) == [(name, at) for name, _, at in close]
