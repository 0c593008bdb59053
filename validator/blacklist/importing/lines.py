"""Bytes to lines: UTF-8 with or without a byte order mark, UTF-16, older encodings; any line end.

Of a JSON document each record is a line (`documents`). Pure; chunk borders do not matter.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

from validator.blacklist.import_options import Encoding
from validator.blacklist.importing.documents import Documents, shape_of

MAX_LINE_BYTES: Final = 65_536
"""A longer line is a fault of its own; no more than this is kept of it."""
FIRST_LOOK_BYTES: Final = 4_096
"""As much as is looked at to tell the encoding, and whether it is one JSON document."""
_BEFORE_TEXT: Final = codecs.BOM_UTF8 + codecs.BOM_UTF16_LE + b"\0 \t\r\n"
_LINE_END = re.compile(rb"[\r\n]")
_CYRILLIC_WORDS = re.compile(r"(?>(?:[\x00-\x7f]|(?<![A-Za-z])[\u0400-\u04ff]++(?![A-Za-z]))*)")


class Lines:
    """Feed it bytes as they come; it answers (line number, text), with None for a line that is no usable text."""

    def __init__(self, encoding: Encoding | None = None, *, is_header: Callable[[str], bool] | None = None) -> None:
        """A byte order mark is believed before *encoding*; *is_header* knows the first line of a table."""
        self._encoding = encoding
        self._is_header = is_header
        self.number = 0
        """Lines completed so far."""
        self._head = b""
        self._started = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._documents: Documents | None = None
        self._rest = b""
        self._overlong = False

    def feed(self, chunk: bytes) -> list[tuple[int, str | None]]:
        """The lines that this chunk completes."""
        return self.numbered(self.complete(chunk))

    def complete(self, chunk: bytes) -> bytes:
        """The lines that this chunk completes, as one piece; pass on all of it to `numbered` or `skip`."""
        if not self._started:
            self._head += chunk
            if len(self._head) < FIRST_LOOK_BYTES and self._is_undecided():
                return b""
            chunk = self._start()
        elif self._decoder is not None:
            chunk = self._decoder.decode(chunk).encode()
        return self._cut(self._unfolded(chunk))

    def numbered(self, lines: bytes) -> list[tuple[int, str | None]]:
        """Some of the lines that `complete` gave, with their numbers."""
        return [self._line(part) for part in lines.splitlines()]

    def skip(self, count: int) -> int:
        """Count so many lines as read; answers the number of the first."""
        self.number += count
        return self.number - count + 1

    @property
    def broken(self) -> bool:
        """The next line is the end of one whose beginning was dropped."""
        return self._overlong

    def finish(self) -> list[tuple[int, str | None]]:
        """The last line, when the file does not end with a line end."""
        lines = [] if self._started else self.numbered(self._cut(self._unfolded(self._start())))
        if self._decoder is not None:
            lines += self.numbered(self._cut(self._unfolded(self._decoder.decode(b"", final=True).encode())))
        if self._documents is not None:
            lines += self.numbered(self._cut(self._documents.finish()))
        rest, self._rest = self._rest, b""
        if rest or self._overlong:
            lines += [self._line(part) for part in rest.splitlines() or [b""]]
        return lines

    def _is_undecided(self) -> bool:
        """Whether more may tell what this is: a whole first line does, but not of what may be a JSON document."""
        begins = self._head.lstrip(_BEFORE_TEXT)[:1]
        return len(self._head) < 4 or begins in (b"", b"{", b"[") or _LINE_END.search(self._head) is None

    def _unfolded(self, text: bytes) -> bytes:
        return text if self._documents is None else self._documents.feed(text)

    def _start(self) -> bytes:
        """Decide by the first bytes what this is, and answer what of them is text."""
        text = self._decoded_head()
        shape = shape_of(text[: FIRST_LOOK_BYTES // 2 - 2])  # there is as much of it in UTF-16, too
        self._documents = None if shape is None else Documents(shape, MAX_LINE_BYTES)
        return text

    def _decoded_head(self) -> bytes:
        head, self._head, self._started = self._head, b"", True
        for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
            if head.startswith(mark):
                return self._decoded(name, head.removeprefix(mark))
        if len(head) >= 4 and head[0] and not head[1] and head[2] and not head[3]:
            return self._decoded("utf-16-le", head)
        if len(head) >= 4 and not head[0] and head[1] and not head[2] and head[3]:
            return self._decoded("utf-16-be", head)
        encoding = None if head.startswith(codecs.BOM_UTF8) else self._encoding or self._told_by_header(head)
        return head.removeprefix(codecs.BOM_UTF8) if encoding is None else self._decoded(encoding, head)

    def _told_by_header(self, head: bytes) -> Encoding | None:
        """Windows Cyrillic, when the first line is no UTF-8 and is a header in Russian words when read so."""
        first = _LINE_END.split(head[:FIRST_LOOK_BYTES], maxsplit=1)[0]
        if self._is_header is None or first.isascii():
            return None
        try:
            first.decode()
        except UnicodeDecodeError:
            text = first.decode(Encoding.CP1251, "replace")
            if _CYRILLIC_WORDS.fullmatch(text) and self._is_header(text):
                return Encoding.CP1251
        return None

    def _decoded(self, name: str, head: bytes) -> bytes:
        self._decoder = codecs.getincrementaldecoder(name)("replace")
        return self._decoder.decode(head).encode()

    def _cut(self, chunk: bytes) -> bytes:
        if len(self._rest) > MAX_LINE_BYTES + 1:
            self._overlong = True
            self._rest = self._rest[-1:]
        data = self._rest + chunk
        # a CR at the very end may be the first half of a CR LF
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        head, self._rest = data[:cut], data[cut:]
        return head

    def _line(self, raw: bytes) -> tuple[int, str | None]:
        self.number += 1
        overlong, self._overlong = self._overlong or len(raw) > MAX_LINE_BYTES, False
        if overlong:
            return self.number, None
        try:
            return self.number, raw.decode()
        except UnicodeDecodeError:
            return self.number, None
