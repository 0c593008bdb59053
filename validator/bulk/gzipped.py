"""Gzip in both directions, a piece at a time. Pure.

Neither side ever holds more than a piece: what a compressed byte expands to is asked for in bounded portions, so a
decompression bomb costs its sender's patience and the limit on total bytes, not our memory.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator

from validator.bulk.encoding import with_whole_sign
from validator.errors import RequestRefused

PIECE_BYTES = 256 * 1024
"""Most that one step of decompression yields."""
FREE_BYTES = 4 * 1024 * 1024
"""Text that may come out whatever went in: small lists may compress as well as they like."""
MAGIC = b"\x1f\x8b"
"""How a gzip member begins (RFC 1952); no text does."""
MOST_EXPANSION = 100
"""How many times its size a compressed list that somebody sends may expand to; real ones stay below 30."""
_GZIP = 31


class Gunzip:
    """Decompresses a stream of one or more gzip members."""

    def __init__(self, *, most_times: int | None = None) -> None:
        """*most_times*: refuse a stream that expands more than this, once it has yielded `FREE_BYTES`; None: never."""
        self._inflate = zlib.decompressobj(_GZIP)
        self._fed = False
        self._most_times = most_times
        self._taken = self._given = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The text that *chunk* expands to, in pieces. Raises `RequestRefused` for bytes that are not gzip."""
        self._taken += len(chunk)
        for piece in self._expand(chunk):
            self._given += len(piece)
            if self._most_times is not None and self._given > max(FREE_BYTES, self._taken * self._most_times):
                raise RequestRefused(f"the gzip stream expands more than {self._most_times} times")
            yield piece

    def _expand(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(_GZIP)
            self._fed = True
            try:
                piece = self._inflate.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise RequestRefused("the gzip stream is damaged") from None
            if piece:
                yield piece
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if not data and not self._inflate.eof and len(piece) == PIECE_BYTES:
                yield from self._drain()

    def finish(self) -> None:
        """The input ended; raises `RequestRefused` when the last member did not."""
        if self._fed and not self._inflate.eof:
            raise RequestRefused("the gzip stream is cut off")

    def _drain(self) -> Iterator[bytes]:
        """What the decompressor still holds after a full piece."""
        while True:
            try:
                piece = self._inflate.decompress(b"", PIECE_BYTES)
            except zlib.error:
                raise RequestRefused("the gzip stream is damaged") from None
            if not piece:
                return
            yield piece


def plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A file, decompressed when it begins like gzip. Raises `RequestRefused` where it is damaged or cut off."""
    gunzip: Gunzip | None = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk.startswith(MAGIC):
            gunzip = Gunzip()
        if gunzip is None:
            yield chunk
        else:
            yield from gunzip.feed(chunk)
    if gunzip is not None:
        gunzip.finish()


async def plain_body(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same for a body from outside, however it is cut; refused when it expands more than `MOST_EXPANSION` times."""
    gunzip: Gunzip | None = None
    first = True
    async for chunk in with_whole_sign(chunks):
        if first:
            gunzip = Gunzip(most_times=MOST_EXPANSION) if chunk.startswith(MAGIC) else None
            first = False
        for piece in (chunk,) if gunzip is None else gunzip.feed(chunk):
            yield piece
    if gunzip is not None:
        gunzip.finish()


class Gzip:
    """Compresses a stream; every piece can be read at once by the other side."""

    def __init__(self, level: int = 1) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def feed(self, piece: bytes) -> bytes:
        """The compressed form of *piece*, flushed."""
        return self._deflate.compress(piece) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """The end of the stream."""
        return self._deflate.flush()
