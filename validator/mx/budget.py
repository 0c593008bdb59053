"""How many new names may be asked under one registrable domain: a flood of random subdomains stops at its own door.

A token bucket for each registrable domain. Two-label names need none: there is only one of each. What is known already
costs nothing here.
"""

from __future__ import annotations

from validator.mx.cache import ShardedTable
from validator.reference.suffixes import registrable_domain

_KEPT = 20_000


class NameBudget:
    """Token buckets by registrable domain, bounded in number."""

    def __init__(self, names_per_s: float, burst: int) -> None:
        """*names_per_s* in the long run, *burst* at once."""
        self._rate = names_per_s
        self._burst = float(burst)
        self._buckets: ShardedTable[tuple[float, float]] = ShardedTable(_KEPT)

    def allows(self, domain: str, now: float) -> bool:
        """True, and one name spent, when *domain* may be looked up now."""
        if domain.count(".") == 1:
            return True
        owner = registrable_domain(domain) or domain
        if owner == domain:
            return True
        bucket = self._buckets.get(owner)
        tokens = self._burst if bucket is None else min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
        if tokens < 1.0:
            return False
        self._buckets.put(owner, (tokens - 1.0, now))
        return True
