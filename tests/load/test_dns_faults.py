"""A resolver that is silent, loses packets, fails or truncates: no wrong verdict, no long wait, and it comes back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from bench._served import Served
from tests.load import SOAK, told
from tests.load.client import FRESH, HOT, Kind, Load, Report, get
from tests.load.conftest import served
from tests.load.names import Names

pytestmark = pytest.mark.load

BUDGET_S = 2.5
"""`VALIDATOR_DNS_TIMEOUT_S`."""
RATE = 200 if SOAK else 60
FAULT_S = 20.0 if SOAK else 2.5
EXACT = {"blocked": "blacklisted", "system": "system", "syntax": "invalid", "application": "application"}
"""Answers that DNS cannot change any more: it has no part in them, or has been asked."""
BLOCKED = Kind("blocked", lambda number: "blocked@hot1.test")
SYSTEM = Kind("system", lambda number: f"postmaster@hot{number % 50}.test")
SYNTAX = Kind("syntax", lambda number: f"no one{number}")
APPLICATION = Kind("application", lambda number: f"u{number}@users.noreply.github.com")
KINDS = (HOT, FRESH, BLOCKED, HOT, FRESH, SYSTEM, HOT, FRESH, SYNTAX, APPLICATION)


@asynccontextmanager
async def service_with_trouble(folder: Path, names: Names, mode: str) -> AsyncIterator[tuple[Served, Report]]:
    """A warm service and what came of a load while the name server misbehaves, which it still does."""
    with served(folder, names) as server:
        entry = orjson.dumps({"kind": "address", "value": "blocked@hot1.test", "cause": "manual"})
        assert server.request("POST", "/blacklist", entry)[0] == 201
        await Load(server.port, rate=200, kinds=(HOT, BLOCKED, APPLICATION)).run(0.9)
        names.become(mode)
        try:
            yield server, await Load(server.port, rate=RATE, kinds=KINDS, most=1000).run(FAULT_S)
        finally:
            names.become("fine")


def assert_exact(report: Report) -> None:
    """What DNS has no part in, and what is known already, is answered as ever."""
    assert set(report.statuses) == {200}
    assert not report.lost
    assert set(report.verdicts["hot"]) == {"valid"}
    for kind, reason in EXACT.items():
        assert set(report.verdicts[kind]) == {reason}, kind


async def comes_back(server: Served, names: Names) -> float:
    """Seconds from the end of the fault until a domain that is new is judged."""
    names.become("fine")
    started = time.perf_counter()
    async with asyncio.timeout(10):
        while True:
            report = await Load(server.port, rate=50, kinds=(FRESH,)).run(0.1)
            if set(report.verdicts["fresh"]) == {"valid"}:
                return time.perf_counter() - started


def figures(name: str, report: Report, back_s: float) -> None:
    """For the page."""
    new = Counter(report.verdicts["fresh"])
    others = report.quantile(0.99, "hot", *EXACT) * 1000
    p50, p99 = report.quantile(0.5, "fresh"), report.quantile(0.99, "fresh")
    waited = f"p50 {p50:.2f} s, p99 {p99:.2f} s"
    told(name, f"new domains {dict(new)}, {waited}; others p99 {others:.0f} ms; back after {back_s:.1f} s")


@pytest.mark.parametrize("mode", ["silent", "servfail", "truncated"])
async def test_a_resolver_that_does_not_answer_leaves_new_domains_unknown(
    tmp_path: Path, names: Names, mode: str
) -> None:
    async with service_with_trouble(tmp_path, names, mode) as (server, report):
        assert_exact(report)
        assert set(report.verdicts["fresh"]) == {"unknown"}
        status, text = await get(server.port, "/readyz")
        assert status == 200
        assert orjson.loads(text)["checks"]["store"] == {"ok": True}
        if mode == "silent":
            assert orjson.loads(text)["checks"]["resolver"]["state"] == "down"
            assert "\nvalidator_dns_server_up{" in (await get(server.port, "/metrics"))[1]
        status, text = await ask(server, "on_unknown", "error")
        assert (status, orjson.loads(text)["type"]) == (503, "/problems/unknown")
        back_s = await comes_back(server, names)
    figures(mode, report, back_s)
    if SOAK:
        assert report.quantile(0.99, "fresh") <= BUDGET_S + 0.2
        assert report.quantile(0.99, "hot", *EXACT) <= 0.05
        assert back_s <= 5


async def ask(server: Served, option: str, value: str) -> tuple[int, str]:
    """One check of a domain that is new, with an option."""
    body = orjson.dumps({"email": FRESH.email(0), option: value})
    status, answer = await asyncio.to_thread(server.request, "POST", "/check", body)
    return status, answer.decode()


async def test_a_third_of_the_packets_lost_hardly_shows(tmp_path: Path, names: Names) -> None:
    async with service_with_trouble(tmp_path, names, "lossy") as (server, report):
        assert_exact(report)
        assert set(report.verdicts["fresh"]) <= {"valid", "unknown"}
        back_s = await comes_back(server, names)
    figures("30 % loss", report, back_s)
    verdicts = report.verdicts["fresh"]
    if SOAK:
        assert verdicts["unknown"] <= 0.01 * verdicts.total()
        assert report.quantile(0.99, "fresh") <= BUDGET_S + 0.2
        assert report.quantile(0.99, "hot", *EXACT) <= 0.05


async def test_what_expires_while_nobody_answers_stays_good(tmp_path: Path, names: Names) -> None:
    names.become("short-lived")
    try:
        with served(tmp_path, names) as server:
            await Load(server.port, rate=100, kinds=(HOT,)).run(0.6)
            names.become("silent")
            await asyncio.sleep(5.5)  # the shortest life of an answer
            report = await Load(server.port, rate=RATE, kinds=(HOT,)).run(FAULT_S)
    finally:
        names.become("fine")
    told("expired while silent", f"{report.verdicts}, p99 {report.quantile(0.99):.2f} s")
    assert set(report.verdicts["hot"]) == {"valid"}


async def test_a_dead_resolver_beside_a_good_one_is_passed_over(tmp_path: Path, names: Names) -> None:
    servers = f"127.0.0.1:{names.silent_port},127.0.0.1:{names.port}"
    with served(tmp_path, names, dns_servers=servers) as server:
        report = await Load(server.port, rate=RATE, kinds=(FRESH,), most=1000).run(FAULT_S)
        later = await Load(server.port, rate=RATE, kinds=(FRESH,), most=1000).run(FAULT_S)
    p99 = later.quantile(0.99)
    told("first of two resolvers dead", f"{report.verdicts}, then {later.verdicts}, p99 {p99:.2f} s")
    assert set(later.verdicts["fresh"]) == {"valid"}
    assert "mx_record" not in report.verdicts["fresh"]
    if SOAK:
        assert p99 <= BUDGET_S / 2
