"""Bytes in, lines out: any chunk borders, a bound on the length of a line. Pure."""

from __future__ import annotations

OVERSIZE = None
"""Stands in place of a line that is longer than allowed; its bytes are dropped, the next line is read."""


class LineSplitter:
    """Cuts a stream into lines without their LF; holds at most one unfinished line of *max_line_bytes*."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._dropping = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that *chunk* completes, `OVERSIZE` for one that is too long."""
        if self._at_start and chunk:
            chunk = self._without_mark(chunk)
            if not chunk:
                return []
        lines: list[bytes | None] = [*chunk.split(b"\n")]
        rest = lines.pop()
        assert rest is not None
        if lines:
            first = lines[0]
            assert first is not None
            if self._dropping:
                lines[0] = OVERSIZE
            elif self._pieces:
                self._pieces.append(first)
                lines[0] = b"".join(self._pieces)
            self._pieces, self._held, self._dropping = [], 0, False
            limit = self._max_line_bytes
            if len(chunk) > limit or len(lines[0] or b"") > limit:
                lines = [line if line is None or len(line) <= limit else OVERSIZE for line in lines]
        if rest and not self._dropping:
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > self._max_line_bytes:
                self._pieces, self._held, self._dropping = [], 0, True
        return lines

    def finish(self) -> list[bytes | None]:
        """The last line, when the input does not end with LF."""
        if self._dropping:
            self._dropping = False
            return [OVERSIZE]
        rest = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        return [rest] if rest else []

    def _without_mark(self, chunk: bytes) -> bytes:
        """Drop a UTF-8 byte order mark at the very start, even when it comes in pieces."""
        start = b"".join(self._pieces) + chunk
        if len(start) < 3 and b"\xef\xbb\xbf".startswith(start):
            self._pieces, self._held = [start], len(start)
            return b""
        self._at_start = False
        self._pieces, self._held = [], 0
        return start.removeprefix(b"\xef\xbb\xbf")
