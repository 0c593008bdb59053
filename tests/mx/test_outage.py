"""An outage in which the resolver still answers, and knows nothing: told from broken domains, and over at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import dns.rcode
import pytest
import uvloop

from tests.mx.test_client import ask, client, resolver, until
from tests.nameserver import NameServer
from tests.service import service
from validator.checker import facts as facts_module
from validator.mx import care, pursuit
from validator.mx.answer import AnswerKind, Fault
from validator.mx.client import DnsClient
from validator.mx.health import ResolverState, ServerState
from validator.mx.route import RouteOutcome

PATIENCE_S = 20.0


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    async with NameServer() as running:
        yield running


@pytest.fixture
def quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "HEARTBEAT_S", 0.02)


def recoveries(asking: DnsClient) -> list[None]:
    noted: list[None] = []
    asking.on_recovery(lambda: noted.append(None))
    return noted


@pytest.mark.usefixtures("quick_heart")
@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_the_first_answer_after_an_outage_is_the_end_of_it(server: NameServer, rcode: dns.rcode.Rcode) -> None:
    async with client(server.address) as asking:
        noted = recoveries(asking)
        await ask(asking, "ok1.mc.test")
        server.rcode = rcode
        for number in range(care.FRUITLESS_AFTER):
            assert (await ask(asking, f"n{number}.mc.test")).kind is AnswerKind.FAILED
        before = server.count("ok1.mc.test")
        await until(lambda: server.count("ok1.mc.test") > before + 4, "put what it has answered again")
        assert not noted
        assert {one.state for one in asking.health()} <= {ServerState.FAILING, ServerState.REFUSING}
        server.rcode = None
        await until(lambda: noted, "noticed that it is back, though nobody asked anything")


@pytest.mark.usefixtures("quick_heart")
async def test_a_resolver_that_knows_nothing_from_the_start_is_heard_when_it_knows_something() -> None:
    async with NameServer(". NS a.root.test.\n. NS b.root.test.\n") as server:
        server.rcode = dns.rcode.SERVFAIL
        async with client(server.address) as asking:
            noted = recoveries(asking)
            for number in range(care.FRUITLESS_AFTER):
                assert (await ask(asking, f"n{number}.mc.test")).kind is AnswerKind.FAILED
            await until(lambda: server.count(".", "NS") > 6, "went on asking for the root")
            assert {one.state for one in asking.health()} == {ServerState.FAILING}
            server.rcode = None
            await until(lambda: noted, "noticed that it knows the root, though nobody asked anything")
            assert {one.state for one in asking.health()} == {ServerState.UP}


@pytest.mark.usefixtures("quick_heart")
async def test_broken_domains_in_a_row_are_no_outage(server: NameServer) -> None:
    async with client(server.address) as asking:
        noted = recoveries(asking)
        await ask(asking, "ok1.mc.test")
        for _ in range(care.FRUITLESS_AFTER):
            assert (await ask(asking, "servfail.bad.test")).fault is Fault.SERVFAIL
        await until(lambda: server.count("ok1.mc.test") == 2, "put what it has answered again")
        await ask(asking, "nothere.mc.test")
        await asyncio.sleep(5 * care.HEARTBEAT_S)
        assert not noted
        assert server.count("ok1.mc.test") == 2


@pytest.mark.usefixtures("quick_heart")
async def test_after_an_outage_a_domain_is_asked_without_waiting_out_its_pause(server: NameServer) -> None:
    async with resolver(server.address) as resolving:
        await resolving.route("ok1.mc.test", timeout_s=PATIENCE_S)
        server.rcode = dns.rcode.SERVFAIL
        for number in range(care.FRUITLESS_AFTER):
            await resolving.route(f"n{number}.mc.test", timeout_s=PATIENCE_S)
        for _ in range(10):  # each failure doubles the pause
            resolving._failures.note("ok2.mc.test", resolving._clock())
        assert (await resolving.route("ok2.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.UNKNOWN
        assert server.count("ok2.mc.test") == 0
        await until(lambda: resolving.health().state is ResolverState.FAILING, "known as an outage")
        server.rcode = None
        await until(lambda: resolving._failures.retry_at("ok2.mc.test", 0.0) is None, "forgot the failure")
        assert (await resolving.route("ok2.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.DELIVERABLE
        assert resolving.health().state is ResolverState.OK


async def test_a_first_server_that_knows_nothing_costs_no_pause_when_there_is_another(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pursuit, "PAUSE_S", PATIENCE_S)
    async with NameServer() as failing:
        failing.rcode = dns.rcode.SERVFAIL
        async with client(failing.address, server.address) as asking:
            assert (await ask(asking, "ok1.mc.test", within_s=PATIENCE_S / 2)).kind is AnswerKind.RECORDS
        assert failing.count("ok1.mc.test") == 1


async def test_could_not_tell_is_not_kept_beside_the_resolver(tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text(";! SERVFAIL broken.test\n")
    async with service(tmp_path, dns_zone_file=zone) as running:
        knowledge = running.runtime.checker._knowledge
        for _ in range(10):  # each failure doubles the pause
            running.runtime.resolver._failures.note("broken.test", time.monotonic())
        assert (await running.check("anna@broken.test"))["status"] == "unknown"
        kept = knowledge._facts["broken.test"]
        assert kept.route.expires_at > time.monotonic() + 60
        assert kept.expires_at <= time.monotonic() + facts_module.UNKNOWN_KEPT_S


@pytest.mark.usefixtures("quick_heart")
async def test_resolvers_that_all_refuse_are_no_degraded_ones(server: NameServer) -> None:
    async with resolver(server.address) as asking:
        await asking.route("ok1.mc.test", timeout_s=PATIENCE_S)
        server.rcode = dns.rcode.REFUSED
        for number in range(3 * care.FRUITLESS_AFTER):
            await asking.route(f"n{number}.mc.test", timeout_s=PATIENCE_S)
        health = asking.health()
        assert {one.state for one in health.servers} == {ServerState.REFUSING}
        assert health.state is ResolverState.FAILING


@pytest.mark.usefixtures("quick_heart")
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_resolver_that_was_restarted_is_heard_at_once(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[Coroutine[object, object, None]], None]
) -> None:
    monkeypatch.setattr(care, "CHANNEL_LIFE_S", 3_600.0)  # new sockets would hear it, some day

    async def restart() -> None:
        async with NameServer() as first:
            port = first.address[1]
            async with client(first.address) as asking:
                await ask(asking, "ok1.mc.test")
                await first.stop()
                await ask(asking, "nothere.mc.test", within_s=0.5)
                await until(lambda: asking.health()[0].state is ServerState.DOWN, "saw that the port is closed")
                await asyncio.sleep(20 * care.HEARTBEAT_S)
                async with NameServer(port=port):
                    await until(lambda: asking.health()[0].state is ServerState.UP, "heard it again")
                    assert (await ask(asking, "ok2.mc.test")).kind is AnswerKind.RECORDS

    run(restart())
