"""Steady load, overload, restarts under load, slow clients: the short form. `python3 dev.py soak` runs the long one.

The short form asserts what does not depend on how busy the machine is; the long one also the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench._names import available, nsd
from bench._served import Served
from bench._served import service as served
from tests.load.client import Load
from tests.operate.running import read_answer, request_bytes

SOAK = os.environ.get("VALIDATOR_SOAK") == "1"
pytestmark = [pytest.mark.load, pytest.mark.servers, pytest.mark.skipif(not available(), reason="no nsd here")]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A name server in which every domain takes mail."""
    with nsd(tmp_path_factory.mktemp("nsd")) as port:
        yield port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, names: int) -> Iterator[Served]:
    """One service for the loads that leave it alive."""
    with service(tmp_path_factory.mktemp("served"), names, max_in_flight="300") as started:
        yield started


def service(folder: Path, names: int, **settings: str) -> contextlib.AbstractContextManager[Served]:
    """A service that asks the name server."""
    return served(folder, dns_servers=f"127.0.0.1:{names}", special_use_exceptions="test", **settings)


def told(name: str, text: str) -> None:
    """A figure for docs/reliability.md."""
    print(f"\n{name}: {text}")


async def test_a_steady_load_with_new_domains_is_served(server: Served) -> None:
    await Load(server.port, rate=100).run(1)
    report = await Load(server.port, rate=300 if SOAK else 100).run(60 if SOAK else 4)
    p50, p99 = report.quantile(0.5) * 1000, report.quantile(0.99) * 1000
    told("steady load", f"{dict(report.statuses)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, lost {dict(report.lost)}")
    assert set(report.statuses) == {200}
    assert not report.lost
    if SOAK:
        assert p99 <= 50


async def test_overload_sheds_and_recovers(server: Served) -> None:
    quick = Load(server.port, rate=100_000, fresh=0, most=32)
    started = time.perf_counter()
    capacity = (await quick.run(0.2 if SOAK else 0.05)).answered / (time.perf_counter() - started)
    flood = Load(server.port, rate=5 * capacity, most=400)
    started = time.perf_counter()
    report = await flood.run(60 if SOAK else 3)
    goodput = report.statuses[200] / (time.perf_counter() - started)
    told("overload", f"capacity {capacity:.0f}/s, goodput {goodput:.0f}/s, {dict(report.statuses)}")
    assert set(report.statuses) <= {200, 429, 503}
    assert not report.lost
    assert max(server.memory_mib()) <= 512
    await asyncio.sleep(1)
    after = await Load(server.port, rate=50, fresh=0).run(1)
    assert set(after.statuses) == {200}
    if SOAK:
        assert goodput >= 0.8 * capacity


async def test_reloads_under_load_lose_nothing(tmp_path: Path, names: int) -> None:
    with service(tmp_path, names, workers="2") as server:
        load = Load(server.port, rate=300 if SOAK else 80, fresh=0)
        running = asyncio.create_task(load.run(80 if SOAK else 5))
        for _ in range(20 if SOAK else 1):
            await asyncio.sleep(1)
            before = set(server.pids()[1:])
            server.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(40):
                while before & set(server.pids()) or len(server.pids()) != 3:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        report = await running
        told("SIGHUP under load", f"{dict(report.statuses)}, lost {dict(report.lost)}")
        assert set(report.statuses) == {200}
        assert not report.lost


async def test_stops_under_load_answer_everything_that_was_accepted(tmp_path: Path, names: int) -> None:
    for number in range(20 if SOAK else 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        with service(folder, names) as server:
            load = Load(server.port, rate=300 if SOAK else 80, fresh=0)
            running = asyncio.create_task(load.run(2))
            await asyncio.sleep(1)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(server.process.wait, 15)
            took = time.monotonic() - started
            report = await running
        told("SIGTERM under load", f"exit {code} after {took:.2f} s, lost {dict(report.lost)}")
        assert code == 0
        assert took <= 10
        assert set(report.statuses) == {200}
        assert {cause for cause in report.lost if not cause.startswith("connect")} == set()


async def test_slow_clients_do_not_hold_up_others(server: Served) -> None:
    count = 500 if SOAK else 100
    await Load(server.port, rate=50, fresh=0).run(0.5)
    before = sum(server.memory_mib())
    begun = (b"POST /check HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"POST /check HTTP/1.1\r\nContent-Length: 20\r\n\r\n{")
    slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(count)]
    started = time.monotonic()
    for number, (_, writer) in enumerate(slow):
        writer.write(begun[number % 2])
    report = await Load(server.port, rate=50, fresh=0).run(3)
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
    took = time.monotonic() - started
    grown = sum(server.memory_mib()) - before
    p99 = report.quantile(0.99) * 1000
    told("slow clients", f"{count} closed after {took:.1f} s, healthy p99 {p99:.1f} ms, memory +{grown:.0f} MiB")
    assert set(report.statuses) == {200}
    assert took <= 10
    assert grown <= 64
    if SOAK:
        assert p99 <= 100
    for _, writer in slow:
        writer.close()


async def test_ten_thousand_pipelined_requests(server: Served) -> None:
    count = 10_000 if SOAK else 2_000
    await Load(server.port, rate=50, fresh=0).run(0.5)
    before = sum(server.memory_mib())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes(b'{"email": "a@hot1.test"}') * count)
    for _ in range(count):
        assert (await read_answer(reader))[0] == 200
    writer.close()
    assert sum(server.memory_mib()) - before <= 64


async def test_few_file_descriptors_are_enough(tmp_path: Path, names: int) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        starting = service(tmp_path, names)
        server = starting.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        held = []
        for _ in range(300):
            with contextlib.suppress(OSError):
                held.append(await asyncio.open_connection("127.0.0.1", server.port))
        await asyncio.sleep(0.5)
        assert server.process.poll() is None
        for _, writer in held:
            writer.close()
        await asyncio.sleep(1.5)
        report = await Load(server.port, rate=20, fresh=0.1).run(1)
        assert set(report.statuses) == {200}
    finally:
        starting.__exit__(None, None, None)
