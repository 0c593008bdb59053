"""PostgreSQL that stops, hangs or starts again under the service: 503 or the exact answer, nothing written is lost.

A check of an address that is on the list must never say that it is not, however the store fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg
import pytest

from bench._served import Served
from tests.databases import PostgresServer, fresh_postgres, start_postgres
from tests.load import SOAK, told
from tests.load.client import HOT, Kind, Load, Report, get, waits_for
from tests.load.conftest import served
from tests.load.names import Names
from tests.operate.running import read_answer, request_bytes

pytestmark = [pytest.mark.load, pytest.mark.servers]

RATE = 100
AWAY_S = 20.0 if SOAK else 2.5
"""How long the server is away."""
ROUNDS = 3 if SOAK else 1
WRITE_EVERY_S = 0.2
STORE_TIMEOUT_S = 5.0
"""`VALIDATOR_STORE_TIMEOUT_S`."""
BACK_S = 5.0
"""Longest time between the server's return and exact answers and writes."""
MOST_CONNECTIONS = 2 + 8 + 4 + 1
"""Of one process: the look-up's, the pool's with its overflow, one that is being opened."""
BLOCKED = Kind("blocked", lambda number: f"blocked{number % 20}@hot1.test")


@dataclass(slots=True)
class Writes:
    """What came of the writes."""

    acknowledged: list[str] = field(default_factory=list)
    """Addresses whose entry was answered with 201 or 200."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    without_retry_after: int = 0
    """Answers 503 that do not say when to come again."""
    longest_s: float = 0.0
    """The longest time that one took."""


async def write(server: Served, value: str) -> tuple[int, dict[str, str]]:
    """Enter an address: status and headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        body = orjson.dumps({"kind": "address", "value": value, "cause": "manual"})
        writer.write(request_bytes(body, "/blacklist"))
        status, headers, _ = await read_answer(reader)
    finally:
        writer.close()
    return status, headers


async def keep_writing(server: Served, writes: Writes) -> None:
    """Enter one address after another, several at a time when they take long, until cancelled."""

    async def one(value: str) -> None:
        started = time.perf_counter()
        status, headers = await write(server, value)
        writes.longest_s = max(writes.longest_s, time.perf_counter() - started)
        writes.statuses[status] += 1
        if status in {200, 201}:
            writes.acknowledged.append(value)
        elif int(headers.get("retry-after", "0")) < 1:
            writes.without_retry_after += 1

    stopped = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            number = 0
            while not stopped.is_set():
                group.create_task(one(f"w{number}-{time.time_ns()}@hot2.test"))
                number += 1
                try:
                    await asyncio.sleep(WRITE_EVERY_S)
                except asyncio.CancelledError:  # the answers that are due are waited for
                    stopped.set()
    finally:
        stopped.set()


@dataclass(slots=True)
class Seen:
    """A load with a fault in its middle."""

    report: Report
    """The checks."""
    writes: Writes
    """The writes."""
    back_s: list[float] = field(default_factory=list)
    """Seconds from the server's return until checks, writes and readiness were exact again."""


@asynccontextmanager
async def under_load(server: Served) -> AsyncIterator[Seen]:
    """100 checks a second, half of them of addresses on the list, and five writes a second."""
    load = Load(server.port, rate=RATE, kinds=(HOT, BLOCKED), most=1_000)  # while it hangs, 5 s of them wait
    writes = Writes()
    seen = Seen(load.report, writes)
    checking = asyncio.create_task(load.run(600))
    writing = asyncio.create_task(keep_writing(server, writes))
    try:
        yield seen
    finally:
        load.stopped = True
        writing.cancel()
        await asyncio.gather(checking, writing)


