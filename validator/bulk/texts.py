"""Any source of texts as windows of rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from itertools import islice

from validator.bulk.rows import WINDOW_ROWS, Rows
from validator.errors import RequestRefused


async def rows_of_texts(texts: Iterable[str] | AsyncIterable[str], size: int = WINDOW_ROWS) -> AsyncGenerator[Rows]:
    """Windows of at most *size*, numbered as lines.

    An asynchronous source is never waited for to fill a window: what it gave so far goes on. So does what a source
    gave before it raises `RequestRefused`.
    """
    line = 1
    if isinstance(texts, Iterable):
        rest = iter(texts)
        refused: RequestRefused | None = None
        while refused is None:
            gathered: list[str] = []
            try:
                for text in islice(rest, size):
                    gathered.append(text)
            except RequestRefused as error:
                refused = error
            if gathered:
                yield Rows(gathered, list(range(line, line + len(gathered))))
                line += len(gathered)
            elif refused is None:
                return
        raise refused
    source = _Gathering(texts, size)
    reader = asyncio.ensure_future(source.read())
    try:
        while gathered := await source.take():
            yield Rows(gathered, list(range(line, line + len(gathered))))
            line += len(gathered)
        await reader
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


class _Gathering:
    """Reads ahead of its consumer by at most one window."""

    def __init__(self, texts: AsyncIterable[str], size: int) -> None:
        self._texts = texts
        self._size = size
        self._gathered: list[str] = []
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False

    async def read(self) -> None:
        """Gather until the source ends."""
        try:
            async for text in self._texts:
                self._gathered.append(text)
                self._filled.set()
                while len(self._gathered) >= self._size:
                    self._taken.clear()
                    await self._taken.wait()
        finally:
            self._ended = True
            self._filled.set()

    async def take(self) -> list[str]:
        """What was gathered since the last call, once there is anything; empty at the end."""
        while not self._gathered and not self._ended:
            self._filled.clear()
            await self._filled.wait()
        found, self._gathered = self._gathered, []
        self._taken.set()
        return found
