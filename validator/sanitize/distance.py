"""How likely is it that somebody who meant *target* typed *typed*? A weighted edit distance. Pure.

Optimal string alignment with a price per kind of slip instead of one for all: a doubled letter or two swapped ones are
cheap, an unrelated letter is dear, and the first letter is dearer than the rest, since people look at it.
"""

from __future__ import annotations

import itertools

DOUBLED = 0.4
"""A letter doubled, or one of a double left out."""
SWAPPED = 0.4
"""Two neighbouring letters in the wrong order."""
PUNCTUATION = 0.4
"""A dot, hyphen or underscore lost, added or taken for another."""
LOOK_ALIKE = 0.45
"""A character that looks like the one meant: 0 for o, 1 for l."""
LAYOUT_ECHO = 0.5
"""The key that carries, on the Russian layout, the letter that looks like the one meant: v for m, n for t."""
NEIGHBOUR = 0.55
"""The key beside the one meant, or both struck together."""
SOUND_ALIKE = 0.65
"""A letter that is spoken alike: i for e, s for z."""
LOST = 0.75
"""A letter left out."""
ADDED = 0.85
"""A letter too many."""
OTHER = 1.0
"""A letter that has nothing to do with the one meant."""
FIRST = 0.3
"""On top of anything that changes the first letter."""
FIRST_SWAPPED = 0.15
"""On top when the first two letters are swapped."""
FIRST_ADDED = 0.15
"""On top when something else stands before the first letter."""
ECHO_AGAIN = 0.15
"""Each further layout echo: who has the wrong layout in mind slips more than once."""
SYLLABLE = 0.5
"""Two or three letters typed twice: wananadoo."""
MOVED = 0.9
"""The same letters in another order, the first in its place: gmila."""
DIGRAPH = 0.5
"""Two letters for one that sounds or looks the same: ks for x, rn for m."""

