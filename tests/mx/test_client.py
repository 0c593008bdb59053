"""The client against a scripted server: what it repeats, what it ignores, whom it asks, and how it gives up."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.rcode
import pytest

from tests.dns_servers import free_port
from tests.nameserver import NameServer
from validator.mx import canary, care, pursuit
from validator.mx.answer import Answer, AnswerKind, Fault, RecordType
from validator.mx.client import DnsClient
from validator.mx.health import ResolverState, ServerState
from validator.mx.resolver import MxResolver
from validator.mx.route import RouteFinding, RouteOutcome
from validator.mx.special import SpecialNames

PATIENCE_S = 20.0


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    async with NameServer() as running:
        yield running


@asynccontextmanager
async def client(*addresses: tuple[str, int], max_in_flight: int = 2_000) -> AsyncIterator[DnsClient]:
    made = DnsClient(addresses, max_in_flight=max_in_flight)
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


@asynccontextmanager
async def resolver(*addresses: tuple[str, int], implicit_mx: bool = False) -> AsyncIterator[MxResolver]:
    made = MxResolver(DnsClient(addresses), SpecialNames([]), implicit_mx=implicit_mx, names_burst=1_000_000)
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


async def ask(asked: DnsClient, name: str, rtype: int = RecordType.MX, *, within_s: float = PATIENCE_S) -> Answer:
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    asked.ask(name, rtype, time.monotonic() + within_s, future.set_result)
    return await future


async def until(condition: object, what: str) -> None:
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"never {what}")


async def test_a_lost_datagram_is_repeated(server: NameServer) -> None:
    async with client(server.address) as asking:
        assert (await ask(asking, "once.bad.test")).kind is AnswerKind.RECORDS
    assert server.count("once.bad.test") >= 2


async def test_a_servfail_is_asked_again_once(server: NameServer) -> None:
    async with client(server.address) as asking:
        assert (await ask(asking, "servfail.bad.test")).fault is Fault.SERVFAIL
    assert server.count("servfail.bad.test") == 2


@pytest.mark.parametrize("name", ["formerr.bad.test", "notimp.bad.test"])
async def test_edns_is_left_out_once_when_the_server_dislikes_the_question(server: NameServer, name: str) -> None:
    async with client(server.address) as asking:
        assert (await ask(asking, name)).kind is AnswerKind.FAILED
    assert server.count(name) == 2


async def test_a_server_that_never_takes_edns_is_soon_asked_without(server: NameServer) -> None:
    async with client(server.address) as asking:
        for _ in range(8):
            assert (await ask(asking, "noedns-formerr.bad.test")).kind is AnswerKind.RECORDS
    assert server.count("noedns-formerr.bad.test") == 8 + 4


async def test_a_refusal_is_final_with_one_server_and_moves_on_with_two(server: NameServer) -> None:
    async with NameServer() as refusing:
        refusing.rcode = dns.rcode.REFUSED
        async with client(refusing.address) as asking:
            assert (await ask(asking, "ok1.mc.test")).fault is Fault.REFUSED
        assert refusing.count("ok1.mc.test") == 1
        async with client(refusing.address, server.address) as asking:
            assert (await ask(asking, "ok1.mc.test")).kind is AnswerKind.RECORDS
            for number in range(4):
                await ask(asking, f"x{number}.mc.test")
            assert asking.health()[0].state is ServerState.REFUSING


async def test_a_truncated_answer_is_fetched_whole_over_tcp(server: NameServer) -> None:
    async with client(server.address) as asking:
        answer = await ask(asking, "many300.mc.test")
    assert len(answer.records) == 300
    assert server.tcp_asked["many300.mc.test", "MX"] == 1


async def test_forged_datagrams_are_ignored(server: NameServer) -> None:
    server.forge = 200
    async with resolver(server.address) as asking:
        routes = await asyncio.gather(
            *(asking.route(f"{name}.mc.test", timeout_s=PATIENCE_S) for name in ("ok1", "ok2"))
        )
    assert {route.outcome for route in routes} == {RouteOutcome.DELIVERABLE}


async def test_a_server_that_does_not_keep_letter_case_is_asked_again_in_lower_case(server: NameServer) -> None:
    server.keeps_case = False
    async with client(server.address) as asking:
        for number in [*range(6), *range(6)]:  # with so many letters, none goes out all in lower case by chance
            name = f"the-quick-brown-fox-jumps-over-a-lazy-dog-{number}.wild.mc.test"
            assert (await ask(asking, name)).kind is AnswerKind.RECORDS
    twice = sum(count > 2 for count in server.asked.values())
    assert twice <= 4  # after a few, it is asked in lower case at once


async def test_no_question_is_asked_in_the_same_words_by_the_same_port_and_id(server: NameServer) -> None:
    seen = set()
    original = server.on_datagram

    def watch(data: bytes, send: object) -> None:
        seen.add(data[:2])
        original(data, send)  # type: ignore[arg-type]

    server.on_datagram = watch  # type: ignore[method-assign]
    async with client(server.address) as asking:
        ports = {channel.socket.getsockname()[1] for channel in asking.care.servers[0].channels}
        await asyncio.gather(*(ask(asking, "ok1.mc.test") for _ in range(60)))
    assert len(ports) == 4
    assert len(seen) > 55


async def test_a_dead_first_server_costs_a_few_checks_and_then_none(server: NameServer) -> None:
    async with NameServer() as dead:
        dead.silent = True
        async with client(dead.address, server.address) as asking:
            await asyncio.gather(*(ask(asking, f"x{number}.mc.test") for number in range(5)))
            await until(lambda: asking.health()[0].state is ServerState.DOWN, "found the first server down")
            before = sum(dead.asked.values())
            for number in range(20):
                assert (await ask(asking, f"y{number}.mc.test")).kind is AnswerKind.NO_NAME
            assert not any(name.startswith("y") for name, _ in dead.asked)
            dead.silent = False
            await until(lambda: asking.health()[0].state is ServerState.UP, "found the first server back")
            await ask(asking, "ok1.mc.test")
            assert sum(dead.asked.values()) > before


async def test_a_closed_port_moves_the_question_on_at_once(server: NameServer) -> None:
    async with client(("127.0.0.1", free_port()), server.address) as asking:
        assert (await ask(asking, "ok1.mc.test")).kind is AnswerKind.RECORDS


async def test_a_few_broken_domains_do_not_take_a_good_server_away(server: NameServer) -> None:
    async with client(server.address) as asking:
        await asyncio.gather(*(ask(asking, "drop.bad.test", within_s=1.2) for _ in range(10)))
        assert asking.health()[0].state is not ServerState.DOWN
        assert not asking.is_down()


async def test_a_silent_resolver_gives_unknown_in_time_then_at_once_and_recovers(server: NameServer) -> None:
    async with resolver(server.address) as asking:
        assert (await asking.route("ok1.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.DELIVERABLE
        server.silent = True
        budget_s = 1.0
        took = []

        async def timed(number: int) -> None:
            await asyncio.sleep(number / 200)
            started = time.monotonic()
            route = await asking.route(f"n{number}.mc.test", timeout_s=budget_s)
            took.append(time.monotonic() - started)
            assert route.outcome is RouteOutcome.UNKNOWN

        await asyncio.gather(*(timed(number) for number in range(300)))
        assert max(took) <= budget_s + 0.2 + 0.8  # the last term is for a busy machine, not for us
        await until(lambda: asking.health().state is ResolverState.DOWN, "found the resolver down")
        findings = [(await asking.route(f"later{number}.mc.test", timeout_s=budget_s)).finding for number in range(50)]
        assert findings.count(RouteFinding.RESOLVER_DOWN) >= 45
        server.silent = False
        await until(lambda: asking.health().state is ResolverState.OK, "found the resolver back")
        assert (await asking.route("n1.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.NO_MAIL


@pytest.mark.parametrize("fault", ["servfail", "refused", "truncated"])
async def test_a_storm_of_failures_is_unknown_and_never_no_mail(server: NameServer, fault: str) -> None:
    server.truncate = fault == "truncated"
    server.rcode = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED}.get(fault)
    async with resolver(server.address) as asking:
        routes = await asyncio.gather(
            *(asking.route(f"n{number}.mc.test", timeout_s=PATIENCE_S) for number in range(50))
        )
    assert {route.outcome for route in routes} == {RouteOutcome.UNKNOWN}


@pytest.mark.parametrize("address", ["1.2.3.99", "2606:2800:220:1::99"])
async def test_the_canary_finds_a_rewriting_resolver(server: NameServer, address: str) -> None:
    server.rewriting = address
    async with resolver(server.address, implicit_mx=True) as asking:
        await until(lambda: asking.health().state is ResolverState.REWRITING, "found out")
        assert asking.health().servers[0].rewriting
        assert (await asking.route("aonly.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.UNKNOWN
        assert (await asking.route("mxdead.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.UNKNOWN
        assert (await asking.route("ok1.mc.test", timeout_s=PATIENCE_S)).outcome is RouteOutcome.DELIVERABLE


async def test_a_rewriting_resolver_that_misses_a_canary_is_not_believed_meanwhile(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rewriting = "1.2.3.99"
    async with client(server.address) as asking:
        assert await asking.invented_addresses() == {"1.2.3.99"}
        server.silent = True
        monkeypatch.setattr(canary, "CANARY_TIMEOUT_S", 0.1)
        assert await asking.invented_addresses() == {"1.2.3.99"}
        server.silent, server.rewriting = False, None
        monkeypatch.setattr(canary, "CANARY_TIMEOUT_S", PATIENCE_S)
        assert await asking.invented_addresses() == frozenset()


async def test_only_so_many_questions_are_under_way_and_the_rest_wait_their_turn(server: NameServer) -> None:
    server.delay_s = 0.05
    async with client(server.address, max_in_flight=5) as asking:
        waiting = [asyncio.create_task(ask(asking, f"x{number}.mc.test")) for number in range(40)]
        await asyncio.sleep(0)
        assert asking.in_flight == 5
        assert {(await one).kind for one in waiting} == {AnswerKind.NO_NAME}
        assert asking.in_flight == 0


async def test_a_question_that_never_got_its_turn_fails_at_its_deadline(server: NameServer) -> None:
    server.silent = True
    async with client(server.address, max_in_flight=1) as asking:
        first = asyncio.create_task(ask(asking, "x1.mc.test", within_s=0.3))
        await asyncio.sleep(0)
        assert (await ask(asking, "x2.mc.test", within_s=0.2)).fault is Fault.OVERLOADED
        assert (await first).fault is Fault.TIMEOUT


async def test_closing_answers_every_question_and_leaves_nothing_open(server: NameServer) -> None:
    server.silent = True
    asking = DnsClient([server.address], max_in_flight=3)
    await asking.start()
    waiting = [asyncio.create_task(ask(asking, f"x{number}.mc.test")) for number in range(9)]
    await asyncio.sleep(0.05)
    await asking.aclose()
    assert {(await one).fault for one in waiting} == {Fault.RESOLVER_DOWN}
    assert (await ask(asking, "ok1.mc.test")).fault is Fault.RESOLVER_DOWN


@pytest.mark.parametrize("name", ["servfail.bad.test", "tc-hang.bad.test"])
async def test_closing_answers_a_question_that_has_no_datagram_on_its_way(
    server: NameServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(pursuit, "PAUSE_S", PATIENCE_S)
    asking = DnsClient([server.address])
    await asking.start()
    waiting = asyncio.create_task(ask(asking, name))
    await until(lambda: server.count(name), "asked")
    await until(lambda: not any(one.plain or one.waiting for one in asking.care.servers[0].channels), "heard of it")
    await asking.aclose()
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).fault is Fault.RESOLVER_DOWN


async def test_without_descriptors_the_sockets_that_are_open_go_on(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[None] = []

    def none_left(*_: object) -> None:
        tried.append(None)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(care, "HEARTBEAT_S", 0.02)
    async with client(server.address) as asking:
        await ask(asking, "ok1.mc.test")
        monkeypatch.setattr(care, "CHANNEL_LIFE_S", 0.0)
        monkeypatch.setattr(care, "Channel", none_left)
        states = set()
        while len(tried) < 5:
            await asyncio.sleep(0.02)
            states.add(asking.health()[0].state)
        assert states == {ServerState.UP}
        assert not asking.is_down()
        assert (await ask(asking, "ok2.mc.test")).kind is AnswerKind.RECORDS
