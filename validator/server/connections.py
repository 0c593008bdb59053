"""Connections that cannot be held for nothing: one sweep a second closes whoever is silent, slow or does not read.

aiohttp has no deadline for a header, for a body that trickles or for a client that does not read its answer. A timer
per request would cost more than the request, so each connection only counts, and one timer for all of them judges.
This leans on names inside `aiohttp.web_protocol` (the lock pins its version; `tests/operate` drives every rule).
"""

from __future__ import annotations

import asyncio
import fcntl
import resource
import struct
import termios
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog
from aiohttp import web

from validator import metrics
from validator.server.problems import ProblemException, last_words
from validator.server.refusal import Refusal
from validator.server.turns import TurnProtocol, Turns

SWEEP_S: Final = 1.0
"""Time between two looks at every connection."""
MIN_BYTES_PER_S: Final = 64
"""A body that arrives more slowly than this, while its handler waits for it, is a slow-body attack."""
FILES_KEPT_FREE: Final = 64
"""File descriptors left for the store, DNS and data when connections are limited by the process's own limit."""

log = structlog.get_logger("validator.connections")

Dispatch = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Overdue(StrEnum):
    """Why a connection is closed before its client asks for it."""

    HEADER = "header"
    """Silent since it was opened, or a header that does not end."""
    BODY = "body"
    """A body that does not arrive, or hardly."""
    UNREAD = "unread"
    """An answer that the client does not take."""
    EVICTED = "evicted"
    """Idle while others wanted to connect."""
    REFUSED = "refused"
    """One too many."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of connections, in sweeps and bytes."""

    most: int
    """Connections at once."""
    receive_s: float
    """Seconds for a header, for a pause of a body."""
    send_s: float
    """Seconds that an answer may wait for its reader."""


_TIMED_OUT = ProblemException(408)


class GuardedProtocol(TurnProtocol):
    """One connection that counts what the sweep wants to know."""

    __slots__ = (
        "header_s", "idle_s", "received", "self_timed", "starved_at", "starved_s", "swept_at", "unread_s",
    )  # fmt: skip

    def __init__(self, server: GuardedServer, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, server.turns, loop=loop, **options)
        self.received = 0
        self.self_timed = False
        self.header_s = 0.0
        self.idle_s = 0.0
        self.starved_s = 0.0
        self.starved_at = 0
        self.swept_at = -1
        self.unread_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in; without room the connection is handed to somebody who says so and sees it off."""
        server = self._manager
        if isinstance(server, GuardedServer) and not server.make_room():
            metrics.HTTP_CLOSED.labels(Overdue.REFUSED.value).inc()
            refusal = Refusal(server.lingering, self._new_id())
            transport.set_protocol(refusal)
            refusal.connection_made(transport)
            return
        super().connection_made(transport)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """aiohttp asks after each piece of a body that was read; most of the time nothing was paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def data_received(self, data: bytes) -> None:
        """Count it."""
        self.received += len(data)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the parser's words can hold what was sent
    ) -> web.StreamResponse:
        """A problem document in place of aiohttp's text; what was sent is neither echoed nor logged."""
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("the client is gone, or an answer has begun already")
        if status >= 500:
            log.error("request.bug", error=type(exc).__name__)
        request_id = self._new_id()
        metrics.HTTP_REQUESTS.labels("(none)", str(status)).inc()
        response = ProblemException(status).response(request_id)
        response.headers["X-Request-Id"] = request_id
        response.headers["Server"] = "validator"
        response.force_close()
        return response

    def _new_id(self) -> str:
        """For an answer to what is no request that names its own."""
        server = self._manager
        return server.request_id() if isinstance(server, GuardedServer) else ""

    @property
    def may_go(self) -> bool:
        """Idle since the last sweep, and nothing waits in the kernel that a busy process had no time to read."""
        if not self.is_idle or self.received != self.swept_at or self.transport is None:
            return False
        sock = self.transport.get_extra_info("socket")
        return sock is None or _queued(sock.fileno(), termios.FIONREAD) == 0

    def overdue(self, limits: ConnectionLimits) -> Overdue | None:
        """Called once per sweep: count on, and say why this connection is to be closed, if it is."""
        if self.self_timed:
            return None
        was_quiet, self.swept_at = self.received == self.swept_at, self.received
        if self._is_unread(was_quiet):
            self.unread_s += SWEEP_S
            if self.unread_s >= limits.send_s:
                return Overdue.UNREAD
        else:
            self.unread_s = 0.0
        if self.is_waiting:
            self.idle_s += SWEEP_S
            self.starved_s = 0.0
            if not self.header_open and self._request_count > 0:
                self.header_s = 0.0
                return None
            self.header_s += SWEEP_S
            return Overdue.HEADER if self.header_s >= limits.receive_s else None
        self.idle_s = self.header_s = 0.0
        return self._starving(limits)

    def _starving(self, limits: ConnectionLimits) -> Overdue | None:
        """A handler that waits for a body of which too little came since it began to wait."""
        request = self._current_request
        content = None if request is None else request.content
        if content is None or content.is_eof() or content._waiter is None:
            self.starved_s = 0.0
            return None
        if not self.starved_s:
            self.starved_at = self.received
        self.starved_s += SWEEP_S
        if self.starved_s < limits.receive_s:
            return None
        if self.received - self.starved_at < self.starved_s * MIN_BYTES_PER_S:
            return Overdue.BODY
        self.starved_s = 0.0
        return None

    def _is_unread(self, was_quiet: bool) -> bool:
        """Part of an answer is still here, or in the kernel although there was plenty of time to take it.

        Whoever asked again since the last sweep has read: that its system has not acknowledged the newest answer yet
        says nothing, it waits for a question to carry that along.
        """
        transport = self.transport
        if transport is None:
            return False
        if self._paused or (self._current_request is None and transport.get_write_buffer_size() > 0):
            return True
        if not was_quiet or (self.idle_s < SWEEP_S and not self.unread_s):
            return False
        sock = transport.get_extra_info("socket")
        return sock is not None and _queued(sock.fileno(), termios.TIOCOUTQ) > 0

    def end(self, why: Overdue) -> None:
        """Close at once; a client that was about to speak is told that it took too long."""
        metrics.HTTP_CLOSED.labels(why.value).inc()
        transport = self.transport
        if transport is None:
            return
        if why is Overdue.HEADER and self.header_open:
            transport.write(last_words(_TIMED_OUT, self._new_id()))
            self.force_close()
        elif why is Overdue.EVICTED:
            self.force_close()
        else:
            transport.abort()


