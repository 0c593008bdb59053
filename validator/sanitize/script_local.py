"""Chooses among the readings of Cyrillic letters in a local part, which no table of names can settle. Pure."""

from __future__ import annotations

import re

from validator.sanitize.cyrillic import (
    all_letters_cyrillic,
    as_names_are_spelled,
    by_belarusian_key,
    by_key,
    by_sound,
    by_twin,
    cyrillic_runs,
    from_twins,
    has_cyrillic,
    is_belarusian,
    is_cyrillic,
    only_twins,
)
from validator.sanitize.readable import Readability
from validator.sanitize.script import Reread

_WORD = re.compile("[A-ZЀ-Я]*[a-zа-џ]+|[A-ZЀ-Я]+")
"""A new one begins at a capital: `АннаPetrova`."""
_GROWN_TOGETHER = re.compile("([Ѐ-џ]{3,})[A-Za-z]{3,}|[A-Za-z]{3,}([Ѐ-џ]{3,})")
"""A word before or behind one of the other script."""
_LATIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")


def struck_as_belarusian(local: str, domain: str, read: str) -> bool:
    """The `і` of an address stands on the key of b: letters on either side say so, or *read*, what the domain meant."""
    if is_belarusian(local + domain):
        return True
    return by_belarusian_key(domain).lower() == read != by_key(domain).lower()


def reread_local(local: str, readability: Readability, *, belarusian: bool = False) -> Reread:
    """The Latin reading of a local part with Cyrillic letters; *belarusian*: the domain was struck on that layout.

    What reads as Russian (`Анна.anna`, `ivanпетров`) is neither look-alikes nor struck keys, and what looks like a
    Latin word was not struck by keys that spell none (`міке`). A word that a space parts from the name says nothing.
    """
    if _is_label_of_another_script(local):
        return Reread(local, None, 1.0)
    restored = from_twins(local)
    sound = by_sound(as_names_are_spelled(restored))
    spoken = sound if sound is not None and _LATIN_LOCAL.fullmatch(sound) else None
    if not all_letters_cyrillic(local) and only_twins(local):
        twin = by_twin(local)
        if twin != spoken and any(readability.is_word(word, by_twin(word)) for word in _words(local, restored)):
            return Reread(local, None, 1.0, spoken)
        return Reread(twin, "cyrillic.twin", 0.93)
    keys = by_belarusian_key(local) if belarusian else by_key(local)
    runs = cyrillic_runs(restored)
    is_word = readability.is_word(".".join(runs), ".".join(map(by_key, runs)))
    if is_word or not _LATIN_LOCAL.fullmatch(keys):
        return Reread(local, None, 1.0, spoken)
    if only_twins(local) and readability.is_likelier_name(by_twin(local), keys):
        return Reread(local, None, 1.0, by_twin(local))
    return Reread(keys, "cyrillic.key", 0.92)


def _words(local: str, restored: str) -> list[str]:
    """The words of *restored* that are wholly Cyrillic, and mostly so in *local*, which has the same length."""
    words = []
    for match in _WORD.finditer(restored):
        cyrillic = sum(map(is_cyrillic, local[match.start() : match.end()]))
        if all_letters_cyrillic(match[0]) and 2 * cyrillic > len(match[0]):
            words.append(match[0])
        elif (grown := _GROWN_TOGETHER.fullmatch(match[0])) is not None:
            words.append(grown[1] or grown[2])
    return words


def _is_label_of_another_script(local: str) -> bool:
    """Words in spaces, some wholly Cyrillic, some without a Cyrillic letter: `Анна anna`."""
    pieces = [piece for piece in local.split() if any(map(str.isalpha, piece))]
    cyrillic = [piece for piece in pieces if has_cyrillic(piece) and all_letters_cyrillic(piece)]
    return bool(cyrillic) and any(not has_cyrillic(piece) for piece in pieces)
