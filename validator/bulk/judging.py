"""Rows in, answers out, in order: windows judged side by side, a bounded number at once.

One window's slow domain does not keep the resolver idle, because the next windows are already asking; nothing is
read further ahead than `WINDOWS_AHEAD`, so a slow reader of the answers slows the reading of the rows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from typing import Protocol

from validator.bulk.encode import Answer
from validator.bulk.rows import UNDECIDED, RowFault, RowOptions, Rows
from validator.checker import CheckOptions
from validator.errors import UnknownList
from validator.settings import OnUnknown
from validator.verdict import Status, Verdict

WINDOWS_AHEAD = 8
"""Windows that may be judged at once."""


class ManyChecker(Protocol):
    """What judging needs of the check."""

    async def check_many(self, texts: Sequence[str], options: CheckOptions = ...) -> list[Verdict]:
        """Verdicts of one window, same order and length."""
        ...


async def judge(checker: ManyChecker, rows: Rows, options: RowOptions) -> list[Answer]:
    """One answer a row, in order; rows with options of their own are judged together with their like."""
    if not rows.faults and not rows.options:
        answers: list[Answer] = [*await checker.check_many(rows.texts, options.check)]
        return _undecided(answers, options) if options.on_unknown is OnUnknown.ERROR else answers
    groups: dict[RowOptions, list[int]] = {}
    for index in range(len(rows)):
        if index not in rows.faults:
            groups.setdefault(rows.options.get(index, options), []).append(index)
    found: dict[int, Answer] = dict(rows.faults)
    for asked, indices in groups.items():
        try:
            verdicts: list[Answer] = [*await checker.check_many([rows.texts[index] for index in indices], asked.check)]
        except UnknownList as error:
            if asked.check.lists == options.check.lists:
                raise
            verdicts = [RowFault(422, str(error))] * len(indices)  # a row named a list that there is not
        found.update(zip(indices, _undecided(verdicts, asked), strict=True))
    return [found[index] for index in range(len(rows))]


def _undecided(answers: Sequence[Answer], options: RowOptions) -> list[Answer]:
    """With `on_unknown: error` a row that DNS could not decide is an error of its own."""
    if options.on_unknown is not OnUnknown.ERROR:
        return [*answers]
    return [
        UNDECIDED if isinstance(answer, Verdict) and answer.status is Status.UNKNOWN else answer for answer in answers
    ]


async def judge_windows(
    checker: ManyChecker, windows: AsyncIterable[Rows], options: RowOptions, *, ahead: int = WINDOWS_AHEAD
) -> AsyncGenerator[tuple[Rows, list[Answer]]]:
    """Every window with its answers, in order; at most *ahead* windows are held.

    Closing the iterator cancels what is under way. An error of the rows or of the store ends it, after the answers
    to what came before.
    """
    pending: deque[tuple[Rows, asyncio.Task[list[Answer]]]] = deque()
    reader = aiter(windows)
    reading: asyncio.Task[Rows | None] | None = None
    ended = False
    failure: BaseException | None = None
    try:
        while True:
            if reading is None and not ended and len(pending) < ahead:
                reading = asyncio.ensure_future(_next(reader))
            if pending and pending[0][1].done():
                rows, task = pending.popleft()
                yield rows, task.result()
                continue
            waiting: list[asyncio.Task[Rows | None] | asyncio.Task[list[Answer]]] = []
            if reading is not None:
                waiting.append(reading)
            if pending:
                waiting.append(pending[0][1])
            if not waiting:
                break
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if reading is not None and reading.done():
                failure = reading.exception()
                window = reading.result() if failure is None else None
                reading = None
                if window is None:
                    ended = True
                else:
                    pending.append((window, asyncio.ensure_future(judge(checker, window, options))))
        if failure is not None:
            raise failure
    finally:
        left: list[asyncio.Task[Rows | None] | asyncio.Task[list[Answer]]] = [task for _, task in pending]
        if reading is not None:
            left.append(reading)
        for unfinished in left:
            unfinished.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(reader: AsyncIterator[Rows]) -> Rows | None:
    """The next window; None at the end, since a task cannot end with `StopAsyncIteration`."""
    return await anext(reader, None)
