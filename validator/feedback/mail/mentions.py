"""Where the human-readable part of a bounce speaks of an address, and what it says there. Pure.

The text is read once, however many addresses are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from validator.feedback.mail.failure import ADDRESS

MAX_MENTIONS = 20
"""Places of one address that are looked at."""
_MAX_WORDS_CHARS = 4_000
_PLACE = re.compile(r"(?<![\w.+-])[\w.+-]{0,200}+@(?>(?:[\w-]++\.)*)[\w-]++")
_CORE = re.compile(r"(?<![\w.+-])[\w.+-]*+@[^@]*+\Z")
_BEFORE = re.compile(r"[ \t>]*+(?:[45]\d\d )?<?", re.IGNORECASE)
_WORDS_AFTER = re.compile(
    r">?(?:\s{0,99}+\((?:expanded|generated)[^)]{0,400}+\))?(?::|\.\.\.)[ \t]*+"
    r"(\S.*+(?>(?:\n[ \t]++\S.*+)*)|(?>(?:\n[ \t]++\S.*+)+))",
    re.IGNORECASE,
)
_REASON_BELOW = re.compile(r">?[ \t]{0,99}+\n[ \t>]*+\(reason:\s*+(.*+(?>(?:\n[ \t]++\S.*+)*))", re.IGNORECASE)
_SENT_ON_FROM = re.compile(
    rf">?\s{{0,99}}+\((?:ultimately\s++)?(?:expanded|generated)\s++from:?\s++<?({ADDRESS})>?\)", re.IGNORECASE
)


class Mentions:
    """The places of a text where addresses stand alone: not as the end or the beginning of longer ones."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends: dict[str, list[int]] = {}
        for found in _PLACE.finditer(text):
            ends = self._ends.setdefault(found.group().lower(), [])
            if len(ends) < MAX_MENTIONS:
                ends.append(found.end())

    def of(self, address: str) -> Iterator[tuple[int, int]]:
        """Start and end of each of the first `MAX_MENTIONS` places of an address, in order."""
        core = _CORE.search(address)
        for end in self._ends.get(core.group().lower(), ()) if core else ():
            start = end - len(address)
            if start >= 0 and self.text[start:end].lower() == address.lower():
                yield start, end

    def first_of(self, one: str, other: str) -> str:
        """Which of two addresses is spoken of first; empty when neither is."""
        places = [(start, name) for name in (one, other) for start, _ in self.of(name)]
        return min(places, default=(0, ""))[1]

    def words_about(self, recipient: str) -> str:
        """The paragraph about *recipient*: `<address>: words` (Postfix and its kin), at the beginning of a line."""
        reason = ""
        for start, end in self.of(recipient):
            line = self.text.rfind("\n", 0, start) + 1
            if not _BEFORE.fullmatch(self.text, line, start):
                continue
            if match := _WORDS_AFTER.match(self.text, end, end + _MAX_WORDS_CHARS):
                return " ".join(match.group(1).split())[:2000]
            if not reason and (match := _REASON_BELOW.match(self.text, end, end + _MAX_WORDS_CHARS)):
                words, closed, _ = match.group(1).rpartition(")")
                reason = " ".join(words.split()) if closed else ""
        return reason

    def sent_on_from(self, recipient: str) -> str:
        """Whom the words beside *recipient* say was written to: `(expanded from <…>)`, `(generated from …)`."""
        for _, end in self.of(recipient):
            if match := _SENT_ON_FROM.match(self.text, end, end + _MAX_WORDS_CHARS):
                return match.group(1)
        return ""
