"""Cyrillic letters in an address: struck keys, look-alikes, or a spelling by ear? Pure.

Layouts: Russian ЙЦУКЕН and its Ukrainian variant, which differ only in letters that the other does not have, so one
table serves both. The Belarusian one has the Ukrainian `і` on the key of b; letters that Ukrainian lacks tell it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from enum import StrEnum

from unidecode import unidecode

_KEY_ROWS = (
    ("йцукенгшщзхъ", "qwertyuiop[]"),
    ("фывапролджэ", "asdfghjkl;'"),
    ("ячсмитьбю", "zxcvbnm,."),
    ("іїєґўё", "s]'\\o`"),
)
_KEY = {russian: latin for row, keys in _KEY_ROWS for russian, latin in zip(row, keys, strict=True)}
_KEY |= {russian.upper(): latin.upper() if latin.isalpha() else latin for russian, latin in _KEY.items()}
_KEY_TABLE = str.maketrans(_KEY)
_BELARUSIAN_TABLE = str.maketrans(_KEY | {"і": "b", "І": "B"})
_NOT_UKRAINIAN = frozenset("ўыэё")
"""Letters of the Belarusian alphabet that are on no Ukrainian keyboard."""

_TWINS = dict(zip("асеорхукмтвніјѕһԁԛԝпѵ", "aceopxykmtbhijshdqwnv", strict=True))
_TWINS |= dict(zip("АСЕОРХУКМТВНІЈЅԚԜ", "ACEOPXYKMTBHIJSQW", strict=True))
_TWINS.pop("п")
_TWIN_TABLE = str.maketrans(_TWINS)

_ROUGH_TWINS = str.maketrans("гьпиГЬ", "rbnurb")
"""Letters that look like others in some typefaces only, so believed where a provider's name comes out."""

_IN_FEW_ALPHABETS = frozenset("ѕһԁԛԝѵЅԚԜ")
"""Look-alikes that no keyboard of many people has: no Latin letter stands for them."""
_FROM_TWIN = str.maketrans(
    {latin: russian for russian, latin in reversed(_TWINS.items()) if russian not in _IN_FEW_ALPHABETS}
)
_SPELLED_LOWER = {"я": "ya", "ю": "yu", "й": "y", "ё": "e", "є": "ye", "ї": "yi"}
_SPELLED = str.maketrans(
    _SPELLED_LOWER | {cyrillic.upper(): latin.capitalize() for cyrillic, latin in _SPELLED_LOWER.items()}
)
_AFTER_I = re.compile("(?<=[иі])я")
_SEGMENT = re.compile(r"[^._+\-]+")


class Reading(StrEnum):
    """How Cyrillic letters were taken."""

    KEY = "key"
    """The Latin character of the same key (owner's rule)."""
    TWIN = "twin"
    """The Latin letter that looks the same."""
    SOUND = "sound"
    """The spelling by ear, from the alias table or letter by letter."""


def is_cyrillic(char: str) -> bool:
    """True for a character of the Cyrillic blocks."""
    return "\u0400" <= char <= "\u052f" or "\u1c80" <= char <= "\u1c8f"


def has_cyrillic(text: str) -> bool:
    """True when *text* holds a Cyrillic character."""
    return not text.isascii() and any(map(is_cyrillic, text))


def all_letters_cyrillic(text: str) -> bool:
    """True when *text* holds letters and all of them are Cyrillic."""
    letters = [char for char in text if char.isalpha()]
    return bool(letters) and all(map(is_cyrillic, letters))


def only_twins(text: str) -> bool:
    """True when every Cyrillic letter of *text* has a Latin twin."""
    return all(char in _TWINS for char in text if is_cyrillic(char))


def by_key(text: str, beside: str = "") -> str:
    """The Latin characters of the same keys: `пьфшдюсщь` -> `gmail.com`.

    *beside*: the rest of the address, struck on the same layout, which may tell a Belarusian one.
    """
    return text.translate(_BELARUSIAN_TABLE if is_belarusian(text + beside) else _KEY_TABLE)


def is_belarusian(text: str) -> bool:
    """True when the `і` of *text*, if it has one, stands on the key of b."""
    letters = set(text.lower())
    return "ў" in letters or ("і" in letters and not _NOT_UKRAINIAN.isdisjoint(letters))


def by_belarusian_key(text: str) -> str:
    """The Latin characters of the same keys of the Belarusian layout."""
    return text.translate(_BELARUSIAN_TABLE)


def by_twin(text: str) -> str:
    """Cyrillic letters replaced by the Latin ones that look the same; others stay."""
    return text.translate(_TWIN_TABLE)


def by_sound(text: str, aliases: Mapping[str, str] | None = None) -> str | None:
    """*text*, one label or local part, in Latin letters; None when that yields anything but letters and digits.

    Transliteration is given only runs of letters: on other characters it can create an @, a space or a newline.
    """
    alias = (aliases or {}).get(text.lower())
    if alias is not None:
        return alias
    spelled = []
    for char in text:
        if char.isascii():
            spelled.append(char)
            continue
        latin = unidecode(char).replace("'", "").replace('"', "")
        if latin and not (latin.isascii() and latin.isalnum()):
            return None
        spelled.append(latin.lower() if char.islower() else latin)
    return "".join(spelled) or None


def as_names_are_spelled(text: str) -> str:
    """*text* with the letters that people write otherwise than Unidecode: сергей is sergey, юля yulya, мария maria."""
    return _AFTER_I.sub("a", text).translate(_SPELLED)


def from_twins(text: str) -> str:
    """Latin letters that look Cyrillic made Cyrillic in words that are Cyrillic then: `ивaн` -> `иван`."""
    return _SEGMENT.sub(_from_twins, text)


def _from_twins(word: re.Match[str]) -> str:
    if not has_cyrillic(word[0]):
        return word[0]
    restored = word[0].translate(_FROM_TWIN)
    return restored if all_letters_cyrillic(restored) else word[0]


def cyrillic_runs(text: str) -> list[str]:
    """The runs of Cyrillic letters in *text*: `ivanпетров` holds `петров`."""
    return ["".join(run) for cyrillic, run in itertools.groupby(text, key=is_cyrillic) if cyrillic]


def readings(text: str, aliases: Mapping[str, str]) -> list[tuple[Reading | None, str]]:
    """Every distinct Latin reading of one label, the likeliest kind first; a Latin label alone is its only reading."""
    if not has_cyrillic(text):
        return [(None, text)]
    found: dict[str, Reading] = {}
    if only_twins(text):
        found.setdefault(by_twin(text), Reading.TWIN)
    found.setdefault(by_key(text), Reading.KEY)
    found.setdefault(by_belarusian_key(text), Reading.KEY)
    if not all_letters_cyrillic(text):
        found.setdefault(by_key(by_twin(text)), Reading.TWIN)
        found.setdefault(by_key(by_twin(text.translate(_ROUGH_TWINS))), Reading.TWIN)
    sound = by_sound(text, aliases)
    if sound is not None:
        found.setdefault(sound, Reading.SOUND)
    return [(reading, latin) for latin, reading in found.items()]
