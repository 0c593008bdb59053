"""Special characters of a local part: which go, which go only at some providers, which stay. Pure.

Owner's rule: double quotes, `! ? # $` and spaces are removed. Dot and `+` stay, since dropping them names a stranger.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from validator.address import SyntaxRules
from validator.sanitize.escapes import without_rests
from validator.sanitize.text import is_ornament

_ALWAYS = frozenset('"!?#$')
_OTHER = frozenset("'&*/=%^{|}~`")
"""The other symbols of RFC 5322 3.2.3."""
_NEVER_LEGAL = frozenset("()<>[]:;,\\")
"""Legal only inside quotes (RFC 5322 3.2.3 `specials`), which no ordinary mailbox has."""
_ATOM = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
_RETURN_PATH = re.compile(r"[^=]+=[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
"""Somebody's whole address inside a local part (`anna=acme.com`): without the sign it is nobody's name."""
_COMMENT = re.compile(r"\([^()]*\)")
_QUOTED = re.compile(r'"([^"]*)"')
_SPACED_DOT = re.compile(r"(?<=\w) +\. +(?=\w)")
"""`anna . petrova`: with a space on both sides the dot ends no sentence and no title."""
_TELEPHONE = re.compile(r"(?=(?:\D*\d){7})(?=.*\d.*[()].*\d|.* .*-|.*-.* )\+?[\d() -]+")
"""`8 916 123-45-67`: whose mailbox that is, or whether all its signs belong to the name, nobody knows."""
_LINK = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?/")
"""A host and a path: what stands behind belongs to a link that holds an address."""
_LINK_PART = re.compile(r"[/?&=#]+")
_WRAPPERS = frozenset("\"'`{[(<|*")
_UNLIKE_NAMES = re.compile(r"[^\w.+-]+")
_LABELLED = re.compile(r".*[:<>]")
_FIELD_END = re.compile(r"[=:;|/>,]")
_LABELS = frozenset(
    {
        "address", "bcc", "bounce", "cc", "contact", "e-mail", "email", "from", "id", "login", "mail", "mailto", "name",
        "recipient", "sip", "skype", "tel", "to", "user", "userid", "username",
    }
)  # fmt: skip
"""Words that say what follows them, where one of `_FIELD_END` stands between; so does the number of a row."""
_NO_NAME = re.compile(r"\w[^\w.+-]+\w|^[\W\d_]+$|^[^\w.+\"'-]+\w")
"""Before a space: a number or date, something marked or cut (`#5`, `c/o`), which is no part of the name behind it."""
_MIN_WORD = 3
"""Fewer characters before or behind a stray sign are a part of one name, not a name."""


@dataclass(frozen=True, slots=True)
class LocalPart:
    """A local part after its special characters were looked at."""

    text: str
    """What to judge."""
    removed: str
    """The characters that were removed, in order; empty when none."""
    suggestion: str | None
    """What is left when everything that is not accepted goes, when that is more than was removed."""


def clean_local(local: str, *, refused: Callable[[str], bool], rules: SyntaxRules) -> LocalPart:
    """Remove what may be removed; *refused*: the provider is known to give out no mailbox with this character."""
    if _ATOM.fullmatch(local):
        return LocalPart(local, "", None)
    local = _SPACED_DOT.sub(".", local)
    quoted = _QUOTED.fullmatch(local)
    if quoted is not None and not _ATOM.fullmatch(quoted[1]):
        return LocalPart(local, "", _bare(local, rules))
    if _TELEPHONE.fullmatch(local):
        return LocalPart(local, "", None)
    rest = without_rests(local) if not rules.symbols else None
    if rest is not None or (_RETURN_PATH.fullmatch(local) and not rules.symbols):
        return LocalPart(local, "", _bare(rest, rules) if rest else None)
    if _COMMENT.search(local) and _COMMENT.sub("", local):
        return LocalPart(local, "", _bare(_COMMENT.sub("", local), rules))
    last = _labelled(local)
    if last is not None:
        return LocalPart(local, "", _bare(last, rules))
    kept: list[str] = []
    removed: list[str] = []
    begin, end = _edges(local)
    for at, char in enumerate(local):
        at_edge = at < begin or at >= end
        if _accepted(char, rules):
            gone = False
        elif char in _ALWAYS or char == " ":
            gone = True
        elif char in _OTHER:
            gone = refused(char)
        else:
            stray = char not in ",:" and refused(char) and _is_one_word(local[begin:at], local[at + 1 : end])
            gone = char == "\\" or (char in _NEVER_LEGAL and (at_edge or stray))
            gone = gone or (at < begin and not rules.eai and is_ornament(char))
        (removed if gone else kept).append(char)
    text = "".join(kept)
    if not text:
        return LocalPart(local, "", None)
    bare = _bare(text, rules)
    return LocalPart(text, "".join(removed), bare if bare != text else None)


def _labelled(local: str) -> str | None:
    """The part that names the mailbox where something else stands before it: `Ivan ivan`, `login:ivan`, a link.

    None when the whole is one name, though with signs or a space in it. Closing up two things names a third.
    """
    pieces = local.split()
    if all(map(str.isdecimal, pieces)):
        return None  # a telephone number in its groups
    if len(pieces) == 2 and (_NO_NAME.search(pieces[0]) or pieces[0].casefold() in _LABELS):
        return pieces[1]
    words = [word for word in _UNLIKE_NAMES.split(local) if word]
    *fields, last = _FIELD_END.split(local)
    if len(words) > 2 and fields and " " in fields[-1].strip() and last.strip() == words[-1]:
        return words[-1]  # a whole name in the field before it: `Anna Petrova|anna`
    if len(pieces) > 1:
        is_phrase = len(pieces) > 2 and max(map(len, pieces)) > 2
        two_scripts = len({piece.isascii() for piece in pieces}) > 1
        if is_phrase or two_scripts or pieces[-1][0] in _WRAPPERS or not _NEVER_LEGAL.isdisjoint(local):
            return pieces[-1]
    if _LINK.match(local):
        return _LINK_PART.split(local)[-1]
    if len(words) == 2:
        before, behind = words
        if len(before) >= _MIN_WORD and behind.casefold().startswith(before.casefold()):
            return behind
        label = before.isdigit() or before.casefold() in _LABELS or (behind.isascii() and not before.isascii())
        if label and _FIELD_END.search(local[len(before) : -len(behind)]):
            return behind
    return None


def _is_one_word(before: str, behind: str) -> bool:
    """A sign between *before* and *behind* fell into a name, rather than parting two (`ivan;petrov`, `Ivan>ivan`)."""
    return min(len(before), len(behind)) < _MIN_WORD


def _accepted(char: str, rules: SyntaxRules) -> bool:
    if char == '"':
        return False
    return (rules.symbols and (char in _ALWAYS or char in _OTHER)) or (rules.apostrophe and char == "'")


def _edges(local: str) -> tuple[int, int]:
    """First index past the leading, and first of the trailing, run of characters that are no letters or digits."""
    begin, end = 0, len(local)
    while begin < end and not (local[begin].isalnum() or local[begin] in "._-+"):
        begin += 1
    while end > begin and not (local[end - 1].isalnum() or local[end - 1] in "._-+"):
        end -= 1
    return begin, end


def _bare(text: str, rules: SyntaxRules) -> str | None:
    """The strictest form: accents folded, everything that is not accepted gone, no dot at an end; None when empty.

    `,` and `;` share a key with the dot on many layouts, and are read so, a long dash as a
    hyphen; before `:` and `>` stands a label.
    """
    folded = re.sub(r"(?<=\w)[,;](?=\w)", ".", fold_accents(_LABELLED.sub("", text) or text)).replace("\u2014", "-")
    kept = "".join(
        char for char in folded if (char.isascii() and (char.isalnum() or char in "._-+")) or _accepted(char, rules)
    )
    if any(not char.isascii() and char.isalnum() for char in folded):
        return None
    return kept.strip(".") or None


_FOLDS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ł": "l",
        "ı": "i",
        "þ": "th",
        "Ł": "L",
        "Ø": "O",
        "Đ": "D",
        "Æ": "AE",
        "İ": "I",
    }
)


def fold_accents(text: str) -> str:
    """Latin letters without their accents: é -> e, ß -> ss; other scripts unchanged."""
    if text.isascii():
        return text
    folded = []
    for char in text.translate(_FOLDS):
        parts = unicodedata.normalize("NFD", char)
        folded.append(parts[0] if parts[0].isascii() else char)
    return "".join(folded)


def with_plain_digits(local: str) -> str:
    """Digits of Arabic, Persian, Hindi and other keyboards as 0 to 9 (`anna۱۲`); unchanged if more is not ASCII."""
    if local.isascii():
        return local
    plain = "".join(str(unicodedata.decimal(char, char)) for char in local)
    return plain if plain.isascii() else local


def without_tag(local: str) -> str:
    """`anna+news` -> `anna`; unchanged when nothing stands before the sign."""
    name, plus, _ = local.partition("+")
    return name if plus and name else local
