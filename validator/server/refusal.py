"""What a connection gets that there is no room for: one answer, and time to read it.

Closing at once would throw the answer away: what the client still sends then meets a reset, and a reset discards what
it has not read yet (RFC 9112 section 9.6). So the write side is closed, what comes is dropped, and the rest follows
when the client has gone or a moment later.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from validator.server.problems import ProblemException, last_words

LINGER_S: Final = 2.0
"""Time for a refused client to read why."""
MOST_LINGERING: Final = 24
"""Refused connections that are kept for so long; it has to fit into the descriptors that are kept free."""

FULL: Final = ProblemException(503, "too many connections", headers={"Retry-After": "1"})


class Refusal(asyncio.Protocol):
    """Tells one client that there are too many, and sees it off."""

    def __init__(self, lingering: dict[Refusal, None], request_id: str) -> None:
        self._lingering = lingering
        self._request_id = request_id
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer, and keep the connection for a moment; whoever had the longest moment makes room."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(last_words(FULL, self._request_id))
        self._transport.write_eof()
        if len(self._lingering) >= MOST_LINGERING:
            next(iter(self._lingering)).leave()
        self._lingering[self] = None
        self._end = asyncio.get_running_loop().call_later(LINGER_S, self.leave)

    def leave(self) -> None:
        """Close, read or not."""
        self._lingering.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Nobody reads it."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Gone, with the answer or without."""
        self._lingering.pop(self, None)
        if self._end is not None:
            self._end.cancel()
