"""Reloads, stops and a killed worker under load: what was accepted is answered."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from bench._served import Served
from tests.load import SOAK, told
from tests.load.client import Load, get, waits_for
from tests.load.conftest import served
from tests.load.names import Names

pytestmark = pytest.mark.load

RATE = 300 if SOAK else 60
TIMES = 20 if SOAK else 1


async def test_reloads_of_two_workers_lose_nothing(tmp_path: Path, names: Names) -> None:
    with served(tmp_path, names, workers="2") as server:
        load = Load(server.port, rate=RATE)
        running = asyncio.create_task(load.run(600))
        longest_s = 0.0
        for _ in range(TIMES):
            await asyncio.sleep(0.3)
            before = set(server.pids()[1:])
            server.process.send_signal(signal.SIGHUP)
            took_s = await waits_for(
                lambda before=before: len(server.pids()) == 3 and not before & set(server.pids()), 40
            )
            longest_s = max(longest_s, took_s)
        load.stopped = True
        report = await running
        told(
            "SIGHUP, 2 workers", f"{TIMES} x, {dict(report.statuses)}, lost {dict(report.lost)}, {longest_s:.1f} s each"
        )
        assert set(report.statuses) == {200}
        assert not report.lost


async def test_reloads_of_one_process_lose_nothing(tmp_path: Path, names: Names) -> None:
    with served(tmp_path, names, log_level="info") as server:
        load = Load(server.port, rate=RATE)
        running = asyncio.create_task(load.run(600))
        mib = []
        for number in range(TIMES):
            await asyncio.sleep(0.3)
            server.process.send_signal(signal.SIGHUP)
            await waits_for(lambda number=number: server.log.read_text().count('"reloaded"') > number, 20)
            mib.append(sum(server.memory_mib()))
        load.stopped = True
        report = await running
        p99 = report.quantile(0.99) * 1000
        told("SIGHUP, 1 process", f"{TIMES} x, {dict(report.statuses)}, lost {dict(report.lost)}, p99 {p99:.0f} ms")
        told("memory", f"{mib[0]:.0f} MiB after the first, {mib[-1]:.0f} after the last")
        assert mib[-1] <= mib[0] + 64
        assert set(report.statuses) == {200}
        assert not report.lost


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_stops_answer_everything_that_was_accepted(tmp_path: Path, names: Names, workers: str) -> None:
    longest_s, answered = 0.0, 0
    for number in range(TIMES):
        folder = tmp_path / str(number)
        folder.mkdir()
        with served(folder, names, workers=workers) as server:
            load = Load(server.port, rate=RATE)
            running = asyncio.create_task(load.run(30))
            await asyncio.sleep(0.7)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(server.process.wait, 15)
            longest_s = max(longest_s, time.monotonic() - started)
            load.stopped = True
            report = await running
        answered += report.answered
        assert code == 0
        assert set(report.statuses) == {200}
        assert report.lost_after_connecting == 0, report.lost
    told(f"SIGTERM, {workers} workers", f"{TIMES} x, exit 0 within {longest_s:.2f} s, {answered} answered, none lost")
    assert longest_s <= 10


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_crowd_that_asks_without_pause_loses_nothing_to_a_reload_and_a_stop(
    tmp_path: Path, names: Names, workers: str
) -> None:
    crowd, answered = 600, 0
    for number in range(5 if SOAK else 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        with served(folder, names, workers=workers) as server:
            load = Load(server.port, rate=0, most=crowd)
            running = asyncio.create_task(load.hammer(3))
            await waits_for(lambda load=load: load.report.answered > crowd, 20)
            server.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(1.5)
            assert not load.report.lost
            server.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(server.process.wait, 15)
            report = await running
        answered += report.answered
        assert code == 0
        assert set(report.statuses) == {200}
        assert report.lost_after_connecting == 0, report.lost
    told(f"SIGHUP, then SIGTERM under {crowd} clients, {workers} workers", f"{answered} answered, none lost")


async def test_a_killed_worker_takes_no_more_than_its_own_requests_with_it(tmp_path: Path, names: Names) -> None:
    longest_s, lost = 0.0, 0
    with served(tmp_path, names, workers="2") as server:
        names.become("slow")  # so that there is something under way
        try:
            for _ in range(10 if SOAK else 1):
                load = Load(server.port, rate=RATE)
                running = asyncio.create_task(load.run(600))
                await asyncio.sleep(0.7)
                victim = server.pids()[1]
                os.kill(victim, signal.SIGKILL)
                killed = time.perf_counter()
                under_way = load.under_way
                while is_alive(victim):
                    await asyncio.sleep(0.001)
                    under_way = max(under_way, load.under_way)
                await waits_for(lambda victim=victim: is_replaced(server, victim), 30)
                longest_s = max(longest_s, time.perf_counter() - killed)
                load.stopped = True
                report = await running
                lost += report.lost.total()
                assert set(report.statuses) == {200}
                assert report.lost.total() <= under_way, report.lost
        finally:
            names.become("fine")
    told("worker killed", f"{lost} requests lost in all, replaced within {longest_s:.2f} s")
    if SOAK:
        assert longest_s <= 3


def is_alive(pid: int) -> bool:
    """Its sockets are not closed yet: a signal takes a moment."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


async def is_replaced(server: Served, victim: int) -> bool:
    """Whether two workers say that they are ready, the victim not among them."""
    if victim in server.pids():
        return False
    status, text = await get(server.port, "/metrics")
    assert status == 200
    [line] = [line for line in text.splitlines() if line.startswith("validator_ready_workers ")]
    return float(line.split()[1]) == 2
