"""What is known of a domain, asked once and kept as one value while DNS and the blacklist rules say so."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, repeat
from typing import NamedTuple, Protocol

from validator.address import EmailAddress
from validator.blacklist.entry import DomainKeys, Hit
from validator.checker.judge import RouteVerdict, verdicts_of_routes
from validator.mx.route import MailRoute, RouteOutcome
from validator.recipient import DomainRule, Recipients
from validator.reference.providers import Provider, Providers
from validator.sanitize import CorrectionAction, Sanitizer

_new = tuple.__new__  # what a named tuple's own constructor does, at half the price
_ROUTE_VERDICTS = verdicts_of_routes()
FACTS_KEPT = 50_000
"""Domains whose facts are kept, 160 bytes each. The oldest make room; the resolver's cache knows more of them."""
UNKNOWN_KEPT_S = 1.0
"""How long "could not tell" is kept here at most. The resolver knows when to ask again, and that is at once when it is
back after an outage."""
_LEAVE_AT_ONCE = 1_000
"""Facts that make room together: finding the first of a dictionary whose first ones went takes as long as going by
their empty places, which is longer than the check when it is done for each."""


class MailResolver(Protocol):
    """What the checker needs of the DNS stage."""

    def cached(self, domain: str) -> MailRoute | None:
        """A fresh route, or None; never waits."""
        ...

    async def route(self, domain: str, *, timeout_s: float) -> MailRoute:
        """The route of an A-label domain; DNS trouble is a value, never an exception."""
        ...

    async def routes(self, domains: Sequence[str], *, timeout_s: float) -> list[MailRoute]:
        """The same for many, same order and length; all are asked at once."""
        ...


