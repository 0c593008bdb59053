"""The text behind the @ before it is looked up: which signs are dots, where the domain ends, what is doubtful. Pure.

Takes text of at most `MAX_INPUT_CHARS` characters; never raises, never guesses at names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from validator.address import SyntaxFault, ascii_domain
from validator.reference.suffixes import is_delegated_tld

JOINERS = frozenset("\u200c\u200d")
"""Invisible, but letters of a name in Persian, Sinhala and others (RFC 5892 appendix A)."""
_CONTEXT_DOTS = frozenset("\u00b7\u30fb")
"""Signs that are part of a name in Catalan (`col·legi`) and Japanese, and stand for the dot elsewhere."""
_DOT_LIKE = str.maketrans(dict.fromkeys("\u3002\uff61\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb\u0387", "."))
"""Signs that stand for the dot of a domain: ideographic full stop, middle dot, bullet, …"""
_LABEL_ENDS = re.compile(r"[\s@.,;:/<>()\u3002\uff61]")
BRACKETED_DOT = re.compile(r"\s*[(\[{<]\s*(?:dot|d0t|punkt|точка|punto|\.)\s*[)\]}>]\s*", re.IGNORECASE)
"""`(dot)`, `[punkt]`."""
SPACED_DOT = re.compile(r"\s+(?:dot|точка|punto)\s+", re.IGNORECASE)
"""` dot `."""
_SCHEME = re.compile(r"\s*https?\s*:[/\\\s]*(?=[^\s/])", re.IGNORECASE)
"""`http://` that was typed or pasted before the domain."""
_MAX_LABEL = 63
_QUERY = re.compile(r"[?&][\w.-]+=.*")
_SPACES_AT_DOT = re.compile(r"\s*\.\s*")
_PATH = re.compile(r"[/?#].*")
_SEPARATOR = re.compile(r"[\s,;:\\>|/]+")
_READ_AS_DOT = re.compile(r"[,;:/\\>|]+")


@dataclass(frozen=True, slots=True)
class CleanedDomain:
    """The text behind the @ after its signs were read."""

    text: str
    """What to look up."""
    hint: str | None = None
    """Set when `text` is left in doubt, as it was: the domain that was probably meant."""


def clean_domain(text: str, is_known: Callable[[str], bool]) -> CleanedDomain:
    """Dots of other shapes made plain, separators read as dots, runs and ends of dots dropped, spaces closed.

    A separator behind a whole domain ends it: `acme.com/de` is `acme.com`, and `acme.com, de` or `acme.com Smith` is
    left in doubt, unless all of it together is a provider's domain (*is_known*).
    """
    if text.isalnum():
        return CleanedDomain(text)
    typed = text
    text = _plain_dots(_SCHEME.sub("", text, count=1), is_known)
    text = SPACED_DOT.sub(".", BRACKETED_DOT.sub(".", _QUERY.sub("", text)))
    text = _SPACES_AT_DOT.sub(".", text.strip(" .,;:/\\>|\"'"))
    whole = _closed(text)
    if is_known(whole.lower()):
        return CleanedDomain(whole)
    path = _PATH.search(text)
    if path is not None and _is_whole(_closed(text[: path.start()])):
        text = text[: path.start()].rstrip(" .,;:")
        whole = _closed(text)
    separator = _SEPARATOR.search(text)
    if separator is None or "." not in text or is_known(whole.lower()):
        return CleanedDomain(whole)
    head = re.sub(r"\.{2,}", ".", text[: separator.start()]).strip(".")
    if not _is_whole(head) or (separator[0].isspace() and text.lower().endswith(".co m")):
        return CleanedDomain(whole)
    closing = separator[0].isspace() and _is_whole(whole) and not _is_whole(text[separator.end() :])
    return CleanedDomain(typed, whole if closing else head)


def joiner_stays(text: str, at: int) -> bool:
    """The joiner at *at* is a letter of its label: IDNA accepts the label as it stands, behind an @."""
    if "@" not in text[:at]:
        return False
    begin = max((match.end() for match in _LABEL_ENDS.finditer(text, 0, at)), default=0)
    end = _LABEL_ENDS.search(text, at)
    return _is_label(text[begin : end.start() if end is not None else len(text)])


def _is_label(label: str) -> bool:
    return len(label) <= _MAX_LABEL and not isinstance(ascii_domain(f"{label}.com"), SyntaxFault)


def _plain_dots(text: str, is_known: Callable[[str], bool]) -> str:
    """Signs of other shapes as dots, except those that a label of the name may hold."""
    if text.isascii():
        return text
    dotted = text.translate(_DOT_LIKE)
    if _CONTEXT_DOTS.isdisjoint(text) or is_known(dotted.lower().strip(".")):
        return dotted
    labels = text.split(".")
    if len(labels) > 1 and all(_is_label(label) for label in labels if not _CONTEXT_DOTS.isdisjoint(label)):
        return text
    return dotted


def _closed(text: str) -> str:
    """Spaces closed, or read as dots where there is no dot; separators read as dots; runs and ends of dots gone."""
    closed = text.replace(" ", "")
    if " " in text and "." not in closed:
        closed = re.sub(r"\s+", ".", text)
    return re.sub(r"\.{2,}", ".", _READ_AS_DOT.sub(".", closed)).strip(".")


def _is_whole(domain: str) -> bool:
    """A name and an ending that exists."""
    name, dot, ending = domain.rpartition(".")
    return bool(dot and name) and is_delegated_tld(ending.lower())
