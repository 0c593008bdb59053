"""Rate limits, in memory of this process or in Redis for all of them.

A limit that cannot be counted because Redis is away is counted in memory: a broken counter neither stops the service
nor opens it. With several workers and no Redis each worker grants its share.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.util import WindowStats

from validator import metrics
from validator.errors import Overloaded, SettingsError

log = structlog.get_logger("validator.limits")

FAILURES_PER_MINUTE: Final = 60
"""Wrong keys from one address that are told so; more get a 429."""
WINDOWS_KEPT: Final = 50_000
"""Counters kept in memory at most."""
REDIS_PORT: Final = 6379
REDIS_TIMEOUT_S: Final = 0.25
REDIS_PAUSE_S: Final = 5.0
"""How long Redis is left alone after it failed."""


def parse_limit(name: str, text: str, *, share: int = 1) -> RateLimitItem | None:
    """A limit such as `100/second`, divided among *share* processes; None for an empty text; raises `SettingsError`."""
    if not text.strip():
        return None
    try:
        item = parse(text)
    except ValueError:
        raise SettingsError(f"VALIDATOR_{name.upper()}: not a limit such as `100/second` or `5000/hour`") from None
    return type(item)(max(1, math.ceil(item.amount / share)), item.multiples)


class Windows(Storage):
    """Counters of fixed windows in memory; the library's own looks at every counter at each hit.

    Bounded: when too many are kept, the expired ones go, then the oldest.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing here fails."""
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count on, in a new window when the last one is over."""
        now = time.time()
        count, ends_at = self._counts.get(key, (0, 0.0))
        if ends_at <= now:
            self._counts.pop(key, None)
            if len(self._counts) >= WINDOWS_KEPT:
                self._make_room(now)
            count, ends_at = 0, now + expiry
        self._counts[key] = (count + amount, ends_at)
        return count + amount

    async def get(self, key: str) -> int:
        """The count of the window that runs."""
        count, ends_at = self._counts.get(key, (0, 0.0))
        return count if ends_at > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        """When the window ends, as a Unix time."""
        return self._counts.get(key, (0, time.time()))[1]

    async def check(self) -> bool:
        """Memory is there."""
        return True

    async def reset(self) -> int | None:
        """Forget everything."""
        number = len(self._counts)
        self._counts.clear()
        return number

    async def clear(self, key: str) -> None:
        """Forget one."""
        self._counts.pop(key, None)

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
        self._failures = parse(f"{max(1, FAILURES_PER_MINUTE // share)}/minute")
        self._memory = FixedWindowRateLimiter(Windows())
        self._shared = FixedWindowRateLimiter(_redis(redis_url)) if redis_url else None
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
        if self._shared is not None and isinstance(self._shared.storage, RedisStorage):
            connection: Any = self._shared.storage.bridge
            await connection.storage.aclose()

    async def _spend(self, item: RateLimitItem, kind: str, who: str, cost: int) -> None:
        cost = min(cost, item.amount)
        limiter = self._limiter()
        try:
            granted = await limiter.hit(item, kind, who, cost=cost)
        except StorageError as error:
            limiter = self._fall_back(error)
            granted = await limiter.hit(item, kind, who, cost=cost)
        if granted:
            return
        metrics.RATE_LIMITED.labels(kind).inc()
        stats: WindowStats = await limiter.get_window_stats(item, kind, who)
        raise Overloaded("over the rate limit", retry_after_s=max(1, math.ceil(stats.reset_time - time.time())))

    def _limiter(self) -> FixedWindowRateLimiter:
        if self._shared is not None and time.monotonic() >= self._redis_again_at:
            return self._shared
        return self._memory

    def _fall_back(self, error: StorageError) -> FixedWindowRateLimiter:
        self._redis_again_at = time.monotonic() + REDIS_PAUSE_S
        log.warning("limits.redis_away", error=type(error.storage_error).__name__)
        return self._memory


def _redis(url: str) -> Storage:
    """Storage in Redis or Valkey; raises `SettingsError` when the extra is not installed or the URL cannot be used."""
    try:
        import redis.asyncio  # noqa: F401
    except ModuleNotFoundError:
        raise SettingsError("VALIDATOR_REDIS_URL: install the extra `redis`") from None
    try:
        parts = urlsplit(url.replace("valkey", "redis", 1))
        plain = (parts if parts.port else parts._replace(netloc=f"{parts.netloc}:{REDIS_PORT}")).geturl()
        return RedisStorage(
            f"async+{plain}",
            implementation="redispy",
            wrap_exceptions=True,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )
    except (ValueError, ConfigurationError):
        raise SettingsError("VALIDATOR_REDIS_URL: not a Redis URL") from None
