"""One domain being looked up: MX, then the addresses of its hosts, then the route. Driven by answers, not by a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from validator.mx.answer import Answer, AnswerKind, Fault, MailExchanger, RecordType, failed
from validator.mx.cache import POSITIVE_TTL_S, time_to_live
from validator.mx.hosts import HostBook, HostFacts
from validator.mx.route import (
    MAX_HOSTS_RESOLVED,
    Decision,
    HostOutcome,
    MailHost,
    MailRoute,
    RouteFinding,
    RouteOutcome,
    decide_hosts,
    decide_implicit,
    decide_mx,
    judge_host_name,
    mail_exchangers,
)
from validator.mx.source import AnswerSource
from validator.mx.special import SpecialNames

_new = tuple.__new__  # what a named tuple's own constructor does, at half the price
_RECORDS = AnswerKind.RECORDS
_USABLE = HostOutcome.USABLE
_MAIL_HOST = RouteOutcome.DELIVERABLE, RouteFinding.MAIL_HOST
PARTIAL_TTL_S = 60.0
"""How long a good route is kept of which one host could not be looked up."""


@dataclass(frozen=True, slots=True)
class LookupRules:
    """What does not change from one look-up to the next."""

    source: AnswerSource
    """Who answers."""
    hosts: HostBook
    """Addresses of mail hosts."""
    special: SpecialNames
    """Names that are never asked."""
    implicit_mx: bool
    """Accept a domain with an address and no MX."""


class Found(NamedTuple):
    """What a look-up came to, without the times."""

    decision: Decision
    """Outcome and finding."""
    hosts: tuple[MailHost, ...]
    """In order of preference."""
    implicit: bool
    """The host is the domain itself."""
    ttl_s: float
    """How long it may be kept; 0 for not at all."""


class Lookup:
    """The look-up of one domain and everyone who waits for it."""

    __slots__ = ("_facts", "_host_ttl_s", "_missing", "_mx", "_on_found", "_rules", "_targets", "_text", "_ttl_s",
                 "deadline", "domain", "route", "waiters")  # fmt: skip

    def __init__(
        self, domain: str, deadline: float, rules: LookupRules, on_found: Callable[[Lookup, Found], None]
    ) -> None:
        """*on_found* is called exactly once, possibly before `start` returns."""
        self.domain = domain
        self.deadline = deadline
        self.route: MailRoute | None = None
        """Set by the resolver when the look-up is over."""
        self.waiters: list[asyncio.Future[None]] = []
        self._rules = rules
        self._on_found = on_found
        self._mx: Answer | None = None
        self._targets: tuple[MailExchanger, ...] = ()
        self._facts: dict[str, HostFacts | HostOutcome] = {}
        self._text: Answer | None = None
        self._missing = 0
        self._ttl_s = 0.0
        self._host_ttl_s = 0.0

    def start(self) -> None:
        """Ask for the MX records."""
        self._rules.source.ask(self.domain, RecordType.MX, self.deadline, self._on_mx)

    def so_far(self, now: float) -> Found:
        """The verdict if nothing more came: what is missing counts as failed."""
        if self._mx is None:
            return Found((RouteOutcome.UNKNOWN, RouteFinding.TIMEOUT), (), False, 0.0)
        if self._mx.kind is AnswerKind.NO_DATA:
            return self._implicit(now)
        return self._explicit(now)

    def _on_mx(self, answer: Answer) -> None:
        self._mx = answer
        if answer.kind is _RECORDS:
            self._targets = targets = mail_exchangers(answer)
            if len(targets) == 1 and (facts := self._rules.hosts.known(targets[0][1])) is not None:
                self._on_one_known(answer, facts)
                return
            if targets:
                self._ask_hosts()
                return
        decision = decide_mx(answer)
        assert decision is not None
        if decision[1] is RouteFinding.NO_MX and self._rules.implicit_mx:
            self._missing = 2
            source = self._rules.source
            self._rules.hosts.ask(self.domain, self.deadline, self._on_own_facts)
            source.ask(self.domain, RecordType.TXT, self.deadline, self._on_text)
        else:
            self._on_found(self, Found(decision, (), False, time_to_live(answer)))

    def _on_one_known(self, answer: Answer, facts: HostFacts) -> None:
        """One host, and it is known: what a domain at a provider comes to."""
        ((preference, name),) = self._targets
        if facts.outcome is not _USABLE or not facts.complete:
            self._ask_hosts()
            return
        ttl_s = min(time_to_live(answer), facts.expires_at - self._rules.hosts.now())
        hosts = (_new(MailHost, (name, preference, facts.addresses, _USABLE)),)
        self._on_found(self, _new(Found, (_MAIL_HOST, hosts, False, max(ttl_s, POSITIVE_TTL_S[0]))))

    def _ask_hosts(self) -> None:
        rules = self._rules
        book = rules.hosts
        wanted = []
        left = MAX_HOSTS_RESOLVED
        for _, name in self._targets:
            # a host that is known has a name that may be asked
            judged: HostFacts | HostOutcome | None = book.known(name) if left else None
            if judged is None:
                judged = judge_host_name(name, rules.special)
                if judged is not None:
                    self._facts[name] = judged  # no host by its name, and so it takes no other's place
                    continue
                if left:
                    wanted.append(name)
                else:
                    self._facts[name] = HostOutcome.NOT_ASKED
            else:
                self._facts[name] = judged
            left -= left > 0
        self._missing = len(wanted)
        if not wanted:
            self._done()
            return
        for name in wanted:
            book.ask(name, self.deadline, partial(self.on_host, name))

    def on_host(self, name: str, facts: HostFacts) -> None:
        """The addresses of one host are known."""
        self._facts[name] = facts
        self._missing -= 1
        if not self._missing:
            self._done()

    def _on_own_facts(self, facts: HostFacts) -> None:
        self.on_host(self.domain, facts)

    def _on_text(self, answer: Answer) -> None:
        self._text = answer
        self._missing -= 1
        if not self._missing:
            self._done()

    def _done(self) -> None:
        self._on_found(self, self.so_far(self._rules.hosts.now()))

    def _explicit(self, now: float) -> Found:
        assert self._mx is not None
        ttl_s = time_to_live(self._mx)
        hosts = []
        for preference, name in self._targets:
            facts = self._facts.get(name)
            if isinstance(facts, HostFacts):
                hosts.append(MailHost(name, preference, facts.addresses, facts.outcome))
                # a host answer that may not be kept at all shortens the route, but not below the floor of a good one
                ttl_s = min(ttl_s, facts.expires_at - now if facts.complete else PARTIAL_TTL_S)
            elif facts is not None:
                hosts.append(MailHost(name, preference, (), facts))
            else:
                hosts.append(MailHost(name, preference, (), HostOutcome.FAILED))
                ttl_s = min(ttl_s, PARTIAL_TTL_S)
        decision = decide_hosts(hosts) if hosts else decide_mx(self._mx)
        assert decision is not None
        if decision[0] is RouteOutcome.DELIVERABLE:
            ttl_s = max(ttl_s, POSITIVE_TTL_S[0])
        return Found(decision, tuple(hosts), False, max(0.0, ttl_s))

    def _implicit(self, now: float) -> Found:
        assert self._mx is not None
        facts = self._facts.get(self.domain)
        if not isinstance(facts, HostFacts):
            return Found((RouteOutcome.UNKNOWN, RouteFinding.HOST_FAILED), (), True, 0.0)
        text = self._text or failed(Fault.TIMEOUT)
        decision = decide_implicit(facts.outcome, text, rewriting=bool(self._rules.hosts.distrusted))
        hosts = (MailHost(self.domain, 0, facts.addresses, facts.outcome),) if facts.addresses else ()
        ttl_s = min(time_to_live(self._mx), facts.expires_at - now)
        if decision[0] is RouteOutcome.DELIVERABLE:
            ttl_s = max(ttl_s, POSITIVE_TTL_S[0])
        return Found(decision, hosts, True, max(0.0, ttl_s))
