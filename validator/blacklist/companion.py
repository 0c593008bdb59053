"""What somebody else keeps about the same addresses; the blacklist does not know who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from validator.database.connecting import AsyncConnection


class Companion(Protocol):
    """Works within the transactions of the blacklist, so that both sides change together."""

    async def erase_keys(self, conn: AsyncConnection, keys: Sequence[str]) -> int:
        """Wipe all that is kept about these address keys; answers how many records went."""

    async def latest_events(self, address: str, *, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        """What was last reported about an address, newest first, as rows for people."""

    async def count_soft_bounced(self, conn: AsyncConnection) -> int:
        """Addresses that have bounced softly and are not on the list yet."""
