"""How many, and why: counts per cause, kind, source, list, state and day; named lists; how often an entry blocked."""

from __future__ import annotations

from dataclasses import dataclass

from validator.blacklist.blocked import Blocked
from validator.blacklist.clock import Clock
from validator.blacklist.companion import Companion
from validator.blacklist.entries import clean_text
from validator.blacklist.filter import NOW_BLOCKING, Filter, Group
from validator.blacklist.keys import list_name
from validator.blacklist.removal import BULK_TIMEOUT_S
from validator.blacklist.results import ListInfo
from validator.blacklist.store.counting import add_blocks, grouped
from validator.blacklist.store.naming import delete_list, named_lists, put_list
from validator.database import Database
from validator.errors import Complaint, NotFound, RequestRefused


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of entries."""

    group_by: Group
    """What they are counted by."""
    total: int
    """All together."""
    groups: tuple[tuple[str, int], ...]
    """Name and number; most first, days in order."""
    soft_bounced: int | None
    """Addresses with soft bounces that are not on the list yet; None where nobody counts them."""


class Counting:
    """Counts and named lists."""

    def __init__(self, database: Database, clock: Clock, blocked: Blocked, companion: Companion | None = None) -> None:
        self._database = database
        self._clock = clock
        self._blocked = blocked
        self._companion = companion

    async def statistics(self, by: Group, wanted: Filter = NOW_BLOCKING) -> Statistics:
        """Counts of what blocks now, on whatever list, or of what a filter finds.

        Reads the whole table, about a second per million entries.
        """
        async with self._database.reading(timeout_s=BULK_TIMEOUT_S) as conn:
            groups = tuple(await grouped(conn, by, wanted, now=self._clock()))
            soft = None if self._companion is None else await self._companion.count_soft_bounced(conn)
        return Statistics(by, sum(number for _, number in groups), groups, soft)

    async def lists(self) -> list[tuple[ListInfo, int]]:
        """Every named list with the number of its entries that block now."""
        async with self._database.reading(timeout_s=BULK_TIMEOUT_S) as conn:
            numbers = dict(await grouped(conn, Group.LIST, NOW_BLOCKING, now=self._clock()))
            return [(info, numbers.get(info.name, 0)) for info in await named_lists(conn)]

    async def one_list(self, name: str) -> tuple[ListInfo, int]:
        """One named list with the number of its entries that block; raises `NotFound`."""
        for info, number in await self.lists():
            if info.name == name:
                return info, number
        raise NotFound("no list of this name")

    async def put_list(self, name: str, *, note: str, actor: str) -> tuple[ListInfo, bool]:
        """Make a named list or change its note; answers it and whether it is new."""
        if list_name(name) != name:
            raise RequestRefused(
                "the name of the list cannot be used", [Complaint("/name", "a-z, 0-9, dash, underscore")]
            )
        async with self._database.transaction() as conn:
            return await put_list(conn, name, note=clean_text(note, "/note"), now=self._clock(), actor=actor)

    async def delete_list(self, name: str) -> None:
        """Delete a named list that no entry stands on; raises `NotFound`, or `Conflict` for one that is used."""
        async with self._database.transaction() as conn:
            await delete_list(conn, name)

    async def write_blocked(self) -> None:
        """Write which entries made checks say no; keeps it when the store cannot be written."""
        if self._blocked:
            noted = self._blocked.take()
            written = False
            try:
                async with self._database.transaction(timeout_s=30) as conn:
                    await add_blocks(conn, noted)
                written = True
            finally:
                if not written:
                    self._blocked.give_back(noted)
