"""A steady load with new domains, and five times what the service can do."""

from __future__ import annotations

import asyncio
import time
from statistics import median

import pytest

from bench._served import Served
from tests.load import SOAK, told
from tests.load.client import Load
from tests.load.flood import flood

pytestmark = pytest.mark.load

CLIENTS = 50
"""With so many at once, each with a connection of its own, the capacity is measured."""
CROWDS = (5 * CLIENTS, 30 * CLIENTS)
"""As many clients wait at once when five times the capacity is asked for."""
KEPT = 0.8
"""Share of the capacity that is to be served then. What belongs to each of 1,500 connections is not in the processor's
cache, and the bare aiohttp handler keeps a half; ours takes them up in turns (`server/turns.py`), which comes to 83 to
88 %."""


async def test_a_steady_load_with_new_domains_is_served(server: Served) -> None:
    await Load(server.port, rate=100).run(1)
    report = await Load(server.port, rate=300 if SOAK else 100).run(60 if SOAK else 4)
    p50, p99 = report.quantile(0.5) * 1000, report.quantile(0.99) * 1000
    new = report.quantile(0.99, "fresh") * 1000
    figures = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99 of new domains {new:.1f} ms"
    told("steady load", f"{dict(report.statuses)}, {figures}, lost {dict(report.lost)}")
    assert set(report.statuses) == {200}
    assert not report.lost
    assert not report.skipped
    assert set(report.verdicts["fresh"]) == {"valid"}
    if SOAK:
        assert p99 <= 50


@pytest.mark.parametrize("clients", CROWDS)
async def test_five_times_the_capacity_is_served_or_refused_and_then_all_is_well(server: Served, clients: int) -> None:
    shares, capacities, most_mib = [], [], 0.0
    rounds, seconds = (6, 10.0) if SOAK else (1, 1.5)
    await flood(server.port, most=CLIENTS, seconds=0.5)
    for _ in range(rounds):  # each beside its own capacity: the machine is not the same from one minute to the next
        capacity = (await flood(server.port, most=CLIENTS, seconds=seconds / 5)).good / (seconds / 5)
        flooded = await flood(server.port, most=clients, seconds=seconds, rate=5 * capacity)
        shares.append(flooded.good / seconds / capacity)
        capacities.append(capacity)
        most_mib = max(most_mib, sum(server.memory_mib()))
        assert set(flooded.statuses) <= {"200", "429", "503"}
        assert not flooded.lost
    back_s = await normal_again(server)
    goodput = f"goodput {median(shares):.0%} of {median(capacities):.0f}/s ({min(shares):.0%} to {max(shares):.0%})"
    told(f"overload by {clients}", f"{goodput}, last {flooded}, {most_mib:.0f} MiB, normal after {back_s:.1f} s")
    assert most_mib <= 512
    if SOAK:
        assert median(shares) >= KEPT


async def normal_again(server: Served) -> float:
    """Seconds until a second's requests were all answered, and as fast as ever."""
    started = time.perf_counter()
    async with asyncio.timeout(10):
        while True:
            report = await Load(server.port, rate=100).run(0.5)
            if set(report.statuses) == {200} and not report.lost and (not SOAK or report.quantile(0.99) <= 0.05):
                return time.perf_counter() - started


async def test_more_connections_than_there_may_be_are_refused_and_nobody_else_notices(server: Served) -> None:
    flooded = await flood(server.port, most=3_000, seconds=10 if SOAK else 1.5)
    told("3,000 connections", f"{flooded}, {sum(server.memory_mib()):.0f} MiB")
    assert set(flooded.statuses) <= {"200", "503"}
    assert sum(server.memory_mib()) <= 512
    await normal_again(server)
