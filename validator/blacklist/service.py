"""Blacklist: everything the rest of the service asks of the list, opened and closed as one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from validator import metrics
from validator.address import EmailAddress
from validator.blacklist.allowlist import AllowList
from validator.blacklist.counting import Counting
from validator.blacklist.entries import Clock, Entries, utc_now
from validator.blacklist.entry import DomainKeys, Hit
from validator.blacklist.erasing import Erasing
from validator.blacklist.exporting import Exporting
from validator.blacklist.guard import Guard
from validator.blacklist.importing import Classify
from validator.blacklist.imports import Imports
from validator.blacklist.matching import Matcher
from validator.blacklist.removal import Removal
from validator.blacklist.store.link import hot_lookup
from validator.database import Database
from validator.errors import StorageUnavailable

WRITE_BLOCKED_S: Final = 5.0
"""How often the times that entries blocked are written."""


class Blacklist:
    """The blacklist as one thing: look-ups here, everything else in a part per subject.

    Every method of every part raises `StorageUnavailable` when the store cannot be used.
    """

    def __init__(
        self,
        database: Database,
        guard: Guard | None = None,
        *,
        clock: Clock = utc_now,
        classify: Classify | None = None,
    ) -> None:
        """Without a *guard*, only public suffixes and wide networks are refused; *classify* judges imported texts."""
        self.guard: Final = guard or Guard()
        self.entries: Final = Entries(database, self.guard, clock)
        self.imports: Final = Imports(database, self.guard, clock, classify)
        self.allowlist: Final = AllowList(database, self.guard, clock)
        self.removal: Final = Removal(database, clock)
        self.erasing: Final = Erasing(database, clock)
        self.counting: Final = Counting(database, clock)
        self.exporting: Final = Exporting(database, clock)
        self._writer: asyncio.Task[None] | None = None
        self._matcher: Final = Matcher(database, hot_lookup(database))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database: Database,
        guard: Guard | None = None,
        *,
        watch: bool = True,
        clock: Clock = utc_now,
        classify: Classify | None = None,
    ) -> AsyncIterator[Self]:
        """A started blacklist; *watch* for changes of other processes unless this one is short-lived."""
        blacklist = cls(database, guard, clock=clock, classify=classify)
        try:
            await blacklist.start(watch=watch)
            yield blacklist
        finally:
            await blacklist.aclose()

    async def start(self, *, watch: bool = True) -> None:
        """Open the look-ups and begin the background work."""
        await self.erasing.check_key()
        await self._matcher.start(watch=watch)
        if watch:
            await self.imports.start()
            self._writer = asyncio.create_task(self._write_blocked(), name="blacklist-blocked")

    async def aclose(self) -> None:
        """Stop the background work and close the look-ups; the database is its owner's to close."""
        await self.imports.aclose()
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        with contextlib.suppress(StorageUnavailable):
            await self.counting.write_blocked()
        await self._matcher.aclose()

    async def ping(self) -> None:
        """Ask the store something small, the way checks do; raises `StorageUnavailable`."""
        await self._matcher.ping()

    @property
    def rules_version(self) -> int:
        """Changes when any domain, mail host, network or allow-list rule does.

        At once in the process that writes, within a second elsewhere: cache `match_domains` together with it.
        """
        return self._matcher.rules_version

    async def match_addresses(
        self, addresses: Sequence[EmailAddress], lists: Collection[str] = ()
    ) -> list[tuple[Hit, ...]]:
        """Entries that match each address; same length and order, one query however many there are.

        The list `default` always applies, *lists* besides; a name that no list has is an empty list.
        """
        try:
            return await self._matcher.addresses(addresses, lists)
        except StorageUnavailable:
            metrics.STORE_UNAVAILABLE.labels("lookup").inc()
            raise

    async def match_domains(self, domains: Sequence[DomainKeys], lists: Collection[str] = ()) -> list[tuple[Hit, ...]]:
        """Entries that match each domain, its mail hosts or their addresses; same length and order, one query."""
        try:
            return await self._matcher.domains(domains, lists)
        except StorageUnavailable:
            metrics.STORE_UNAVAILABLE.labels("lookup").inc()
            raise

    async def overridden(self, address: EmailAddress, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """*hits* of `match_domains`, marked where the allow-list has this very address; free when there are none."""
        return await self._matcher.overridden(address, hits)

    def note_blocked(self, hits: Iterable[Hit]) -> None:
        """Remember that these entries made a check say no: shown with the entry, written every few seconds."""
        self.counting.note_blocked(hits)

    async def _write_blocked(self) -> None:
        while True:
            await asyncio.sleep(WRITE_BLOCKED_S)
            with contextlib.suppress(StorageUnavailable):
                await self.counting.write_blocked()
