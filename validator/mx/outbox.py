"""Datagrams that wait for the end of the event loop's turn, and then go out together.

Sending to a process that sleeps wakes it up, which costs the sender several times what sending to a busy one costs. One
by one, between the work of as many requests, each datagram would find the name server asleep again.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from validator.mx.tally import Tally

MOST: Final = 16
"""Datagrams that go out without waiting for the end of the turn: a list asks for hundreds in one."""


class Outbox:
    """What is to be sent in this turn; of one event loop."""

    __slots__ = ("_loop", "_tally", "_waiting")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting: list[tuple[socket.socket, bytes]] = []
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Belong to the running loop."""
        self._loop = asyncio.get_running_loop()

    def add(self, channel: socket.socket, datagram: bytes) -> None:
        """Send *datagram* through *channel*, at the end of this turn at the latest."""
        waiting = self._waiting
        waiting.append((channel, datagram))
        if len(waiting) == 1:
            self._loop.call_soon(self.send)
        elif len(waiting) >= MOST:
            self.send()

    def send(self) -> None:
        """Send what there is."""
        waiting, self._waiting = self._waiting, []
        for channel, datagram in waiting:
            try:
                channel.send(datagram)
            except OSError:
                self._tally.unsent += 1  # a lost datagram: a full buffer or a closed port shows as silence
