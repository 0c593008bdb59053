"""A whole list from its first row to its last: judged in this process or by several, written in order, resumable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from validator.bulk.answers import Answer
from validator.bulk.checkpoint import Checkpoint, ListOutput
from validator.bulk.files import ListFile, windows
from validator.bulk.judging import ManyChecker, judge_windows
from validator.bulk.output import OutputShape
from validator.bulk.rows import WINDOW_ROWS, RowOptions, Rows
from validator.bulk.summary import Summary


@dataclass(frozen=True, slots=True)
class Block:
    """The answers to one window, ready to be written."""

    rows: int
    """How many rows it answers."""
    piece: bytes
    """Their lines; empty when nothing is written."""
    summary: Summary
    """Their counts."""


class Judge(Protocol):
    """Turns windows into blocks, in order, reading no further ahead than it must."""

    def blocks(self, source: AsyncIterator[tuple[Rows, bool]]) -> AsyncGenerator[Block]:
        """A block for every window; the flag says that nothing was written before it."""
        ...


def block_of(shape: OutputShape | None, rows: Rows, answers: Sequence[Answer], *, first: bool) -> Block:
    """Encode and count one window."""
    summary = Summary()
    summary.add(answers)
    return Block(len(rows), b"" if shape is None else shape.rows(rows, answers, first=first), summary)


class LocalJudge:
    """Judges in this process with an open checker."""

    def __init__(self, checker: ManyChecker, options: RowOptions, shape: OutputShape | None) -> None:
        self._checker = checker
        self._options = options
        self._shape = shape

    async def blocks(self, source: AsyncIterator[tuple[Rows, bool]]) -> AsyncGenerator[Block]:
        """See `Judge.blocks`."""
        firsts: list[bool] = []

        async def rows_alone() -> AsyncIterator[Rows]:
            async for rows, first in source:
                firsts.append(first)
                yield rows

        judged = judge_windows(self._checker, rows_alone(), self._options)
        async with aclosing(judged):
            async for rows, answers in judged:
                yield block_of(self._shape, rows, answers, first=firsts.pop(0))


@dataclass(slots=True)
class Progress:
    """Where a run stands, for a progress bar."""

    rows: int
    """Rows answered, those before a resume included."""
    read_bytes: int
    """Bytes of the list that were read by this process."""
    total_bytes: int | None
    """Length of the list, where it is known."""
    summary: Summary
    """Counts so far."""


async def run_list(
    source: ListFile,
    make_judge: Callable[[OutputShape | None], Judge],
    *,
    shape_of: Callable[[ListFile], OutputShape] | None = None,
    output: ListOutput | None = None,
    expected: Callable[[OutputShape], dict[str, object]] | None = None,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
    window_rows: int = WINDOW_ROWS,
) -> tuple[Summary, float]:
    """Judge every row of *source* and write the answers to *output*, if there is one.

    The shape of the output is asked for once the first rows (and so the header) were read. Gives the counts and the
    seconds taken, those before a resume included. Raises what reading, judging and writing raise; everything that a
    checkpoint covers can then be resumed.
    """
    begun = time.monotonic()
    blocks = source.rows()
    # a checkpoint says how many rows to leave out, and belongs to a shape, which needs the header: look ahead
    peeked = _Peeked(blocks)
    peeked.look()
    shape = shape_of(source) if shape_of is not None else None
    made_of = expected(shape) if expected is not None and shape is not None else {}
    done = Checkpoint(made_of, 0, 0, 0.0, Summary())
    if output is not None and shape is not None:
        if resume and output.is_cut_off():
            done = output.resume(made_of)
        else:
            output.begin()
            output.write(shape.start())
    summary = done.summary
    saved_at = time.monotonic()
    rows_done = done.rows

    async def feed() -> AsyncIterator[tuple[Rows, bool]]:
        first = done.rows == 0
        for window in windows(iter(peeked), window_rows, skip=done.rows):
            yield window, first
            first = False
            await asyncio.sleep(0)

    try:
        judged = make_judge(shape).blocks(feed())
        async with aclosing(judged):
            async for block in judged:
                rows_done += block.rows
                summary.merge(block.summary)
                if output is not None and shape is not None:
                    output.write(block.piece)
                    if time.monotonic() - saved_at >= output.SAVE_EVERY_S:
                        saved_at = time.monotonic()
                        seconds = done.seconds + saved_at - begun
                        output.save(Checkpoint(made_of, rows_done, output.written_bytes, seconds, summary))
                report(Progress(rows_done, source.read_bytes, source.total_bytes, summary))
        if output is not None and shape is not None:
            output.write(shape.end())
            output.finish()
    finally:
        if output is not None:
            output.close()
    return summary, done.seconds + time.monotonic() - begun


class _Peeked:
    """An iterator of rows whose first rows were looked at."""

    def __init__(self, blocks: Iterator[Rows]) -> None:
        self._blocks = blocks
        self._seen: list[Rows] = []

    def look(self) -> None:
        """Read until there are rows, or the end."""
        for rows in self._blocks:
            self._seen.append(rows)
            if len(rows):
                return

    def __iter__(self) -> Iterator[Rows]:
        yield from self._seen
        self._seen.clear()
        yield from self._blocks
