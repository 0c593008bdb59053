"""Does this domain take mail? Cached, asked once however many wait, answered in time, and honest when DNS is not there.

`MxResolver` is the same over every `AnswerSource`: the network, a zone file, a recorded snapshot.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

import structlog

from validator.background import keep_running
from validator.metrics import DNS_CACHE, DNS_CACHED_DOMAINS, DNS_REWRITING, DNS_ROUTES
from validator.mx.budget import NameBudget
from validator.mx.cache import STALE_S, FailureMemo, HostSets, Moments, ShardedTable
from validator.mx.canary import CANARY_EVERY_S
from validator.mx.client import DnsClient
from validator.mx.health import ResolverHealth, ResolverState, ServerState
from validator.mx.hosts import HostBook
from validator.mx.lookup import Found, Lookup, LookupRules
from validator.mx.nobody import NobodySource
from validator.mx.route import MailRoute, RouteFinding, RouteOutcome, decide_unasked
from validator.mx.servers import parse_servers, system_servers
from validator.mx.source import AnswerSource
from validator.mx.special import SpecialNames, special_names
from validator.mx.wheel import Wheel
from validator.reference import Reference
from validator.settings import Settings

MARGIN_S = 0.05
"""How long before the caller's deadline the questions give up, so that what is known by then still counts."""
STALE_AFTER_S = 0.8
"""When a good but expired answer is at hand, how long to wait for a fresh one (RFC 8767 5 advises up to 1.8 s)."""
REFRESH_SHARE = 0.1
"""A domain that is hot in this last share of its life (one hit in sixteen looks) is looked up again ahead of expiry."""
COUNT_EVERY_S = 1.0
"""How often plain counts become metrics."""
UNASKED_TTL_S = 86_400.0
"""How long the verdict on a name that is never asked holds."""
_new = tuple.__new__  # what a named tuple's own constructor does, at half the price: the values made for every question


class Served(StrEnum):
    """How the cache served a domain."""

    HIT = "hit"
    """A fresh route was known."""
    MISS = "miss"
    """It had to be looked up."""
    JOINED = "joined"
    """It was being looked up already."""
    STALE = "stale"
    """An expired route was served because DNS did not answer."""
    FAILED = "failed"
    """It failed a moment ago, or no resolver answers, and it was not asked."""
    REFUSED = "refused"
    """Too many new names under one domain."""

    __hash__ = str.__hash__  # that of Enum is written in Python


_log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    """Somebody who waits for a look-up, not for ever."""

    lookup: Lookup
    """What is under way."""
    stale: MailRoute | None
    """What to serve when it comes to nothing."""
    waiter: asyncio.Future[None]
    """Done with the look-up, or when patience is over."""
    bucket: set[asyncio.Future[None]]
    """Where patience is kept."""


