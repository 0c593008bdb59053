"""Text of other encodings as UTF-8, a piece at a time: UTF-16 when a byte order mark says so. Pure."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator

SIGN_BYTES = 2
"""How many bytes say what a body is: the magic of gzip, the byte order mark of UTF-16."""


class ToUtf8:
    """Passes UTF-8 through and recodes UTF-16; what cannot be decoded becomes U+FFFD and so a bad row."""

    def __init__(self) -> None:
        self._recode: codecs.IncrementalDecoder | None = None
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """The same text as UTF-8; the first piece decides."""
        if not self._begun and piece:
            self._begun = True
            if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                self._recode = codecs.getincrementaldecoder("utf-16")(errors="replace")
        return piece if self._recode is None else self._recode.decode(piece).encode()


async def with_whole_sign(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the first two together: gzip and UTF-16 are told by them, and a sender may part them."""
    head = b""
    async for chunk in chunks:
        if len(head) >= SIGN_BYTES:
            yield chunk
            continue
        head += chunk
        if len(head) >= SIGN_BYTES:
            yield head
    if 0 < len(head) < SIGN_BYTES:
        yield head


class LineEnds:
    """Makes CR alone, as spreadsheets on a Mac end a line, into LF; decided by the first piece that has either."""

    def __init__(self) -> None:
        self._only_cr: bool | None = None

    def feed(self, piece: bytes) -> bytes:
        """The same text; other line ends stay as they are. A CR at the end of a piece may belong to a LF."""
        if self._only_cr is None and (b"\n" in piece or b"\r" in piece[:-1]):
            self._only_cr = b"\n" not in piece
        return piece.replace(b"\r", b"\n") if self._only_cr else piece
