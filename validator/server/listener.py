"""Takes connections from a listening socket, one per turn of the event loop, more when the turns are long.

The loops' own servers accept as many as are waiting: the first worker to wake gets them all, and what waits when a
server closes is reset. One at a time shares them evenly among the workers of one socket, and a stop takes in the rest.
A busy loop takes one for each millisecond of its turns: newcomers would wait for seconds behind those who are in.
One that refuses takes its time, or those who are in would pay for those who try again and again.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger("validator.listener")

BACKLOG: Final = 2048
PAUSE_S: Final = 0.2
"""How long to leave the socket alone when the process has no file descriptor left."""
MOST_AT_ONCE: Final = 64
TURN_S: Final = 0.001
"""A turn of the loop that takes this long is worth another connection."""
REFUSE_S: Final = 0.002
"""Time for each while they are refused: it costs as much as five checks, and whoever is refused may be back at once."""
UNSENT_BYTES: Final = 128 * 1024
"""What the kernel takes of an answer beyond what is under way to its client. Of itself Linux takes megabytes for one
that reads nothing, and copying them for hundreds of those holds everybody up."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """One listening socket of this process."""

    def __init__(
        self,
        sock: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        is_refusing: Callable[[], bool],
    ) -> None:
        """*is_refusing*: whether there is no room, as far as one can tell from the last one."""
        self._is_refusing = is_refusing
        self._sock = sock
        self._sock.setblocking(False)
        self._factory = protocol_factory
        self._loop = asyncio.get_running_loop()
        self._adopting: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_open = False
        self._begun = 0.0
        self._turned = 0.0
        """The turn after the last accepted connection: when it was taken, and when the loop came round again."""

    def start(self) -> None:
        """Begin to accept."""
        self._is_open = True
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)  # connections inherit it
        self._sock.listen(BACKLOG)
        self._loop.add_reader(self._sock.fileno(), self._accept_some)

    async def leave(self) -> None:
        """Take in every connection that the kernel has completed and close this process's handle of the socket.

        Nothing happens between the last look and the close, so hardly a client connects to somebody who is gone.
        """
        if not self._is_open:
            return
        self._is_open = False
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        else:
            self._loop.remove_reader(self._sock.fileno())
        for _ in range(BACKLOG):
            if not self._accept():
                break
        self._sock.close()
        while self._adopting:
            await asyncio.wait(self._adopting)

    def _accept_some(self) -> None:
        now = self._loop.time()
        is_refusing = self._is_refusing()
        for _ in range(self._allowance(now, is_refusing)):
            if not self._accept():
                break
        self._begun = now
        if is_refusing:
            self._wait(REFUSE_S)
        else:
            self._loop.call_soon(self._note_turn)

    def _allowance(self, now: float, is_refusing: bool) -> int:
        """One, and more after a long turn; while refusing, as many as the time since the last allows."""
        if is_refusing:
            return max(1, min(MOST_AT_ONCE, int((now - self._begun) / REFUSE_S)))
        took_s = self._turned - self._begun
        return 1 + min(MOST_AT_ONCE, int(took_s / TURN_S)) if now - self._turned <= took_s else 1

    def _wait(self, seconds: float) -> None:
        """Leave the socket alone for so long."""
        if self._is_open and self._pause is None:
            self._loop.remove_reader(self._sock.fileno())
            self._pause = self._loop.call_later(seconds, self._resume)

    def _note_turn(self) -> None:
        self._turned = self._loop.time()

    def _accept(self) -> bool:
        try:
            connection, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            log.warning("accept.exhausted", error=errno.errorcode.get(error.errno, "?"))
            self._wait(PAUSE_S)
            return False
        connection.setblocking(False)
        task = self._loop.create_task(self._adopt(connection))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)
        return True

    async def _adopt(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # the client is gone already
            connection.close()

    def _resume(self) -> None:
        self._pause = None
        if self._is_open:
            self._loop.add_reader(self._sock.fileno(), self._accept_some)


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket for the first address of *host*; raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    return sock