_ROWS = ("1234567890-", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_PUNCTUATION = frozenset(".-_")
_LOOK_ALIKES = ("0o", "1l", "1i", "il", "5s", "8b", "gq", "uv", "vw", "ce", "co", "db", "mn")
_SOUND_ALIKES = ("ie", "sz", "yi", "kx", "ck", "cs", "ae", "ou", "kq", "td", "bp", "fv", "jg", "jy", "vw")
_ECHOES = ("vm", "nt", "fa", "te", "jo", "hp", "ey", "rk", "db", "yh", "bu", "gn", "cs")
"""Typed letter, then the letter meant: в and B share no key, so the key of м, V, is struck for m."""


_DIGRAPHS = (
    ("ks", "x"),
    ("kc", "x"),
    ("kx", "x"),
    ("ch", "x"),
    ("cs", "x"),
    ("rn", "m"),
    ("nn", "m"),
    ("vv", "w"),
    ("ph", "f"),
)


def _neighbours() -> set[tuple[str, str]]:
    pairs: set[tuple[str, str]] = set()
    for row in _ROWS:
        pairs |= {(a, b) for a, b in itertools.pairwise(row)}
    for upper, lower in itertools.pairwise(_ROWS):
        for column, key in enumerate(lower):
            pairs |= {(key, upper[at]) for at in (column, column + 1) if at < len(upper)}
    return pairs | {(b, a) for a, b in pairs}


NEIGHBOURS = frozenset(_neighbours())
"""Ordered pairs of keys that touch on a QWERTY board; the third row is shifted by half a key."""
_QWERTZ = frozenset({("z", "t"), ("z", "u"), ("y", "x"), ("y", "a"), ("z", "y"), ("y", "z")})


def _substitutions() -> dict[str, float]:
    costs: dict[str, float] = {}

    def offer(typed: str, meant: str, cost: float) -> None:
        costs[typed + meant] = min(cost, costs.get(typed + meant, OTHER))

    for a, b in NEIGHBOURS | _QWERTZ:
        offer(a, b, NEIGHBOUR)
    for pair in _LOOK_ALIKES:
        offer(pair[0], pair[1], LOOK_ALIKE)
        offer(pair[1], pair[0], LOOK_ALIKE)
    for pair in _SOUND_ALIKES:
        offer(pair[0], pair[1], SOUND_ALIKE)
        offer(pair[1], pair[0], SOUND_ALIKE)
    for a in _PUNCTUATION:
        for b in _PUNCTUATION - {a}:
            offer(a, b, PUNCTUATION)
    return costs


_SUBSTITUTE = _substitutions()
_ECHO = frozenset(_ECHOES)


def _addition(char: str, before: str, after: str) -> float:
    if char in (before, after):
        return DOUBLED
    if char in _PUNCTUATION:
        return PUNCTUATION
    if (char, before) in NEIGHBOURS or (char, after) in NEIGHBOURS:
        return NEIGHBOUR
    return SOUND_ALIKE if char.isdigit() else ADDED


def slip_cost(typed: str, target: str, limit: float = 9.0) -> float:
    """Cost of having typed *typed* for *target*; 0 when equal, any cost over *limit* once it must exceed that.

    What both begin and end with is set aside first, so that the time depends on the part that differs.
    """
    if typed == target:
        return 0.0
    whole = min(_echo_cost(typed, target), _whole_cost(typed, target))
    begin, shortest = 0, min(len(typed), len(target))
    while begin < shortest and typed[begin] == target[begin]:
        begin += 1
    end = 0
    while end < shortest - begin and typed[-1 - end] == target[-1 - end]:
        end += 1
    # one letter of each side stays: a doubled letter and a neighbour key are told by what stands beside them
    begin, end = max(begin - 1, 0), max(end - 1, 0)
    middle = _aligned(typed[begin : len(typed) - end], target[begin : len(target) - end], limit, at_start=begin == 0)
    return min(middle, whole)


def _aligned(typed: str, target: str, limit: float, *, at_start: bool) -> float:
    """Optimal string alignment with the prices of this file."""
    width = len(target)
    losses = [_loss(meant, target[j - 1] if j else "") for j, meant in enumerate(target)]
    if at_start and width and losses[0] == LOST:
        losses[0] += FIRST
    row = [0.0]
    for loss in losses:
        row.append(row[-1] + loss)
    above: list[float] = []
    before = ""
    last_best = 0.0
    for i, char in enumerate(typed):
        addition = _addition(char, before, typed[i + 1 : i + 2])
        previous = row
        best = previous[0] + addition + (FIRST_ADDED if i == 0 and at_start and addition != DOUBLED else 0.0)
        row = [best]
        cost = best
        for j, meant in enumerate(target):
            lost = cost + losses[j]
            if char == meant:
                cost = previous[j]
            else:
                cost = previous[j] + _SUBSTITUTE.get(char + meant, OTHER)
                if j == 0:
                    cost += FIRST if at_start else 0.0
                elif i and char == target[j - 1] and before == meant:
                    swapped = above[j - 1] + (SWAPPED + FIRST_SWAPPED if j == 1 and at_start else SWAPPED)
                    cost = min(cost, swapped)
            added = previous[j + 1] + addition
            cost = min(cost, added)
            cost = min(cost, lost)
            row.append(cost)
            best = min(best, cost)
        if best > limit and last_best > limit:
            return best
        last_best, above, before = best, previous, char
    return row[width]


def _loss(meant: str, before: str) -> float:
    if meant == before:
        return DOUBLED
    return PUNCTUATION if meant in _PUNCTUATION else LOST


def _echo_cost(typed: str, target: str) -> float:
    """The cost when every difference is a layout echo, else `inf`."""
    if len(typed) != len(target):
        return float("inf")
    cost = 0.0
    for at, (char, meant) in enumerate(zip(typed, target, strict=True)):
        if char == meant:
            continue
        if char + meant not in _ECHO:
            return float("inf")
        cost += (ECHO_AGAIN if cost else LAYOUT_ECHO) + (FIRST if at == 0 and not cost else 0.0)
    return cost


def _whole_cost(typed: str, target: str) -> float:
    """The cost of slips that are no single edit: a syllable twice, letters moved, two letters for one; else `inf`."""
    longer = len(typed) - len(target)
    if longer == 0 and len(target) > 4 and typed[0] == target[0] and sorted(typed) == sorted(target):
        return MOVED
    if longer >= 0:
        for pair, letter in _DIGRAPHS:
            if pair in typed and letter in target and letter not in typed:
                return DIGRAPH + slip_cost(typed.replace(pair, letter, 1), target)
    if longer in (2, 3, 4):
        for at in range(len(typed) - 2 * longer + 1):
            end = at + longer
            if typed[at:end] == typed[end : end + longer] and typed[:at] + typed[end:] == target:
                return SYLLABLE
    return float("inf")


def one_letter_for_two(text: str) -> str:
    """*text* with the first `ks`, `kc`, … written as the one letter it sounds or looks like."""
    for pair, letter in _DIGRAPHS:
        if pair in text:
            return text.replace(pair, letter, 1)
    return text


def is_layout_echo(typed: str, target: str) -> bool:
    """True when more than two letters differ and every one is a layout echo: `efndtx` for `yandex`."""
    if len(typed) != len(target) or len(target) < 5:
        return False
    differing = [char + meant for char, meant in zip(typed, target, strict=True) if char != meant]
    return len(differing) > 2 and all(pair in _ECHO for pair in differing)
