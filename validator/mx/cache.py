"""What is remembered: routes by domain, addresses by host, failures by either. Bounded, by an injected clock.

No operation looks at more than a few entries, and the tables are split into many small ones: a Python dictionary copies
itself when it grows, which at a million entries takes tens of milliseconds, at four thousand none worth naming.
"""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

from validator.mx.answer import Answer, AnswerKind
from validator.mx.route import MailHost

POSITIVE_TTL_S = (5.0, 86_400.0)
"""Least and greatest time that an answer with records is kept."""
MAX_NEGATIVE_TTL_S = 10_800.0
"""Greatest time that "no such name" is kept (RFC 2308 5: one to three hours)."""
FAILURE_TTL_S = (1.0, 300.0)
"""First and longest pause before a failed question is asked again (RFC 9520: at least 1 s, at most 5 min)."""
STALE_S = 86_400.0
"""How long after its expiry a good answer is served while DNS does not answer (RFC 8767)."""

SHARED_S = 0.25
"""Most by which an answer counts as found too early, so that others share the time."""
SHARDS = 256
_MASK = SHARDS - 1
_FAILED, _RECORDS = AnswerKind.FAILED, AnswerKind.RECORDS
_LEAST_S, _MOST_S = POSITIVE_TTL_S

Value = TypeVar("Value")


def time_to_live(answer: Answer) -> float:
    """Seconds that *answer* may be kept; 0 for a failure and for a negative answer without SOA."""
    kind, _, ttl_s, _, _ = answer
    if ttl_s is None or kind is _FAILED:
        return 0.0
    if kind is not _RECORDS:
        return min(float(ttl_s), MAX_NEGATIVE_TTL_S)
    if _LEAST_S <= ttl_s <= _MOST_S:
        return float(ttl_s)
    return _LEAST_S if ttl_s < _LEAST_S else _MOST_S


class ShardedTable(Generic[Value]):
    """A bounded dictionary by name; when full, storing a name drops the one stored longest ago in its shard."""

    __slots__ = ("_limit", "shards")

    def __init__(self, limit: int) -> None:
        """*limit* names in all, at least one in each shard."""
        self._limit = max(1, limit // SHARDS)
        self.shards: tuple[dict[str, Value], ...] = tuple({} for _ in range(SHARDS))

    def get(self, name: str) -> Value | None:
        """The value, or None."""
        return self.shards[hash(name) & _MASK].get(name)

    def put(self, name: str, value: Value) -> None:
        """Store or replace; the name counts as stored now."""
        shard = self.shards[hash(name) & _MASK]
        if name in shard:
            del shard[name]
        elif len(shard) >= self._limit:
            del shard[next(iter(shard))]
        shard[name] = value

    def drop(self, name: str) -> None:
        """Forget a name, known or not."""
        self.shards[hash(name) & _MASK].pop(name, None)

    def clear(self) -> None:
        """Forget everything."""
        self.shards = tuple({} for _ in range(SHARDS))

    def __len__(self) -> int:
        return sum(map(len, self.shards))


class FailureMemo:
    """When to ask again after a failure: 1 s, 2 s, 4 s … 5 min, until an answer comes."""

    def __init__(self, limit: int) -> None:
        self._pauses: ShardedTable[tuple[float, float]] = ShardedTable(limit)
        self._any = False

    def note(self, name: str, now: float) -> float:
        """One more failure of *name*; the time to ask again."""
        known = self._pauses.get(name)
        first_s, longest_s = FAILURE_TTL_S
        pause_s = min(known[1] * 2, longest_s) if known is not None else first_s
        self._pauses.put(name, (now + pause_s, pause_s))
        self._any = True
        return now + pause_s

    def retry_at(self, name: str, now: float) -> float | None:
        """The time to ask again while that lies ahead, else None."""
        known = self._pauses.get(name) if self._any else None
        return known[0] if known is not None and known[0] > now else None

    def forget(self, name: str) -> None:
        """An answer came."""
        if self._any:
            self._pauses.drop(name)

    def clear(self) -> None:
        """Everything may be asked again: the resolver is back."""
        self._pauses.clear()
        self._any = False


class Moments:
    """Times that routes share: what is found within a short while counts as found when the first of it was.

    Two floats are a fifth of what a domain takes in memory, and most domains of a list have one of a few TTLs.
    """

    def __init__(self) -> None:
        self._found_at = float("-inf")
        self._ends: dict[float, float] = {}

    def of(self, now: float, ttl_s: float) -> tuple[float, float]:
        """When it was found, at most `SHARED_S` before *now*, and when it expires, after whole seconds if over one.

        The rest of a host's life, which often bounds that of its domains, is another number for each of them.
        """
        if not 0.0 <= now - self._found_at < SHARED_S:
            self._found_at = now
            self._ends.clear()
        found_at = self._found_at
        if ttl_s > 1.0:
            ttl_s = int(ttl_s)
        end = self._ends.get(ttl_s)
        if end is None:
            end = self._ends[ttl_s] = found_at + ttl_s
        return found_at, end


class HostSets:
    """Equal tuples of mail hosts are kept once: most domains share the hosts of a few providers."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sets: dict[tuple[MailHost, ...], tuple[MailHost, ...]] = {}

    def shared(self, hosts: tuple[MailHost, ...]) -> tuple[MailHost, ...]:
        """The tuple that stands for all that equal *hosts*."""
        known = self._sets.get(hosts)
        if known is not None:
            return known
        if len(self._sets) >= self._limit:
            for old in list(islice(self._sets, 1 + self._limit // 100)):  # one by one, each would walk past the last
                del self._sets[old]
        self._sets[hosts] = hosts
        return hosts
