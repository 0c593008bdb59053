"""Hostile clients: never a 500, never much memory, and the client beside them hardly notices."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from bench._served import Served
from tests.load import SOAK, told
from tests.load.attacks import attack
from tests.load.client import HOT, Load, Report
from tests.load.conftest import served
from tests.load.names import Names

pytestmark = pytest.mark.load

COUNT = 500 if SOAK else 60
SECONDS = 15.0 if SOAK else 1.0


async def beside(server: Served, name: str, **words: float) -> tuple[dict[str, object], Report]:
    """What came of an attack, and of a client that works meanwhile; asserts what holds for every attack."""
    await Load(server.port, rate=50, kinds=(HOT,)).run(0.5)
    before = sum(server.memory_mib())
    load = Load(server.port, rate=50, kinds=(HOT,))
    healthy = asyncio.create_task(load.run(600))
    attacking = asyncio.create_task(attack(name, server.port, **words))  # type: ignore[arg-type]
    most = before
    while not attacking.done():
        await asyncio.wait([attacking], timeout=0.2)
        most = max(most, sum(server.memory_mib()))
    load.stopped = True
    report = await healthy
    result = await attacking
    p99 = report.quantile(0.99) * 1000
    told(name, f"{words}, {result}, healthy p99 {p99:.1f} ms of {report.answered}, memory +{most - before:.0f} MiB")
    assert set(report.statuses) == {200}
    assert not report.lost
    assert most - before <= 64
    assert server.process.poll() is None
    if SOAK:
        assert p99 <= 100
    return result, report


@pytest.mark.parametrize("name", ["slow_header", "slow_body"])
async def test_slow_senders_are_closed(server: Served, name: str) -> None:
    result, _ = await beside(server, name, count=COUNT)
    assert float(str(result["closed_after_s"])) <= 10


async def test_those_who_do_not_read_are_closed(server: Served) -> None:
    await beside(server, "slow_read", count=COUNT)
    _, text = await asyncio.to_thread(server.request, "GET", "/metrics")
    [unread] = [line for line in text.decode().splitlines() if 'closed_total{why="unread"}' in line]
    assert float(unread.split()[1]) >= COUNT


async def test_ten_thousand_pipelined_requests_are_answered(server: Served) -> None:
    count = 10_000 if SOAK else 2_000
    result, _ = await beside(server, "pipelined", count=count)
    assert result["statuses"] == {"200": count}


async def test_bombs_do_not_go_off(server: Served) -> None:
    result, _ = await beside(server, "bombing", seconds=SECONDS)
    statuses = result["statuses"]
    assert isinstance(statuses, dict)
    wrong = {
        name: found
        for name, found in statuses.items()
        if not set(found) <= {"200", "400", "413", "415", "422", "202", "201"}
    }
    assert not wrong
    assert "request.bug" not in server.log.read_text()


async def test_requests_that_can_be_read_in_two_ways_are_refused(server: Served) -> None:
    result, _ = await beside(server, "smuggling", seconds=SECONDS)
    statuses = result["statuses"]
    assert isinstance(statuses, dict)
    assert {status for found in statuses.values() for status in found} <= {"400", "408", "501"}


async def test_few_file_descriptors_are_enough(tmp_path: Path, names: Names) -> None:
    with served(tmp_path, names, few_files=True, log_level="error") as server:
        async with contextlib.AsyncExitStack() as held:
            for _ in range(300):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                    held.callback(writer.close)
            for number in range(3):  # the store and DNS have descriptors of their own; who is refused can read why
                status, _ = await asyncio.to_thread(
                    server.request,
                    "POST",
                    "/blacklist",
                    b'{"kind":"address","value":"a%d@x.example","cause":"manual"}' % number,
                )
                assert status in {201, 503}
        await asyncio.sleep(1.0)
        report = await Load(server.port, rate=RATE_AFTERWARDS, most=100).run(5 if SOAK else 1)
        told("256 descriptors", f"300 connections held; afterwards {dict(report.statuses)}, lost {dict(report.lost)}")
        assert set(report.statuses) == {200}
        assert not report.lost
        assert server.process.poll() is None


RATE_AFTERWARDS = 100
