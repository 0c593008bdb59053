"""The addresses of mail hosts: cached by host, asked once however many domains wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from validator.mx.answer import Answer, RecordType
from validator.mx.cache import FailureMemo, ShardedTable, time_to_live
from validator.mx.route import HostOutcome, host_addresses, judge_addresses
from validator.mx.source import AnswerSource


class HostFacts(NamedTuple):
    """What is known of one host, whoever asks."""

    addresses: tuple[str, ...]
    """Canonical text, IPv4 first."""
    outcome: HostOutcome
    """USABLE, NOT_FOUND, NO_ADDRESS, NOT_PUBLIC or FAILED."""
    expires_at: float
    """On the resolver's clock; of a failure, when it may be asked again."""
    complete: bool
    """Both address types were answered; a usable host can be known by one of them only."""


OnFacts = Callable[[HostFacts], None]


class HostBook:
    """All hosts of one resolver."""

    def __init__(self, source: AnswerSource, limit: int, clock: Callable[[], float]) -> None:
        """*limit* hosts are remembered."""
        self.distrusted: frozenset[str] = frozenset()
        """Addresses that a rewriting resolver gives to names that do not exist."""
        self._source = source
        self._clock = clock
        self._known: ShardedTable[HostFacts] = ShardedTable(limit)
        self._failures = FailureMemo(limit)
        self._asked: dict[str, _Flight] = {}

    def now(self) -> float:
        """The time on the clock that `expires_at` of facts is on."""
        return self._clock()

    def known(self, host: str) -> HostFacts | None:
        """Facts that have not expired."""
        facts = self._known.get(host)
        now = self._clock()
        if facts is None or facts.expires_at <= now:
            return None
        # a failure counts only until the resolver is back, when failures are forgotten
        return facts if facts.complete or self._failures.retry_at(host, now) is not None else None

    def ask(self, host: str, deadline: float, on_facts: OnFacts) -> None:
        """Look *host* up, or join whoever does; *on_facts* is called exactly once, possibly before this returns."""
        flight = self._asked.get(host)
        if flight is not None:
            flight.waiting.append(on_facts)
            return
        flight = _Flight(self, host)
        flight.waiting.append(on_facts)
        self._asked[host] = flight
        self._source.ask(host, RecordType.A, deadline, flight.on_a)
        self._source.ask(host, RecordType.AAAA, deadline, flight.on_aaaa)

    def forget_failures(self) -> None:
        """The resolver is back: what failed may be asked again."""
        self._failures.clear()

    def landed(self, flight: _Flight, a: Answer, aaaa: Answer) -> None:
        """Both answers are there."""
        now = self._clock()
        host = flight.host
        outcome = judge_addresses(a, aaaa, self.distrusted)
        complete = a.fault is None and aaaa.fault is None
        if outcome is HostOutcome.FAILED or not complete:
            expires_at = self._failures.note(host, now)
        else:
            self._failures.forget(host)
            expires_at = now + _lifetime(a, aaaa)
        facts = HostFacts(host_addresses(a, aaaa), outcome, expires_at, complete)
        if expires_at > now:
            self._known.put(host, facts)
        del self._asked[host]
        for on_facts in flight.waiting:
            on_facts(facts)


def _lifetime(a: Answer, aaaa: Answer) -> float:
    """The lesser of both; an absent type without SOA does not shorten the life of the addresses of the other."""
    if a.records and not aaaa.records and aaaa.ttl_s is None:
        return time_to_live(a)
    if aaaa.records and not a.records and a.ttl_s is None:
        return time_to_live(aaaa)
    return min(time_to_live(a), time_to_live(aaaa))


class _Flight:
    """One host that is being asked."""

    __slots__ = ("_a", "_aaaa", "_book", "host", "waiting")

    def __init__(self, book: HostBook, host: str) -> None:
        self.host = host
        self.waiting: list[OnFacts] = []
        self._book = book
        self._a: Answer | None = None
        self._aaaa: Answer | None = None

    def on_a(self, answer: Answer) -> None:
        self._a = answer
        if self._aaaa is not None:
            self._book.landed(self, answer, self._aaaa)

    def on_aaaa(self, answer: Answer) -> None:
        self._aaaa = answer
        if self._a is not None:
            self._book.landed(self, self._a, answer)
