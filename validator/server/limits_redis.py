"""Counters of fixed windows in Redis or Valkey, which all replicas share. Imported only where a URL is configured."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import redis.asyncio  # noqa: F401 - the library imports it late, and says nothing when it is not there
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError

from validator.errors import SettingsError, StorageUnavailable
from validator.server.limits import Limit, Spent

REDIS_PORT: Final = 6379
REDIS_TIMEOUT_S: Final = 0.25


class RedisWindows:
    """The same questions as to `limits.Windows`; raises `StorageUnavailable` while Redis is away."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet; raises `SettingsError` for a URL that cannot be used."""
        try:
            parts = urlsplit(url.replace("valkey", "redis", 1))
            plain = (parts if parts.port else parts._replace(netloc=f"{parts.netloc}:{REDIS_PORT}")).geturl()
            self._storage = RedisStorage(
                f"async+{plain}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_timeout=REDIS_TIMEOUT_S,
                socket_connect_timeout=REDIS_TIMEOUT_S,
            )
        except (ValueError, ConfigurationError):
            raise SettingsError("VALIDATOR_REDIS_URL: not a Redis URL") from None
        self._limiter = FixedWindowRateLimiter(self._storage)

    async def spend(self, limit: Limit, kind: str, who: str, cost: int) -> Spent:
        """Take *cost* from the window that runs."""
        item = RateLimitItemPerSecond(limit.amount, limit.seconds)
        try:
            granted = await self._limiter.hit(item, kind, who, cost=cost)
            stats = None if granted else await self._limiter.get_window_stats(item, kind, who)
        except StorageError as error:
            raise StorageUnavailable(type(error.storage_error).__name__) from error
        return Spent(granted, 0.0 if stats is None else stats.reset_time)

    async def aclose(self) -> None:
        """Close the connections."""
        connection: Any = self._storage.bridge
        await connection.storage.aclose()