async def says_when_to_come_again(server: Served) -> None:
    """A check is refused for now, and the service says that it is not ready."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes(b'{"email": "blocked0@hot1.test"}'))
    status, headers, _ = await read_answer(reader)
    writer.close()
    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert (await get(server.port, "/readyz"))[0] == 503


async def exact(server: Served) -> bool:
    """Checks know the list, writes work, the service says that it is ready."""
    body = orjson.dumps({"email": "blocked0@hot1.test"})
    status, answer = await asyncio.to_thread(server.request, "POST", "/check", body)
    if status != 200 or orjson.loads(answer)["reason"] != "blacklisted":
        return False
    written, _ = await write(server, f"back{time.time_ns()}@hot2.test")
    return written == 201 and (await get(server.port, "/readyz"))[0] == 200


def connections(database: PostgresServer) -> int:
    """Connections of the service that the server sees."""
    with psycopg.connect(database.url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'validator%'"
        row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def descriptors(server: Served, database: PostgresServer) -> tuple[int, int]:
    """Open files of the service: its connections to the store, and everything else."""
    process = Path(f"/proc/{server.process.pid}")
    port = f":{database.port:04X}"
    lines = [line.split() for line in (process / "net/tcp").read_text().splitlines()[1:]]
    to_store = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(port)}
    to_store_count, others = 0, 0
    for link in (process / "fd").iterdir():
        try:
            name = str(link.readlink())
        except FileNotFoundError:  # closed in this moment
            continue
        if name in to_store:
            to_store_count += 1
        else:
            others += 1
    return to_store_count, others


def written(url: str) -> set[str]:
    """What blocks, read without any of our code."""
    with psycopg.connect(url) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM blacklist_entry WHERE state < 2")}


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own that keeps what it has acknowledged."""
    started = start_postgres(fsync=True)
    yield started
    started.remove()


Fault = Callable[[PostgresServer], None]


def stop(server: PostgresServer) -> None:
    """Shut down, cutting connections."""
    server.stop()


def kill(server: PostgresServer) -> None:
    """Die at once: what was not on disk is gone."""
    assert server.process is not None
    server.signal(signal.SIGQUIT)
    server.process.wait(30)
    server.stop()


def pause(server: PostgresServer) -> None:
    """Hang: connections stay open and nothing answers."""
    server.signal(signal.SIGSTOP)


def start(server: PostgresServer) -> None:
    """Back after a stop."""
    server.start()


def go_on(server: PostgresServer) -> None:
    """Back after a pause."""
    server.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("fault", "mend", "away_s"),
    [
        pytest.param(stop, start, AWAY_S, id="stopped"),
        pytest.param(kill, start, AWAY_S, id="killed"),
        pytest.param(stop, start, 0.0, id="restarted"),
        pytest.param(pause, go_on, AWAY_S, id="paused"),
        pytest.param(pause, go_on, 0.6, id="paused-shortly"),
    ],
)
async def test_postgresql_that_fails_is_a_503_and_comes_back(
    fault: Fault, mend: Fault, away_s: float, database: PostgresServer, tmp_path: Path, names: Names
) -> None:
    changes = {} if SOAK else {"store_timeout_s": "1"}
    with fresh_postgres(database.url) as url, served(tmp_path, names, database_url=url, **changes) as server:
        for number in range(20):
            assert (await write(server, f"blocked{number}@hot1.test"))[0] == 201
        async with under_load(server) as seen:
            await asyncio.sleep(3.0)  # every connection that the load needs is there
            _, before = descriptors(server, database)
            for _ in range(ROUNDS):
                await asyncio.to_thread(fault, database)
                await asyncio.sleep(away_s)
                if away_s >= AWAY_S:
                    await says_when_to_come_again(server)
                await asyncio.to_thread(mend, database)
                seen.back_s.append(await waits_for(lambda: exact(server), 60))
                await asyncio.sleep(1.0)
        ours, after = await settled(server, database, before)
        at_server = connections(database)
        kept = written(url)
    report, writes = seen.report, seen.writes
    told(
        fault.__name__,
        f"away {away_s} s x {ROUNDS}: checks {dict(report.statuses)}, lost {dict(report.lost)}, {report.verdicts};"
        f" writes {dict(writes.statuses)}, longest {writes.longest_s:.1f} s; back after"
        f" {', '.join(f'{seconds:.1f}' for seconds in seen.back_s)} s; connections {ours}, at the server"
        f" {at_server}; other descriptors {before} -> {after}",
    )
    assert set(report.statuses) <= {200, 503}
    assert set(report.verdicts["blocked"]) <= {"blacklisted", "503"}
    assert set(report.verdicts["hot"]) <= {"valid", "503"}
    assert not report.lost
    assert set(writes.statuses) <= {201, 503}
    assert not writes.without_retry_after
    assert set(writes.acknowledged) <= kept
    assert ours == at_server <= MOST_CONNECTIONS
    assert after <= before
    if SOAK:
        assert max(seen.back_s) <= BACK_S
        assert writes.longest_s <= STORE_TIMEOUT_S + 1


async def settled(server: Served, database: PostgresServer, before: int) -> tuple[int, int]:
    """Open files of the service as in `descriptors`, when the clients are gone or do not go."""
    with contextlib.suppress(TimeoutError):
        await waits_for(lambda: descriptors(server, database)[1] <= before, 10)
    return descriptors(server, database)
