"""Rows in, answers out, in order: windows judged side by side, a bounded number at once.

One window's slow domain does not keep the resolver idle, because the next windows are already asking; nothing is
read further ahead than `WINDOWS_AHEAD`, so a slow reader of the answers slows the reading of the rows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from typing import Protocol

from validator.bulk.answers import Answer, Answers, answers_of
from validator.bulk.rows import UNDECIDED, RowFault, RowOptions, Rows
from validator.checker import CheckOptions, DomainFacts, RouteVerdict, Verdicts
from validator.errors import UnknownList
from validator.settings import OnUnknown
from validator.verdict import Status, Verdict

WINDOWS_AHEAD = 8
"""Windows that may be judged at once."""


class ManyChecker(Protocol):
    """What judging needs of the check."""

    async def check_many(self, texts: Sequence[str], options: CheckOptions = ...) -> Sequence[Verdict]:
        """Verdicts of one window, same order and length."""
        ...


async def judge(checker: ManyChecker, rows: Rows, options: RowOptions) -> Answers:
    """One answer a row, in order; rows with options of their own are judged together with their like."""
    if not rows.faults and not rows.options:
        return _undecided(answers_of(rows.texts, await checker.check_many(rows.texts, options.check)), options)
    groups: dict[RowOptions, list[int]] = {}
    for index in range(len(rows)):
        if index not in rows.faults:
            groups.setdefault(rows.options.get(index, options), []).append(index)
    facts: list[DomainFacts | None] = [None] * len(rows)
    others: dict[int, Answer] = dict(rows.faults)
    for asked, indices in groups.items():
        texts = [rows.texts[index] for index in indices]
        try:
            found = _undecided(answers_of(texts, await checker.check_many(texts, asked.check)), asked)
        except UnknownList as error:
            if asked.check.lists == options.check.lists:
                raise
            fault = RowFault(404, str(error), "/problems/unknown-list")  # a row named a list that there is not
            found = answers_of(texts, [fault] * len(texts))
        for place, index in enumerate(indices):
            facts[index] = found.facts[place]
        others.update((indices[place], answer) for place, answer in found.others.items())
    return Verdicts(rows.texts, facts, others)


def _undecided(answers: Answers, options: RowOptions) -> Answers:
    """With `on_unknown: error` a row that DNS could not decide is an error of its own."""
    if options.on_unknown is not OnUnknown.ERROR:
        return answers
    undecided = {index for index, answer in answers.others.items() if _is_undecided(answer)}
    undecided.update(index for index, route in enumerate(answers.alone) if route and _is_undecided(route))
    if not undecided:
        return answers
    facts = [None if index in undecided else found for index, found in enumerate(answers.facts)]
    return Verdicts(answers.texts, facts, {**answers.others, **dict.fromkeys(undecided, UNDECIDED)})


def _is_undecided(answer: Answer | RouteVerdict) -> bool:
    return not isinstance(answer, RowFault) and answer.status is Status.UNKNOWN


async def judge_windows(
    checker: ManyChecker, windows: AsyncIterable[Rows], options: RowOptions, *, ahead: int = WINDOWS_AHEAD
) -> AsyncGenerator[tuple[Rows, Answers]]:
    """Every window with its answers, in order; at most *ahead* windows are held.

    Closing the iterator cancels what is under way. An error of the rows or of the store ends it, after the answers
    to what came before.
    """
    pending: deque[tuple[Rows, asyncio.Task[Answers]]] = deque()
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
            waiting: list[asyncio.Task[Rows | None] | asyncio.Task[Answers]] = []
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
        left: list[asyncio.Task[Rows | None] | asyncio.Task[Answers]] = [task for _, task in pending]
        if reading is not None:
            left.append(reading)
        for unfinished in left:
            unfinished.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(reader: AsyncIterator[Rows]) -> Rows | None:
    """The next window; None at the end, since a task cannot end with `StopAsyncIteration`."""
    return await anext(reader, None)
