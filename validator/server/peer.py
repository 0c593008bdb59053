"""The other side of a long request: whether it is still there, and whether it still takes part.

aiohttp tells a handler neither that its client has gone while it works on something else, nor that the client has
fallen silent. A timer looks both up several times a second and cancels the handler.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from types import TracebackType
from typing import Self

from aiohttp import web

from validator.server.connections import GuardedProtocol

TICK_S = 0.25


class PeerEnd(StrEnum):
    """Why the work was given up."""

    GONE = "gone"
    """The connection is closed."""
    SILENT = "silent"
    """Nothing useful was sent for too long."""
    STUCK = "stuck"
    """Answers were not read for too long."""


class PeerLost(Exception):
    """Raised by `PeerWatch` on leaving, when it cancelled the work."""

    def __init__(self, end: PeerEnd) -> None:
        super().__init__(end.value)
        self.end = end


class PeerWatch:
    """Cancels the task that entered it when the peer is gone, silent or stuck; a context manager."""

    def __init__(self, request: web.Request, idle_timeout_s: float) -> None:
        self._protocol = request.protocol
        self._transport = request.transport
        self._idle_timeout_s = idle_timeout_s
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._progress_at = self._loop.time()
        self._unsent = 0
        self._end: PeerEnd | None = None
        self.reading = False
        """The work waits for bytes of the peer."""
        self.writing = False
        """The work waits for the peer to read."""

    def progress(self) -> None:
        """Something useful came in or went out."""
        self._progress_at = self._loop.time()

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(TICK_S, self._look)
        self._set_self_timed(True)
        return self

    def _set_self_timed(self, value: bool) -> None:
        """The sweep over all connections leaves this one to us: a list may pause longer than a single request."""
        if isinstance(self._protocol, GuardedProtocol):
            self._protocol.self_timed = value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._set_self_timed(False)
        if self._end is None or self._task is None:
            return
        others = self._task.uncancel()
        if not others and kind is asyncio.CancelledError:
            raise PeerLost(self._end) from None

    def _look(self) -> None:
        transport, now = self._transport, self._loop.time()
        if transport is None or transport.is_closing():
            self._give_up(PeerEnd.GONE)
            return
        unsent = transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._progress_at = now
        self._unsent = unsent
        if now - self._progress_at > self._idle_timeout_s:
            if self.writing:
                self._give_up(PeerEnd.STUCK)
                return
            if self.reading:
                self._give_up(PeerEnd.SILENT)
                return
        self._timer = self._loop.call_later(TICK_S, self._look)

    def _give_up(self, end: PeerEnd) -> None:
        self._end = end
        if self._task is not None:
            self._task.cancel()
