"""Cache, single flight, staleness and honesty of the resolver, by a table of answers and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.mx.tables import SERVFAIL, TIMEOUT, Clock, TableSource, absent, addresses, mx, nowhere, resolver
from validator.metrics import REGISTRY
from validator.mx.answer import Answer, RecordType
from validator.mx.cache import FAILURE_TTL_S, MAX_NEGATIVE_TTL_S, POSITIVE_TTL_S, STALE_S
from validator.mx.health import ResolverState
from validator.mx.resolver import MxResolver, Served
from validator.mx.route import HostOutcome, MailRoute, RouteFinding, RouteOutcome

GOOD = addresses("1.2.3.4")
A_DAY_S = 86_400.0


class Lab:
    """A started resolver over a table."""

    def __init__(self, **options: object) -> None:
        self.clock = Clock()
        self.source = TableSource()
        self.resolver: MxResolver = resolver(self.source, self.clock, **options)

    async def route(self, domain: str = "example.org", timeout_s: float = 2.5) -> MailRoute:
        return await self.resolver.route(domain, timeout_s=timeout_s)

    def asked(self, domain: str = "example.org") -> int:
        return self.source.asked[domain, RecordType.MX]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    made = Lab()
    await made.resolver.start()
    yield made
    await made.resolver.aclose()


async def test_a_thousand_routes_of_one_cold_name_make_one_mx_question(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    lab.source.hold = True
    waiting = [asyncio.create_task(lab.route()) for _ in range(1_000)]
    await asyncio.sleep(0)
    lab.source.release()
    outcomes = {route.outcome for route in await asyncio.gather(*waiting)}
    assert outcomes == {RouteOutcome.DELIVERABLE}
    assert lab.asked() == 1
    assert lab.source.asked["mx.example.org", RecordType.A] == 1


async def test_domains_that_share_a_host_ask_for_it_once(lab: Lab) -> None:
    for number in range(50):
        lab.source.domain(f"d{number}.org", mx("mx.provider.net"), mx_provider_net=GOOD)
    lab.source.hold = True
    waiting = [asyncio.create_task(lab.route(f"d{number}.org")) for number in range(50)]
    await asyncio.sleep(0)
    lab.source.release()
    routes = await asyncio.gather(*waiting)
    assert lab.source.asked["mx.provider.net", RecordType.A] == 1
    assert all(route.hosts is routes[0].hosts for route in routes)


@pytest.mark.parametrize(
    ("ttl_s", "kept_s"),
    [
        (0, POSITIVE_TTL_S[0]),
        (1, POSITIVE_TTL_S[0]),
        (300, 300.0),
        (2**31 - 1, POSITIVE_TTL_S[1]),
        (28 * 86_400, A_DAY_S),
    ],
)
async def test_a_good_route_is_kept_as_long_as_its_ttl_says_within_bounds(lab: Lab, ttl_s: int, kept_s: float) -> None:
    lab.source.domain(
        "example.org", mx("mx.example.org", ttl_s=ttl_s), mx_example_org=addresses("1.2.3.4", ttl_s=2**31 - 1)
    )
    lab.source.table["mx.example.org", RecordType.AAAA] = absent(2**31 - 1)
    first = await lab.route()
    kept_s = min(kept_s, MAX_NEGATIVE_TTL_S)  # the host's missing AAAA is remembered no longer than that
    assert first.expires_at - first.resolved_at == kept_s
    lab.clock.now += kept_s * 0.89
    assert lab.resolver.cached("example.org") is first
    lab.clock.now = first.expires_at
    assert lab.resolver.cached("example.org") is None


async def test_a_route_lives_no_longer_than_the_addresses_of_its_hosts(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org", ttl_s=3_600), mx_example_org=addresses("1.2.3.4", ttl_s=30))
    route = await lab.route()
    assert route.expires_at - route.resolved_at == 30


@pytest.mark.parametrize(
    ("answer", "kept_s"),
    [
        (nowhere(60), 60.0),
        (absent(60), 60.0),
        (nowhere(2**31 - 1), MAX_NEGATIVE_TTL_S),
        (nowhere(None), 0.0),
        (absent(None), 0.0),
        (nowhere(0), 0.0),
    ],
)
async def test_no_mail_is_kept_as_long_as_the_soa_says_and_not_at_all_without_one(
    lab: Lab, answer: Answer, kept_s: float
) -> None:
    lab.source.domain("example.org", answer)
    route = await lab.route()
    assert route.outcome is RouteOutcome.NO_MAIL
    assert route.expires_at - route.resolved_at == kept_s
    await lab.route()
    assert lab.asked() == (1 if kept_s else 2)


async def test_failures_are_asked_again_after_a_pause_that_doubles_up_to_five_minutes(lab: Lab) -> None:
    lab.source.domain("example.org", SERVFAIL)
    pauses = []
    for _ in range(12):
        route = await lab.route()
        assert (route.outcome, route.finding) == (RouteOutcome.UNKNOWN, RouteFinding.SERVFAIL)
        pauses.append(route.expires_at - lab.clock.now)
        asked = lab.asked()
        lab.clock.now = route.expires_at - 0.01
        again = await lab.route()
        assert (again.finding, lab.asked()) == (RouteFinding.SERVFAIL, asked)
        lab.clock.now = route.expires_at
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert pauses[-1] == FAILURE_TTL_S[1]
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    assert (await lab.route()).outcome is RouteOutcome.DELIVERABLE


async def test_an_hour_without_dns_leaves_known_domains_answered_and_marked_stale(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    fresh = await lab.route()
    lab.source.failing = TIMEOUT
    for minute in range(6, 66):
        lab.clock.now = fresh.resolved_at + minute * 60
        route = await lab.route()
        assert route.outcome is RouteOutcome.DELIVERABLE
        assert route.stale
        assert route.hosts == fresh.hosts
        assert route.evidence(lab.clock.now)["stale"] is True
        assert (await lab.route("unheard.org")).outcome is RouteOutcome.UNKNOWN
    lab.source.failing = None
    lab.source.recovered()
    route = await lab.route()
    assert (route.outcome, route.stale) == (RouteOutcome.DELIVERABLE, False)


async def test_a_stale_answer_is_not_served_after_a_day(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    fresh = await lab.route()
    lab.source.failing = TIMEOUT
    lab.clock.now = fresh.expires_at + STALE_S + 1
    assert (await lab.route()).outcome is RouteOutcome.UNKNOWN


async def test_an_expired_absence_is_never_served_when_dns_fails(lab: Lab) -> None:
    lab.source.domain("example.org", nowhere(60))
    assert (await lab.route()).outcome is RouteOutcome.NO_MAIL
    lab.source.failing = SERVFAIL
    lab.clock.now += 61
    assert (await lab.route()).outcome is RouteOutcome.UNKNOWN


async def test_while_every_resolver_is_down_nothing_waits(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    fresh = await lab.route()
    lab.source.down = True
    lab.clock.now = fresh.expires_at + 1
    assert (await lab.route()).stale
    unknown = await lab.route("unheard.org")
    assert unknown.finding is RouteFinding.RESOLVER_DOWN
    assert lab.asked() == 1
    assert lab.resolver.health().state is ResolverState.DOWN
    lab.source.down = False
    assert not (await lab.route()).stale


async def test_a_recovered_resolver_is_asked_at_once_for_what_failed(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=TIMEOUT)
    assert (await lab.route()).finding is RouteFinding.HOST_FAILED
    lab.source.host("mx.example.org", GOOD)
    assert (await lab.route()).finding is RouteFinding.HOST_FAILED  # within the pause
    lab.source.recovered()
    assert (await lab.route()).outcome is RouteOutcome.DELIVERABLE


async def test_a_waiter_with_a_stale_answer_at_hand_does_not_wait_out_its_deadline(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    fresh = await lab.route()
    lab.clock.now = fresh.expires_at + 1
    lab.source.hold = True
    route = await lab.route(timeout_s=30.0)
    assert route.stale
    lab.source.release()
    again = lab.resolver.cached("example.org")
    assert again is not None
    assert not again.stale


async def test_a_waiter_is_told_what_is_known_at_its_deadline(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx1.example.org", "mx2.example.org"), mx1_example_org=GOOD)
    lab.source.host("mx2.example.org", GOOD)
    answers = lab.source.table.copy()
    del lab.source.table["mx2.example.org", RecordType.A]
    waiting: list[object] = []

    def ask(name: str, rtype: int, deadline: float, on_answer: object) -> None:
        if name == "mx2.example.org":
            waiting.append(on_answer)
        else:
            on_answer(answers[name, rtype])  # type: ignore[operator]

    lab.source.ask = ask  # type: ignore[method-assign]
    route = await lab.route(timeout_s=0.05)
    assert route.outcome is RouteOutcome.DELIVERABLE
    assert [host.outcome for host in route.hosts] == [HostOutcome.USABLE, HostOutcome.FAILED]
    assert len(waiting) == 2


async def test_a_hot_domain_is_looked_up_again_before_it_expires(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    first = await lab.route()
    lab.clock.now = first.expires_at - 1
    for _ in range(16):
        assert lab.resolver.cached("example.org") is not None
    renewed = lab.resolver.cached("example.org")
    assert renewed is not first
    assert lab.asked() == 2


@pytest.mark.parametrize("domain", ["host.local", "local", "a.b.test", "com", "127.0.0.1", "a..org", "x" * 300, ""])
async def test_names_that_must_not_be_asked_cause_no_question(lab: Lab, domain: str) -> None:
    route = await lab.route(domain)
    assert route.outcome is RouteOutcome.NO_MAIL
    assert route.finding in (RouteFinding.SPECIAL_USE, RouteFinding.NOT_A_DOMAIN)
    assert sum(lab.source.asked.values()) == 0


async def test_mail_hosts_that_must_not_be_asked_cause_no_question(lab: Lab) -> None:
    lab.source.domain(
        "example.org", mx("localhost", "mail.local", "192.0.2.1", "_dc-mx.1.example.org", "b\\.c.org", "mail")
    )
    route = await lab.route()
    assert route.finding is RouteFinding.HOSTS_UNUSABLE
    assert sum(lab.source.asked.values()) == 1


async def test_an_exception_lets_a_special_name_be_asked() -> None:
    from validator.mx.special import SpecialNames

    names = SpecialNames([{"name": "test", "rule": "name"}, {"name": "local", "rule": "name"}], ("test",))
    assert not names.is_special("a.test")
    assert names.is_special("a.local")


async def test_a_flood_of_new_names_under_one_domain_is_stopped_and_others_are_not() -> None:
    lab = Lab(names_per_s=10, names_burst=100)
    await lab.resolver.start()
    lab.source.domain("other.org", mx("mx.other.org"), mx_other_org=GOOD)
    found = []
    for number in range(1_000):
        lab.source.domain(f"x{number}.victim.org", nowhere(60))
        found.append(await lab.route(f"x{number}.victim.org"))
    refused = [route for route in found if route.finding is RouteFinding.OVER_BUDGET]
    assert len(refused) == 900
    assert {route.outcome for route in refused} == {RouteOutcome.UNKNOWN}
    assert (await lab.route("other.org")).outcome is RouteOutcome.DELIVERABLE
    assert (await lab.route("x5.victim.org")).outcome is RouteOutcome.NO_MAIL  # known, so free
    lab.clock.now += 1
    assert (await lab.route("x999.victim.org")).outcome is RouteOutcome.NO_MAIL
    await lab.resolver.aclose()


async def test_a_name_beyond_the_budget_counts_as_refused_and_as_nothing_else() -> None:
    before = served()
    lab = Lab(names_per_s=1, names_burst=1)
    await lab.resolver.start()
    for number in range(5):
        lab.source.domain(f"x{number}.victim.org", nowhere(60))
        await lab.route(f"x{number}.victim.org")
    await lab.resolver.aclose()
    assert {result: count - before[result] for result, count in served().items() if count != before[result]} == {
        "miss": 1,
        "refused": 4,
    }


def served() -> dict[str, float]:
    """How domains were served so far."""
    return {one.value: REGISTRY.get_sample_value("validator_dns_cache_total", {"result": one}) or 0 for one in Served}


async def test_a_rewriting_resolver_is_named_and_its_invented_addresses_prove_nothing() -> None:
    lab = Lab(implicit_mx=True)
    lab.source.invented = frozenset({"1.2.3.99"})
    await lab.resolver.start()
    for _ in range(2):  # the task that keeps the canary running, then the canary
        await asyncio.sleep(0)
    lab.source.table["typo.org", RecordType.MX] = absent()
    lab.source.table["typo.org", RecordType.TXT] = absent()
    lab.source.host("typo.org", GOOD)
    assert (await lab.route("typo.org")).finding is RouteFinding.REWRITTEN
    lab.source.domain("dead.org", mx("mx.dead.org"), mx_dead_org=addresses("1.2.3.99"))
    assert (await lab.route("dead.org")).outcome is RouteOutcome.UNKNOWN
    lab.source.domain("alive.org", mx("mx.alive.org"), mx_alive_org=GOOD)
    assert (await lab.route("alive.org")).outcome is RouteOutcome.DELIVERABLE
    assert lab.resolver.health().state is ResolverState.REWRITING
    await lab.resolver.aclose()


async def test_closing_answers_whoever_still_waits(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    lab.source.hold = True
    waiting = asyncio.create_task(lab.route())
    await asyncio.sleep(0)
    await lab.resolver.aclose()
    assert (await waiting).outcome is RouteOutcome.UNKNOWN


async def test_giving_up_waiting_does_not_end_the_look_up_of_others(lab: Lab) -> None:
    lab.source.domain("example.org", mx("mx.example.org"), mx_example_org=GOOD)
    lab.source.hold = True
    impatient, patient = asyncio.create_task(lab.route()), asyncio.create_task(lab.route())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    lab.source.release()
    assert (await patient).outcome is RouteOutcome.DELIVERABLE
    assert lab.asked() == 1


async def test_the_cache_is_bounded_and_the_oldest_makes_room() -> None:
    lab = Lab(cache_domains=512)
    await lab.resolver.start()
    for number in range(2_000):
        lab.source.domain(f"d{number}.org", mx("mx.provider.net"), mx_provider_net=GOOD)
        await lab.route(f"d{number}.org")
    assert lab.resolver.health().cached_domains <= 512
    assert lab.resolver.cached("d1999.org") is not None
    await lab.resolver.aclose()
