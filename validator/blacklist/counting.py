"""How many, and why: counts per cause, kind, source, list, state and day; named lists; how often an entry blocked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from validator.blacklist.entries import Clock, clean_text
from validator.blacklist.entry import BLOCKING, Hit, State
from validator.blacklist.keys import list_name
from validator.blacklist.removal import BULK_TIMEOUT_S
from validator.blacklist.store.counting import (
    Group,
    ListInfo,
    add_blocks,
    grouped,
    named_lists,
    put_list,
)
from validator.database import AsyncConnection, Database
from validator.errors import Complaint, NotFound, RequestRefused

MAX_NOTED = 100_000
"""Most entries whose blocks are remembered between two writes; further ones are not counted."""

SoftBounced = Callable[[AsyncConnection], Awaitable[int]]
"""Counts addresses that have bounced softly and are not on the list yet; feedback knows them."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of entries that block."""

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

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[int, tuple[int, datetime]] = {}
        self.soft_bounced: SoftBounced | None = None
        """Set by whoever knows soft bounces."""

    async def statistics(self, by: Group, *, states: Collection[State] = BLOCKING) -> Statistics:
        """Counts now; reads the whole table, about a second per million entries."""
        async with self._database.reading(timeout_s=BULK_TIMEOUT_S) as conn:
            groups = tuple(await grouped(conn, by, states=states, now=self._clock()))
            soft = None if self.soft_bounced is None else await self.soft_bounced(conn)
        return Statistics(by, sum(number for _, number in groups), groups, soft)

    async def lists(self) -> list[tuple[ListInfo, int]]:
        """Every named list with the number of its entries that block."""
        async with self._database.reading(timeout_s=BULK_TIMEOUT_S) as conn:
            numbers = dict(await grouped(conn, Group.LIST, states=BLOCKING, now=self._clock()))
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

    def note_blocked(self, hits: Iterable[Hit]) -> None:
        """Remember that these entries made a check say no; written now and then, costs nothing here."""
        now = self._clock()
        for hit in hits:
            key = int(hit.entry_id)
            if not hit.overridden and (key in self._noted or len(self._noted) < MAX_NOTED):
                self._noted[key] = (self._noted.get(key, (0, now))[0] + 1, now)

    async def write_blocked(self) -> None:
        """Write what `note_blocked` remembers; keeps it when the store cannot be written."""
        if self._noted:
            noted, self._noted = self._noted, {}
            written = False
            try:
                async with self._database.transaction(timeout_s=30) as conn:
                    await add_blocks(conn, noted)
                written = True
            finally:
                if not written:
                    for key, (times, last) in noted.items():
                        self._noted[key] = (self._noted.get(key, (0, last))[0] + times, last)