def _queued(descriptor: int, queue: int) -> int:
    """Bytes in a queue of the kernel: unread ones (SIOCINQ), or those that the peer has not acknowledged (SIOCOUTQ)."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(descriptor, queue, b"\0\0\0\0"))[0])
    except OSError:
        return 0


class GuardedServer(web.Server):
    """Makes guarded connections, bounds how many there are, sweeps them."""

    def __init__(
        self,
        dispatch: Dispatch,
        limits: ConnectionLimits,
        *,
        request_factory: Any,
        request_id: Callable[[], str],
        loop: asyncio.AbstractEventLoop,
        **options: Any,
    ) -> None:
        super().__init__(dispatch, request_factory=request_factory, loop=loop, **options)
        self.limits = limits
        self.turns = Turns(loop, self._connections)
        self.request_id = request_id
        self._most = min(limits.most, max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_KEPT_FREE))
        self._refused_last = False
        self._sweeping: asyncio.TimerHandle | None = None
        self.lingering: dict[Refusal, None] = {}
        """Refused connections that still may read why, oldest first."""

    def __call__(self) -> GuardedProtocol:
        """A protocol for a new connection."""
        return GuardedProtocol(self, loop=self._loop, **self._kwargs)

    @property
    def is_refusing(self) -> bool:
        """Whether there was no room for the last newcomer, and nobody has gone since."""
        return self._refused_last and len(self._connections) >= self._most

    def make_room(self) -> bool:
        """False when one more is too many; an idle connection makes room."""
        has_room = len(self._connections) < self._most or self._evict()
        self._refused_last = not has_room
        return has_room

    def _evict(self) -> bool:
        """Close the idle connection that was opened first; False when every one is at work."""
        for connection in self._connections:
            if isinstance(connection, GuardedProtocol) and connection.may_go:
                connection.end(Overdue.EVICTED)
                return True
        return False

    def start_sweeping(self) -> None:
        """Begin; `stop_sweeping` ends it."""
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def stop_sweeping(self) -> None:
        """No further sweep."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        overdue = [
            (connection, why)
            for connection in self._connections
            if isinstance(connection, GuardedProtocol) and (why := connection.overdue(self.limits)) is not None
        ]
        for connection, why in overdue:
            connection.end(why)
        metrics.HTTP_CONNECTIONS.set(len(self._connections))

    @property
    def busy(self) -> int:
        """Connections that are in the middle of a request."""
        return sum(
            1 for connection in self._connections if isinstance(connection, GuardedProtocol) and not connection.is_idle
        )

    @property
    def open(self) -> int:
        """Connections there are."""
        return len(self._connections)