class MxResolver:
    """The resolver of the service; a `MailResolver`."""

    def __init__(
        self,
        source: AnswerSource,
        special: SpecialNames,
        *,
        implicit_mx: bool = False,
        cache_domains: int = 250_000,
        names_per_s: float = 200.0,
        names_burst: int = 2_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*cache_domains* bounds the cache; *names_per_s* and *names_burst* the new names under one domain."""
        self._source = source
        self._special = special
        self._clock = clock
        self._routes: ShardedTable[MailRoute] = ShardedTable(cache_domains)
        self._shards = self._routes.shards
        self._failures = FailureMemo(cache_domains)
        self._faults: ShardedTable[RouteFinding] = ShardedTable(cache_domains)
        self._host_sets = HostSets(max(1_000, cache_domains // 4))
        self._moments = Moments()
        self._hosts = HostBook(source, cache_domains, clock)
        self._budget = NameBudget(names_per_s, names_burst)
        self._rules = LookupRules(source, self._hosts, special, implicit_mx)
        self._lookups: dict[str, Lookup] = {}
        self._canary: asyncio.Task[None] | None = None
        self._open = False
        self._loop: asyncio.AbstractEventLoop
        self._hits = 0
        self._served = dict.fromkeys(Served, 0)
        self._routed = dict.fromkeys(RouteOutcome, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._patience: Wheel[asyncio.Future[None]] = Wheel(_wake, time.monotonic)

    async def start(self) -> None:
        """Open the source and send the first canary."""
        self._loop = asyncio.get_running_loop()
        await self._source.start()
        self._source.on_recovery(self._on_recovery)
        self._open = True
        self._patience.start()
        self._count()
        self._canary = keep_running(self._watch_rewriting, "dns-canary")

    async def aclose(self) -> None:
        """Close everything; whoever still waits is answered UNKNOWN."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        if self._canary is not None:
            self._canary.cancel()
            await asyncio.gather(self._canary, return_exceptions=True)
        await self._source.aclose()
        self._patience.stop()
        self._count()

    def cached(self, domain: str) -> MailRoute | None:
        """The fresh route of *domain* when it is known; about half a microsecond."""
        route = self._shards[hash(domain) & 255].get(domain)
        if route is None:
            return None
        now = self._clock()
        if route.expires_at <= now:
            return None
        self._hits = hits = self._hits + 1
        if not hits & 15 and route.expires_at - now < REFRESH_SHARE * (route.expires_at - route.resolved_at):
            self._refresh(domain, now)
        return route

    async def route(self, domain: str, *, timeout_s: float) -> MailRoute:
        """The route of *domain* (lower-case A-labels) within *timeout_s*; DNS trouble is the outcome UNKNOWN."""
        asked = self._ask(domain, timeout_s)
        return await self._answered(asked) if isinstance(asked, _Waiting) else asked

    async def routes(self, domains: Sequence[str], *, timeout_s: float) -> list[MailRoute]:
        """The same for many, same order and length: all are asked before the first is waited for, without a task."""
        asked = [self._ask(domain, timeout_s) for domain in domains]
        return [await self._answered(item) if isinstance(item, _Waiting) else item for item in asked]

    def _ask(self, domain: str, timeout_s: float) -> MailRoute | _Waiting:
        """What is known of *domain*, or a look-up of it that has begun and who waits for it."""
        stale = self._shards[hash(domain) & 255].get(domain)
        if stale is not None:
            known = self.cached(domain)
            if known is not None:
                return known
            stale = self._servable(stale)
        now = self._clock()
        decision = decide_unasked(domain, self._special)
        if decision is not None:
            return MailRoute(domain, *decision, (), False, False, now + UNASKED_TTL_S, now)
        lookup = self._lookups.get(domain)
        if lookup is None:
            refusal = self._refusal(domain, now)
            if refusal is not None:
                served, route = refusal
                self._served[Served.STALE if stale else served] += 1
                return stale or route
            self._served[Served.MISS] += 1
            lookup = self._begin(domain, now + timeout_s - MARGIN_S)
        else:
            self._served[Served.JOINED] += 1
        if lookup.route is not None:
            return self._settled(lookup, stale)
        waiter: asyncio.Future[None] = self._loop.create_future()
        lookup.waiters.append(waiter)
        patience_s = min(timeout_s, STALE_AFTER_S) if stale else timeout_s
        bucket = self._patience.add(time.monotonic() + patience_s, waiter)
        return _new(_Waiting, (lookup, stale, waiter, bucket))

    async def _answered(self, waiting: _Waiting) -> MailRoute:
        """The route once it is known, or once patience is over."""
        try:
            await waiting.waiter
        finally:
            waiting.bucket.discard(waiting.waiter)
        return self._settled(waiting.lookup, waiting.stale)

    def _settled(self, lookup: Lookup, stale: MailRoute | None) -> MailRoute:
        route = lookup.route or self._so_far(lookup)
        if route.outcome is RouteOutcome.UNKNOWN and stale is not None:
            self._served[Served.STALE] += 1
            return stale
        return route

    def health(self) -> ResolverHealth:
        """How look-ups are doing."""
        servers = self._source.health()
        states = {server.state for server in servers}
        if states and states <= {ServerState.DOWN}:
            state = ResolverState.DOWN
        elif ServerState.FAILING in states or (states and states <= {ServerState.DOWN, ServerState.REFUSING}):
            state = ResolverState.FAILING
        elif any(server.rewriting for server in servers):
            state = ResolverState.REWRITING
        else:
            state = ResolverState.OK if states <= {ServerState.UP} else ResolverState.DEGRADED
        return ResolverHealth(state, servers, len(self._routes))

    def remember(self, domain: str, route: MailRoute) -> None:
        """Put a route into the cache."""
        self._routes.put(domain, route)

    # --- one look-up --------------------------------------------------------------------------------------------------

    def _begin(self, domain: str, deadline: float) -> Lookup:
        lookup = Lookup(domain, deadline, self._rules, self._on_found)
        self._lookups[domain] = lookup
        lookup.start()
        return lookup

    def _so_far(self, lookup: Lookup) -> MailRoute:
        """What is known of a look-up that somebody cannot wait for any longer."""
        now = self._clock()
        return self._as_route(lookup.domain, lookup.so_far(now), now)

    def _on_found(self, lookup: Lookup, found: Found) -> None:
        now = self._clock()
        domain = lookup.domain
        self._lookups.pop(domain, None)
        lookup.route = route = self._as_route(domain, found, now)
        self._routed[route.outcome] += 1
        if route.outcome is RouteOutcome.UNKNOWN:
            if self._open:
                lookup.route = route._replace(expires_at=self._failures.note(domain, now))
                self._faults.put(domain, route.finding)
        else:
            self._failures.forget(domain)
            if route.expires_at > now:
                self.remember(domain, route)
            else:
                self._routes.drop(domain)
        for waiter in lookup.waiters:
            _wake(waiter)

    def _as_route(self, domain: str, found: Found, now: float) -> MailRoute:
        hosts = self._host_sets.shared(found.hosts) if found.hosts else ()
        outcome, finding = found.decision
        found_at, expires_at = self._moments.of(now, found.ttl_s)
        return _new(MailRoute, (domain, outcome, finding, hosts, found.implicit, False, expires_at, found_at))

    def _refusal(self, domain: str, now: float) -> tuple[Served, MailRoute] | None:
        """Why *domain* is not asked now, FAILED or REFUSED, and that as an UNKNOWN route; None when it may be."""
        served = Served.FAILED
        retry_at = self._failures.retry_at(domain, now)
        if retry_at is not None:
            finding = self._faults.get(domain) or RouteFinding.TIMEOUT
        elif self._source.is_down():
            finding, retry_at = RouteFinding.RESOLVER_DOWN, now + 1.0
        elif not self._budget.allows(domain, now):
            served, finding, retry_at = Served.REFUSED, RouteFinding.OVER_BUDGET, now + 1.0
        else:
            return None
        return served, MailRoute(domain, RouteOutcome.UNKNOWN, finding, (), False, False, retry_at, now)

    def _servable(self, route: MailRoute) -> MailRoute | None:
        """The expired route of a domain that took mail, to be served while DNS does not answer.

        Only good answers: an expired "takes no mail" must not turn a failure of DNS into a verdict.
        """
        if route.outcome is not RouteOutcome.DELIVERABLE or self._clock() > route.expires_at + STALE_S:
            return None
        return route._replace(stale=True)

    def _refresh(self, domain: str, now: float) -> None:
        """Look a hot domain up again before its answer expires, with nobody waiting."""
        if not self._open or domain in self._lookups or self._failures.retry_at(domain, now) is not None:
            return
        if not self._source.is_down():
            self._begin(domain, now + 5.0)

    # --- the resolvers behind -----------------------------------------------------------------------------------------

    def _on_recovery(self) -> None:
        """The resolvers are back: what failed while they were away may be asked at once."""
        self._failures.clear()
        self._hosts.forget_failures()

    def _count(self) -> None:
        """Plain numbers on the way, metrics once a second."""
        self._served[Served.HIT], self._hits = self._hits, 0
        for served, count in self._served.items():
            if count:
                DNS_CACHE.labels(served.value).inc(count)
                self._served[served] = 0
        for outcome, count in self._routed.items():
            if count:
                DNS_ROUTES.labels(outcome.value).inc(count)
                self._routed[outcome] = 0
        DNS_CACHED_DOMAINS.set(len(self._routes))
        if self._open:
            self._timer = self._loop.call_later(COUNT_EVERY_S, self._count)

    async def _watch_rewriting(self) -> None:
        while True:
            invented = await self._source.invented_addresses()
            if invented and not self._hosts.distrusted:
                _log.warning("a resolver invents addresses for names that do not exist", addresses=sorted(invented))
            elif self._hosts.distrusted and not invented:
                _log.info("no resolver invents addresses any more")
            self._hosts.distrusted = invented
            DNS_REWRITING.set(bool(invented))
            await asyncio.sleep(CANARY_EVERY_S)


def _wake(waiter: asyncio.Future[None], _: float = 0.0) -> None:
    if not waiter.done():
        waiter.set_result(None)


def open_resolver(settings: Settings, reference: Reference) -> MxResolver:
    """The resolver that the settings ask for, not started; raises `SettingsError` when they cannot work."""
    source: AnswerSource
    special = special_names(reference, settings.special_use_exceptions)
    names_per_s, names_burst = settings.dns_new_names_per_s, settings.dns_new_names_burst
    if settings.dns_zone_file is not None or settings.dns_replay_file is not None:
        names_burst = sys.maxsize  # nobody is asked, so nobody has to be spared
    if settings.dns_off:
        source = NobodySource()
    elif settings.dns_zone_file is not None:
        from validator.mx.zonefile import ZoneFileSource

        source = ZoneFileSource(settings.dns_zone_file)
    elif settings.dns_replay_file is not None:
        from validator.mx.snapshot import ReplaySource

        source = ReplaySource(settings.dns_replay_file)
    else:
        servers = parse_servers(settings.dns_servers) if settings.dns_servers else system_servers()
        source = DnsClient(servers, max_in_flight=settings.dns_max_in_flight, never_asked=special.is_special)
    if settings.dns_record_file is not None:
        from validator.mx.snapshot import RecordingSource

        source = RecordingSource(source, settings.dns_record_file)
    return MxResolver(
        source,
        special,
        implicit_mx=settings.implicit_mx,
        cache_domains=settings.dns_cache_domains,
        names_per_s=names_per_s,
        names_burst=names_burst,
    )
