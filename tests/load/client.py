"""An open-loop client: requests leave on time whatever the service does, over kept connections that follow `close`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.operate.running import read_answer, request_bytes


@dataclass(slots=True)
class Report:
    """What came of a load."""

    statuses: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    lost: Counter[str] = field(default_factory=Counter)
    """Requests that were sent and not answered, by what happened."""
    late_s: list[float] = field(default_factory=list)
    """From when a request was due to its answer."""

    def quantile(self, share: float) -> float:
        """The latency that *share* of the answers stayed below."""
        ordered = sorted(self.late_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def answered(self) -> int:
        """Answers of any status."""
        return self.statuses.total()


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Load:
    """Sends *rate* requests a second from a pool of connections; *fresh* of them about domains never asked before."""

    def __init__(self, port: int, *, rate: float, fresh: float = 0.1, most: int = 200) -> None:
        self._port = port
        self._rate = rate
        self._fresh = fresh
        self._free: list[Connection] = []
        self._most = most
        self._under_way: set[asyncio.Task[None]] = set()
        self.report = Report()
        self.skipped = 0
        """Requests that were not sent because all connections were waiting for answers."""

    async def run(self, seconds: float) -> Report:
        """Send for *seconds*, then wait for the last answers."""
        started = time.perf_counter()
        for number in range(int(self._rate * seconds)):
            due = started + number / self._rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            if len(self._under_way) >= self._most:
                self.skipped += 1
                continue
            task = asyncio.create_task(self._one(number, due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=30)
        for _, writer in self._free:
            writer.close()
        return self.report

    async def _one(self, number: int, due: float) -> None:
        is_fresh = number % 1000 < self._fresh * 1000
        domain = f"f{number}-{int(due * 1000) % 10_000_000}.test" if is_fresh else f"hot{number % 50}.test"
        try:
            reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            self.report.lost[f"connect {type(error).__name__}"] += 1
            return
        try:
            writer.write(request_bytes(b'{"email": "u%d@%s"}' % (number, domain.encode())))
            status, headers, _ = await read_answer(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.report.lost[type(error).__name__] += 1
            writer.close()
            return
        self.report.statuses[status] += 1
        self.report.late_s.append(time.perf_counter() - due)
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._free.append((reader, writer))
