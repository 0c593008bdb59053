"""Many connections take turns: a crowd of requests is taken up a few at a time, and an idle connection holds little.

A turn of the event loop reads whatever has arrived. With a thousand requests that is a thousand of everything that
belongs to one, and each step of the work finds the processor's cache filled with the others'. So the requests beyond
`AT_ONCE` wait as the bytes they came in. And aiohttp's loop keeps the last request of a connection in its variables
until the next one comes, which spreads them over as much memory again; here that loop ends when it would wait.
Up to `CROWD` connections nothing of this happens: it has a small price, and so few fit into the cache anyway.
This leans on names inside `aiohttp.web_protocol` (the lock pins its version; `tests/operate` drives it).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sized
from typing import Any, Final

from aiohttp.web_protocol import RequestHandler

AT_ONCE: Final = 32
"""Pieces that are taken up in one turn of the event loop."""
CROWD: Final = 128
"""With more open connections than this they take turns."""
MOST_HELD_BYTES: Final = 4_096
"""A piece that is longer never waits: what a connection may have waiting here is bounded by this."""


class Turns:
    """Counts what one turn of the event loop took up, and hands out what has to wait for the next."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: Sized) -> None:
        """*connections*: those that are open, as they come and go."""
        self._loop = loop
        self._connections = connections
        self._taken = 0
        self._held: deque[TurnProtocol] = deque()

    @property
    def is_crowd(self) -> bool:
        """Whether there are so many that they take turns."""
        return len(self._connections) > CROWD

    def is_over(self) -> bool:
        """Whether this turn has taken up enough; otherwise counts one more."""
        if len(self._connections) <= CROWD:
            return False
        if self._taken >= AT_ONCE or self._held:
            return True
        if not self._taken:
            self._loop.call_soon(self._next)
        self._taken += 1
        return False

    def wait(self, connection: TurnProtocol) -> None:
        """Call its `take_held` in a later turn, in the order of these calls."""
        self._held.append(connection)

    def _next(self) -> None:
        held = self._held
        self._taken = min(AT_ONCE, len(held))
        if self._taken:
            self._loop.call_soon(self._next)
        for _ in range(self._taken):
            held.popleft().take_held()


class TurnProtocol(RequestHandler):
    """One connection among many."""

    __slots__ = ("_ends", "_held", "_is_served", "_keepalive_until", "_turns", "header_open")

    def __init__(self, server: Any, turns: Turns, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        self._is_served = False
        """aiohttp's loop runs."""
        self._ends = False
        """It was made to end, although the connection does not."""
        self._keepalive_until = 0.0
        self.header_open = False
        """A header was begun but not finished."""
        self._turns = turns
        self._held = b""
        super().__init__(server, loop=loop, **options)
        # aiohttp's parser stops at as many, but counts one too many once a body came behind its header: what it kept
        # then nobody would ask for, as the queue would never seem full.
        self._max_msg_queue_size -= 1

    @property
    def is_idle(self) -> bool:
        """Between two requests: the last one answered, nothing of the next one here."""
        return self.is_waiting and not self.header_open and self._request_count > 0 and not self._held

    @property
    def is_waiting(self) -> bool:
        """No request is here, or not the whole of its header."""
        waiter = self._waiter
        return waiter is not None and not waiter.done()

    def data_received(self, data: bytes) -> None:
        """Take it up now or, in a crowd, in a later turn; never before what came earlier."""
        if self._held:
            self.take_held()
        elif 0 < len(data) <= MOST_HELD_BYTES and self._turns.is_over():
            self._held = data
            self._turns.wait(self)
            return
        self._take(data)

    def take_held(self) -> None:
        """Take up what waits, if it does still and somebody is there: aiohttp cannot begin what comes as it ends."""
        data, self._held = self._held, b""
        if data and self.transport is not None and not self.transport.is_closing():
            self._take(data)

    def eof_received(self) -> None:
        """Who asks and goes at once is heard, in a crowd as elsewhere."""
        self.take_held()

    def _process_keepalive(self) -> None:
        """Who has asked in time is not idle."""
        self.take_held()
        super()._process_keepalive()

    def _take(self, data: bytes) -> None:
        super().data_received(data)
        self.header_open = self.is_waiting

    @property
    def _next_keepalive_close_time(self) -> float:
        """Where aiohttp looks for it."""
        return self._keepalive_until

    @_next_keepalive_close_time.setter
    def _next_keepalive_close_time(self, until: float) -> None:
        """The last that aiohttp's loop does with a request: what ends the loop now lasts no longer than that."""
        self._keepalive_until = until
        if self._is_served and not self._messages and self._turns.is_crowd:
            self._ends = self._force_close = True

    async def start(self) -> None:
        """aiohttp's loop, as long as there are requests; in a crowd it is waited outside of it."""
        while True:
            if not self._messages and not self._force_close:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            self._is_served = True
            await super().start()
            self._is_served = False
            if not self._ends:
                return
            self._ends = self._force_close = False
