"""A list judged by several processes: windows go out, blocks come back, in order, a bounded number on the way."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing

from validator.bulk.judging import ManyChecker
from validator.bulk.output import OutputShape
from validator.bulk.rows import RowOptions, Rows, windows_of
from validator.bulk.running import Block, LocalJudge
from validator.bulk.summary import Summary
from validator.errors import ValidatorError

ROWS_EACH = 4_000
"""Rows that a process is given at once: several windows, so that one slow domain does not keep it idle."""
OpenChecker = Callable[[], AbstractAsyncContextManager[ManyChecker]]
_WRITES_ON = sys.version_info < (3, 12)
"""Whether a broken pool goes on writing for processes that are gone; it then says so with a traceback."""
_HOLDS_ON = sys.version_info < (3, 11, 5)
"""Whether it does so into a full pipe, for ever, until somebody closes the other end (python/cpython#94777). Debian 12
has 3.11.2."""


class ProcessLost(ValidatorError):
    """A process that shared the work is gone, mostly because memory ran out."""


class ProcessesJudge:
    """Judges in *jobs* processes, each with a checker of its own; *open_checker* must be picklable."""

    def __init__(self, open_checker: OpenChecker, jobs: int, options: RowOptions, shape: OutputShape | None) -> None:
        self._open_checker = open_checker
        self._jobs = jobs
        self._options = options
        self._shape = shape

    async def blocks(self, source: AsyncIterator[tuple[Rows, bool]]) -> AsyncGenerator[Block]:
        """See `Judge.blocks`. Raises what opening the checker and judging raise, and `ProcessLost`."""
        loop = asyncio.get_running_loop()
        pending: deque[asyncio.Future[Block]] = deque()
        pool = ProcessPoolExecutor(
            self._jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(self._open_checker, self._options, self._shape),
        )
        if _WRITES_ON:
            vars(pool)["_call_queue"]._ignore_epipe = True
        try:
            async for rows, first in source:
                pending.append(loop.run_in_executor(pool, _work, rows, first))
                if len(pending) >= 2 * self._jobs:
                    yield await pending.popleft()
            while pending:
                yield await pending.popleft()
        except BrokenProcessPool as error:
            if _HOLDS_ON:
                vars(pool)["_call_queue"]._reader.close()
            raise ProcessLost("a process of --jobs was ended, perhaps for want of memory; try fewer") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for left in pending:
                left.cancel()
            await asyncio.gather(*pending, return_exceptions=True)


class _Process:
    """What a working process keeps: a loop, an open checker, a judge."""

    def __init__(self, open_checker: OpenChecker, options: RowOptions, shape: OutputShape | None) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.judge = self.loop.run_until_complete(self._open(open_checker, options, shape))

    async def _open(self, open_checker: OpenChecker, options: RowOptions, shape: OutputShape | None) -> LocalJudge:
        return LocalJudge(await self.stack.enter_async_context(open_checker()), options, shape)

    async def block(self, rows: Rows, first: bool) -> Block:
        """Everything about some rows as one block."""

        async def parts() -> AsyncIterator[tuple[Rows, bool]]:
            leading = first
            for part in windows_of(rows):
                yield part, leading
                leading = False

        summary = Summary()
        pieces = []
        judged = self.judge.blocks(parts())
        async with aclosing(judged):
            async for block in judged:
                pieces.append(block.piece)
                summary.merge(block.summary)
        return Block(len(rows), b"".join(pieces), summary)


_process: _Process | ValidatorError | None = None
"""What could not be opened is kept, for the parent to hear of it as of an answer."""


def _start(open_checker: OpenChecker, options: RowOptions, shape: OutputShape | None) -> None:
    """Open everything once; the parent alone listens to Ctrl-C."""
    global _process  # noqa: PLW0603 - what a process of the pool keeps between calls has no other place
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _process = _Process(open_checker, options, shape)
    except ValidatorError as error:
        _process = error


def _work(rows: Rows, first: bool) -> Block:
    if isinstance(_process, ValidatorError):
        raise _process
    assert _process is not None
    return _process.loop.run_until_complete(_process.block(rows, first))
