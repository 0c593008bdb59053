"""Rate limits, in memory of this process or in Redis for all of them.

A limit that cannot be counted because Redis is away is counted in memory: a broken counter neither stops the service
nor opens it. With several workers and no Redis each worker grants its share.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from validator import metrics
from validator.errors import Overloaded, SettingsError, StorageUnavailable

if TYPE_CHECKING:
    from validator.server.limits_redis import RedisWindows

log = structlog.get_logger("validator.limits")

FAILURES_PER_MINUTE: Final = 60
"""Wrong keys from one address that are told so; more get a 429."""
WINDOWS_KEPT: Final = 50_000
"""Counters kept in memory at most."""
REDIS_PAUSE_S: Final = 5.0
"""How long Redis is left alone after it failed."""
_LIMIT = re.compile(r"\s*([1-9][0-9]{0,8})\s*(?:/|per)\s*(?:([1-9][0-9]{0,3})\s*)?(second|minute|hour|day)s?\s*", re.I)
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


class Limit(NamedTuple):
    """So many in each window of time."""

    amount: int
    """How many."""
    seconds: int
    """Length of the window."""


class Spent(NamedTuple):
    """What became of an attempt to take something from a limit."""

    granted: bool
    """It was taken; else nothing was."""
    resets_at: float
    """When the window ends, as a Unix time."""


def parse_limit(name: str, text: str, *, share: int = 1) -> Limit | None:
    """A limit such as `100/second`, divided among *share* processes; None for `none` or an empty text.

    A variable that is set to nothing counts as not set, so only the word takes a default away. Raises `SettingsError`.
    """
    if text.strip().lower() in {"", "none"}:
        return None
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise SettingsError(f"VALIDATOR_{name.upper()}: not a limit such as `100/second` or `5000/hour`, nor `none`")
    amount, times, unit = found.groups()
    return Limit(max(1, math.ceil(int(amount) / share)), int(times or 1) * _SECONDS[unit.lower()])


class Windows:
    """Counters of fixed windows in memory. Bounded: when too many are kept, the expired ones go, then the oldest."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def spend(self, limit: Limit, kind: str, who: str, cost: int) -> Spent:
        """Take *cost* from the window that runs, a new one when the last is over; nothing when it is not enough."""
        now = time.time()
        key = (kind, who)
        count, ends_at = self._counts.get(key, (0, 0.0))
        if ends_at <= now or ends_at - now > limit.seconds:  # the clock was put back, or the limit was
            self._counts.pop(key, None)
            if len(self._counts) >= WINDOWS_KEPT:
                self._make_room(now)
            count, ends_at = 0, now + limit.seconds
        if count + cost > limit.amount:
            return Spent(granted=False, resets_at=ends_at)
        self._counts[key] = (count + cost, ends_at)
        return Spent(granted=True, resets_at=ends_at)

    def _make_room(self, now: float) -> None:
        self._counts = {key: value for key, value in self._counts.items() if value[1] > now}
        for key in list(self._counts)[: max(0, len(self._counts) - WINDOWS_KEPT // 2)]:
            del self._counts[key]


class RateLimits:
    """Counts what each key and each address takes."""

    def __init__(
        self, *, per_key: str, per_address: str, rows_per_key: str = "", redis_url: str = "", workers: int = 1
    ) -> None:
        share = 1 if redis_url else workers
        self._per_key = parse_limit("rate_limit_per_key", per_key, share=share)
        self._per_address = parse_limit("rate_limit_per_address", per_address, share=share)
        self._rows = parse_limit("rate_limit_rows_per_key", rows_per_key, share=share)
        self._failures = Limit(max(1, FAILURES_PER_MINUTE // share), 60)
        self._memory = Windows()
        self._shared = _redis(redis_url) if redis_url else None
        self._redis_again_at = 0.0

    async def spend_key(self, key_id: str, cost: int) -> None:
        """Take *cost* requests from a key's limit; raises `Overloaded`."""
        if self._per_key is not None:
            await self._spend(self._per_key, "key", key_id, cost)

    async def spend_address(self, address: str, cost: int) -> None:
        """Take *cost* requests from an address's limit; raises `Overloaded`."""
        if self._per_address is not None:
            await self._spend(self._per_address, "address", address, cost)

    async def spend_rows(self, key_id: str, rows: int) -> None:
        """Take the addresses of a batch from a key's limit of rows; raises `Overloaded`."""
        if self._rows is not None:
            await self._spend(self._rows, "rows", key_id, rows)

    async def pace_rows(self, key_id: str, rows: int) -> None:
        """The same for a window of a list, which waits until it may go on instead of being refused."""
        while self._rows is not None and rows > 0:
            part = min(rows, self._rows.amount)
            try:
                await self._spend(self._rows, "rows", key_id, part)
            except Overloaded as over:
                await asyncio.sleep(over.retry_after_s)
            else:
                rows -= part

    async def note_failure(self, address: str) -> None:
        """Count a wrong key; raises `Overloaded` when an address sent too many."""
        await self._spend(self._failures, "failure", address, 1)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._shared is not None:
            await self._shared.aclose()

    async def _spend(self, limit: Limit, kind: str, who: str, cost: int) -> None:
        spent = await self._spent(limit, kind, who, min(cost, limit.amount))
        if not spent.granted:
            metrics.RATE_LIMITED.labels(kind).inc()
            raise Overloaded("over the rate limit", retry_after_s=max(1, math.ceil(spent.resets_at - time.time())))

    async def _spent(self, limit: Limit, kind: str, who: str, cost: int) -> Spent:
        if self._shared is not None and time.monotonic() >= self._redis_again_at:
            try:
                return await self._shared.spend(limit, kind, who, cost)
            except StorageUnavailable as error:
                self._redis_again_at = time.monotonic() + REDIS_PAUSE_S
                metrics.REDIS_AWAY.inc()
                log.warning("limits.redis_away", error=str(error))
        return self._memory.spend(limit, kind, who, cost)


def _redis(url: str) -> RedisWindows:
    """Counters in Redis or Valkey; raises `SettingsError` when the extra is not installed or the URL cannot be used."""
    try:
        from validator.server.limits_redis import RedisWindows
    except ModuleNotFoundError:
        raise SettingsError("VALIDATOR_REDIS_URL: install the extra `redis`") from None
    return RedisWindows(url)
