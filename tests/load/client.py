"""An open-loop client: requests leave when they are due whatever the service does, over kept connections.

A latency counts from when the request was due, so a service that stalls cannot hide it by slowing its client down.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

Email = Callable[[int], str]

PATIENCE_S = 20.0
"""How long a client waits for an answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of request."""

    name: str
    """What the report calls it."""
    email: Email
    """The address of the request with this number."""


HOT = Kind("hot", lambda number: f"u{number}@hot{number % 50}.test")
"""Domains that were asked a moment ago."""
FRESH = Kind("fresh", lambda number: f"u{number}@f{number}-{time.time_ns() // 1_000_000}.test")
"""A domain that was never asked before."""
USUAL: tuple[Kind, ...] = (*(HOT,) * 9, FRESH)
"""One new domain in ten."""


@dataclass(slots=True)
class Report:
    """What came of a load."""

    statuses: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    """Kind of request -> answers by `valid`, `unknown`, reason, or status when it was not 200."""
    lost: Counter[str] = field(default_factory=Counter)
    """Requests that were sent and not answered, by what happened."""
    late_s: dict[str, list[float]] = field(default_factory=dict)
    """Kind of request -> from when each was due to its answer."""
    skipped: int = 0
    """Requests that were not sent because every connection was waiting for an answer."""

    def quantile(self, share: float, *kinds: str) -> float:
        """The latency that *share* of the answers (of these kinds, or of all) stayed below."""
        ordered = sorted(late for kind, found in self.late_s.items() if not kinds or kind in kinds for late in found)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def answered(self) -> int:
        """Answers of any status."""
        return self.statuses.total()

    @property
    def lost_after_connecting(self) -> int:
        """Requests that a connection had taken and nobody answered."""
        return sum(count for cause, count in self.lost.items() if not cause.startswith("connect"))


class Connection(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = bytearray()
        self._transport: asyncio.Transport
        self.asked: tuple[Kind, float] | None = None
        """The request that waits for its answer: its kind and when it was due."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to be asked."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, kind: Kind, due: float, request: bytes) -> None:
        """Send a request."""
        self.asked = kind, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect one answer with a Content-Length."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self.asked is None:
            return
        head = bytes(self._received[: end + 2]).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0] or b"0")
        if len(self._received) < end + 4 + length:
            return
        (kind, due), self.asked = self.asked, None
        body = bytes(self._received[end + 4 : end + 4 + length])
        self._received.clear()
        closes = b"connection: close" in head or head.startswith(b"http/1.0")
        self._load.take(kind, due, int(head[9:12]), body, None if closes else self)
        if closes:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends between two requests loses nothing."""
        if self.asked is not None:
            self._load.lose(type(exc).__name__ if exc is not None else "closed")
        self._load.gone(self)

    def close(self) -> None:
        """No further request."""
        self._transport.close()


class Load:
    """Sends *rate* requests a second, the *kinds* in turn, over at most *most* connections."""

    def __init__(
        self, port: int, *, rate: float, kinds: Sequence[Kind] = USUAL, most: int = 200, options: str = ""
    ) -> None:
        """*options* are further members of each request, such as `,"on_unknown":"error"`."""
        self._port = port
        self._rate = rate
        self._kinds = kinds
        self._most = most
        self._options = options.encode()
        self._all: set[Connection] = set()
        self._free: deque[Connection] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self.report = Report()
        self.stopped = False

    async def run(self, seconds: float) -> Report:
        """Send for *seconds* or until `stopped`, then wait for the last answers."""
        started = time.perf_counter()
        number, last = 0, int(self._rate * seconds)
        while number < last and not self.stopped:
            due = min(last, 1 + int((time.perf_counter() - started) * self._rate))
            while number < due and self._has_room():
                self._send(number, started + number / self._rate)
                number += 1
            self.report.skipped += due - number
            number = due
            await asyncio.sleep(max(0.0, started + number / self._rate - time.perf_counter()))
        await self._settle()
        return self.report

    async def hammer(self, seconds: float) -> Report:
        """Ask on every connection again as soon as it has answered: what the service can do."""
        started = time.perf_counter()
        number = 0
        while time.perf_counter() - started < seconds:
            while self._has_room():
                self._send(number, time.perf_counter())
                number += 1
            await asyncio.sleep(0)
        await self._settle()
        return self.report

    @property
    def under_way(self) -> int:
        """Requests that wait for their answer now."""
        return len(self._connecting) + sum(connection.asked is not None for connection in self._all)

    def _has_room(self) -> bool:
        return bool(self._free) or len(self._all) + len(self._connecting) < self._most

    def _send(self, number: int, due: float) -> None:
        kind = self._kinds[number % len(self._kinds)]
        body = b'{"email":%s%s}' % (orjson.dumps(kind.email(number)), self._options)
        request = b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        if self._free:
            self._free.popleft().ask(kind, due, request)
        else:
            task = asyncio.create_task(self._connect(kind, due, request))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, kind: Kind, due: float, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        except (OSError, TimeoutError) as error:
            self.lose(f"connect {type(error).__name__}")
            return
        self._all.add(connection)
        connection.ask(kind, due, request)

    def take(self, kind: Kind, due: float, status: int, body: bytes, free: Connection | None) -> None:
        """An answer; *free* can be asked again."""
        report = self.report
        report.statuses[status] += 1
        report.late_s.setdefault(kind.name, []).append(time.perf_counter() - due)
        verdict = str(status)
        if status == 200:
            answer = orjson.loads(body)
            verdict = answer["reason"] or answer["status"]
        report.verdicts.setdefault(kind.name, Counter())[verdict] += 1
        if free is not None:
            self._free.append(free)

    def lose(self, why: str) -> None:
        """A request that nobody answered."""
        self.report.lost[why] += 1

    def gone(self, connection: Connection) -> None:
        """A connection that has ended."""
        self._all.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    async def _settle(self) -> None:
        deadline = time.perf_counter() + PATIENCE_S
        while self.under_way and time.perf_counter() < deadline:  # noqa: ASYNC110 - until the last of many
            await asyncio.sleep(0.01)
        for connection in list(self._all):
            if connection.asked is not None:
                connection.asked = None
                self.lose("no answer")
            connection.close()


async def get(port: int, path: str) -> tuple[int, str]:
    """One GET without keeping anybody waiting: status and text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode()


async def waits_for(condition: Callable[[], Awaitable[bool] | bool], seconds: float) -> float:
    """Seconds until *condition* holds, looked at every 20 ms; `TimeoutError` when it never does."""
    started = time.perf_counter()
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return time.perf_counter() - started
            await asyncio.sleep(0.02)