class BlacklistReader(Protocol):
    """What the checker needs of the blacklist. Both raise `StorageUnavailable`, never answer "no hit" on failure."""

    @property
    def rules_version(self) -> int:
        """Changes whenever an entry that is not an address changes."""
        ...

    @property
    def has_rules(self) -> bool:
        """Some entry is about a domain, mail host or network; without one `match_domains` finds nothing."""
        ...

    async def match_addresses(
        self, addresses: Sequence[EmailAddress], lists: Collection[str] = (), *, details: bool = True
    ) -> list[tuple[Hit, ...]]:
        """Hits of each address, same order and length, on request without details."""
        ...

    async def match_keys(
        self, keys: Sequence[str], lists: Collection[str] = (), *, details: bool = True
    ) -> dict[str, tuple[Hit, ...]]:
        """The same for keys of addresses; only those with hits are in the answer."""
        ...

    async def match_domains(self, domains: Sequence[DomainKeys], lists: Collection[str] = ()) -> list[tuple[Hit, ...]]:
        """Hits of each domain, its mail hosts and their addresses, same order and length."""
        ...

    async def overridden(self, address: EmailAddress, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """*hits* of a domain, marked where the allow-list has this very address; free when there are none."""
        ...

    async def require_lists(self, names: Collection[str]) -> None:
        """Raise `UnknownList` when there is no list of one of these names; free for those that are known."""
        ...

    def note_blocked(self, hits: Iterable[Hit]) -> None:
        """Remember that these entries made a check say no; costs nothing here."""
        ...


class DomainFacts(NamedTuple):
    """Everything that depends on the domain alone; valid until `expires_at` while the rules version stands.

    A named tuple, as the other values that every check makes are: it costs a third of a frozen dataclass.
    """

    route: MailRoute
    """Does it take mail."""
    provider: Provider | None
    """The mailbox provider, when it is one we know."""
    rules: tuple[DomainRule, ...]
    """Application and relay rules."""
    hits: tuple[Hit, ...]
    """Blacklist entries for the domain, its mail hosts and their addresses, default list only."""
    rules_version: int
    """Version of the blacklist rules that `hits` were read at."""
    expires_at: float
    """When the route should be asked for again, on the resolver's clock (`time.monotonic`)."""
    kept: bool
    """The domain is one that sanitizing neither changes nor comments on."""
    alone: RouteVerdict | None
    """The verdict on a person's address there that is on no list; None when rules or entries of the domain weigh in.

    Most checks end with it and look at nothing else of the facts: whatever decides has to make it None.
    """


class DomainKnowledge:
    """Learns and keeps `DomainFacts`; bounded, one event loop."""

    def __init__(
        self,
        *,
        sanitizer: Sanitizer,
        recipients: Recipients,
        providers: Providers,
        resolver: MailResolver,
        blacklist: BlacklistReader,
        kept_domains: int = FACTS_KEPT,
    ) -> None:
        self._sanitizer = sanitizer
        self._recipients = recipients
        self._providers = providers
        self._resolver = resolver
        self._blacklist = blacklist
        self._kept_domains = kept_domains
        self._facts: dict[str, DomainFacts] = {}

    def is_kept(self, domain: str) -> bool:
        """Sanitizing neither changes the domain nor comments on it; known with its facts, fresh or not."""
        facts = self._facts.get(domain)
        return self._sanitizer.correct_domain(domain).action is CorrectionAction.KEEP if facts is None else facts.kept

    def fresh(self, domain: str) -> DomainFacts | None:
        """Facts that still hold, without waiting."""
        facts = self._facts.get(domain)
        if (
            facts is not None
            and facts.expires_at > time.monotonic()
            and facts.rules_version == self._blacklist.rules_version
        ):
            return facts
        return None

    def fresh_among(self, domains: Iterable[str]) -> dict[str, DomainFacts]:
        """Facts that still hold, of those domains that have any."""
        known, now, version = self._facts, time.monotonic(), self._blacklist.rules_version
        return {
            domain: facts
            for domain in domains
            if (facts := known.get(domain)) is not None and facts.expires_at > now and facts.rules_version == version
        }

    async def routes(self, domains: Sequence[str], timeout_s: float) -> list[MailRoute]:
        """The routes of several domains, same order and length, resolved together."""
        return await self._resolver.routes(domains, timeout_s=timeout_s)

    async def learn(self, domains: Sequence[str], timeout_s: float) -> list[DomainFacts]:
        """Facts of each domain, same order and length: fresh ones as kept, the rest resolved and matched together."""
        known = {domain: facts for domain in domains if (facts := self.fresh(domain)) is not None}
        missing = [domain for domain in dict.fromkeys(domains) if domain not in known]
        if missing:
            version = self._blacklist.rules_version
            routes = await self.routes(missing, timeout_s)
            matched: Iterable[tuple[Hit, ...]] = repeat((), len(routes))
            if self._blacklist.has_rules:
                matched = await self._blacklist.match_domains([keys_of(route) for route in routes])
            for domain, route, hits in zip(missing, routes, matched, strict=True):
                kept = self._sanitizer.correct_domain(domain).action is CorrectionAction.KEEP
                known[domain] = self._keep(domain, route, hits, version, kept=kept)
        return [known[domain] for domain in domains]

    async def learn_kept(self, domain: str, timeout_s: float) -> DomainFacts:
        """The same for one domain of which nothing is known but that sanitizing keeps it."""
        version = self._blacklist.rules_version
        route = await self._resolver.route(domain, timeout_s=timeout_s)
        hits: tuple[Hit, ...] = ()
        if self._blacklist.has_rules:
            (hits,) = await self._blacklist.match_domains([keys_of(route)])
        return self._keep(domain, route, hits, version, kept=True)

    def _keep(self, domain: str, route: MailRoute, hits: tuple[Hit, ...], version: int, *, kept: bool) -> DomainFacts:
        rules = self._recipients.domain_rules(domain)
        expires_at = route.expires_at
        if route.outcome is RouteOutcome.UNKNOWN:
            expires_at = min(expires_at, time.monotonic() + UNKNOWN_KEPT_S)
        provider = self._providers.get(domain)
        alone = None if rules or hits else _ROUTE_VERDICTS[route.outcome]
        facts = _new(DomainFacts, (route, provider, rules, hits, version, expires_at, kept, alone))
        self._facts.pop(domain, None)
        if len(self._facts) >= self._kept_domains:
            for old in list(islice(self._facts, min(_LEAVE_AT_ONCE, self._kept_domains))):
                del self._facts[old]
        self._facts[domain] = facts
        return facts


def keys_of(route: MailRoute) -> DomainKeys:
    """What the blacklist is asked about a domain: its name, its mail hosts and every address of theirs."""
    return DomainKeys(
        domain=route.domain,
        mx_hosts=tuple(host.name for host in route.hosts),
        mx_ips=tuple(dict.fromkeys(address for host in route.hosts for address in host.addresses)),
    )
