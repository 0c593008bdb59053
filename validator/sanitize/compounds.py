"""Names that are made of a letter or word and a common one: gmail, hotmail, icloud. Pure.

People register `hmail`, `hostmail` and `jcloud`, so another beginning is no slip unless hands make it easily.
"""

from __future__ import annotations

import re

from validator.sanitize.distance import FIRST, SOUND_ALIKE, slip_cost

_DOUBLES = re.compile(r"(.)\1+")
_COMPOUNDS = ("mail", "cloud", "online")


def is_other_compound(typed: str, name: str) -> bool:
    """*typed* is another word before the same common one (`hmail` for `gmail`), which people really register."""
    for word in _COMPOUNDS:
        if name.endswith(word) and typed.endswith(word) and len(name) > len(word):
            before, meant = typed[: -len(word)].rstrip("-_"), name[: -len(word)].rstrip("-_")
            if before == meant:
                return False
            if slip_cost(typed, name) <= 0.5:
                return False
            if len(meant) == 1:
                return slip_cost(before, meant) > 0.75 or meant not in before
            if len(before) == len(meant) and _vowels_differ(before, meant):
                return True
            if len(meant) > 1 and (before[1:] == meant or before[:-1] == meant or before == meant[1:]):
                return False
            return slip_cost(before, meant) > (0.79 if len(meant) < 5 else 1.5)
    return False


def _vowels_differ(typed: str, meant: str) -> bool:
    """One vowel stands for another, which makes words of words: hit, hat, hut for hot."""
    differing = [(a, b) for a, b in zip(typed, meant, strict=True) if a != b]
    return bool(differing) and all(a in "aeiou" and b in "aeiou" for a, b in differing)


_SUFFIXES = ("s", "y", "er", "ers", "ly", "ed", "es", "ing", "ist", "ia", "ify", "io")
"""What turns a name into another name: gmailer, icloudy, listy."""


def is_doubtful_slip(typed: str, name: str) -> bool:
    """*typed* is near *name*, but names are made in this way too, so under an ending that exists it is no proof.

    A suffix behind the whole name, a number behind a short one (`mail2`); an unrelated first letter (`landex`); at
    three letters all but a doubled one.
    """
    if typed.startswith(name) and typed[len(name) :] in _SUFFIXES:
        return True
    if len(typed) < 3 or (len(name) < 5 and typed.rstrip("0123456789") == name):
        return True
    if len(name) < 4 and _DOUBLES.sub(r"\1", typed) != _DOUBLES.sub(r"\1", name):
        return True
    return len(typed) == len(name) and typed[1:] == name[1:] and slip_cost(typed, name) > SOUND_ALIKE + FIRST
