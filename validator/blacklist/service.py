"""Blacklist: everything the rest of the service asks of the list, opened and closed as one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

from validator import metrics
from validator.address import EmailAddress
from validator.background import keep_running
from validator.blacklist.blocked import Blocked
from validator.blacklist.clock import Clock, utc_now
from validator.blacklist.companion import Companion
from validator.blacklist.entry import DomainKeys, Hit
from validator.blacklist.guard import Guard
from validator.blacklist.matching import Matcher
from validator.blacklist.store.link import hot_lookup
from validator.database import Database
from validator.errors import StorageUnavailable

if TYPE_CHECKING:
    from validator.blacklist.allowlist import AllowList
    from validator.blacklist.counting import Counting
    from validator.blacklist.entries import Entries
    from validator.blacklist.erasing import Erasing
    from validator.blacklist.exporting import Exporting
    from validator.blacklist.importing import Classify
    from validator.blacklist.imports import Imports
    from validator.blacklist.parts import Parts
    from validator.blacklist.removal import Removal

WRITE_BLOCKED_S: Final = 5.0
"""How often the times that entries blocked are written."""
RECLAIM_S: Final = 5.0
"""How often imports are looked for whose process is gone."""
UNFINISHED: Final = "SELECT 1 FROM blacklist_batch WHERE status IN ('receiving', 'running', 'undoing') LIMIT 1"


class Blacklist:
    """The blacklist as one thing: look-ups here, everything else in a part per subject.

    The parts are imported with their first use, which takes a second: whoever serves checks meanwhile calls `load`
    first. Every method of every part raises `StorageUnavailable` when the store cannot be used.
    """

    def __init__(
        self,
        database: Database,
        guard: Guard | None = None,
        *,
        clock: Clock = utc_now,
        classify: Classify | None = None,
        companion: Companion | None = None,
    ) -> None:
        """Without a *guard*, only public suffixes and wide networks are refused; *classify* judges imported texts.

        *companion* keeps something about the same addresses.
        """
        self.guard: Final = guard or Guard()
        self._database: Final = database
        self._clock: Final = clock
        self._classify: Final = classify
        self._blocked: Final = Blocked(clock)
        self._companion: Final = companion
        self._tasks: list[asyncio.Task[None]] = []
        self._matcher: Final = Matcher(database, hot_lookup(database))

    async def load(self) -> None:
        """Import the parts beside the event loop, unless that was done before."""
        if "_parts" not in self.__dict__:
            await asyncio.to_thread(import_module, "validator.blacklist.parts")

    @cached_property
    def _parts(self) -> Parts:
        from validator.blacklist.parts import Parts

        return Parts(self._database, self.guard, self._clock, self._classify, self._blocked, self._companion)

    @property
    def entries(self) -> Entries:
        """Entries one by one and page by page."""
        return self._parts.entries

    @property
    def imports(self) -> Imports:
        """Imports as jobs."""
        return self._parts.imports

    @property
    def allowlist(self) -> AllowList:
        """What somebody is sure about."""
        return self._parts.allowlist

    @property
    def removal(self) -> Removal:
        """Removal by filter."""
        return self._parts.removal

    @property
    def erasing(self) -> Erasing:
        """Erasing an address for good."""
        return self._parts.erasing

    @property
    def counting(self) -> Counting:
        """Counts and named lists."""
        return self._parts.counting

    @property
    def exporting(self) -> Exporting:
        """Writing the list out."""
        return self._parts.exporting

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
        companion: Companion | None = None,
    ) -> AsyncIterator[Self]:
        """A started blacklist; *watch* for changes of other processes unless this one is short-lived."""
        blacklist = cls(database, guard, clock=clock, classify=classify, companion=companion)
        try:
            await blacklist.start(watch=watch)
            yield blacklist
        finally:
            await blacklist.aclose()

    async def start(self, *, watch: bool = True) -> None:
        """Open the look-ups and begin the background work."""
        await self._matcher.start(watch=watch)
        if self._matcher.has_erased:
            await self.erasing.check_key()
        if watch:
            self._tasks = [
                keep_running(self._continue_imports, "blacklist-imports"),
                keep_running(self._write_blocked, "blacklist-blocked"),
            ]

    async def aclose(self) -> None:
        """Stop the background work and close the look-ups; the database is its owner's to close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if "_parts" in self.__dict__:
            await self.imports.aclose()
        with contextlib.suppress(StorageUnavailable):
            if self._blocked:
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

    @property
    def has_rules(self) -> bool:
        """Some entry is about a domain, mail host or network; without one `match_domains` finds nothing."""
        return self._matcher.has_rules

    async def match_addresses(
        self, addresses: Sequence[EmailAddress], lists: Collection[str] = (), *, details: bool = True
    ) -> list[tuple[Hit, ...]]:
        """Entries that match each address; same length and order, one query however many there are.

        The list `default` always applies, *lists* besides; whether they are there is `require_lists`' to say.
        *details* False leaves out what decides nothing (`Hit.details`), where that saves time.
        """
        try:
            return await self._matcher.addresses(addresses, lists, details=details)
        except StorageUnavailable:
            metrics.STORE_UNAVAILABLE.labels("lookup").inc()
            raise

    async def match_keys(
        self, keys: Sequence[str], lists: Collection[str] = (), *, details: bool = True
    ) -> dict[str, tuple[Hit, ...]]:
        """The same for keys of addresses (`keys.address_key`); only those that match some entry are in the answer."""
        try:
            return await self._matcher.keys(keys, lists, details=details)
        except StorageUnavailable:
            metrics.STORE_UNAVAILABLE.labels("lookup").inc()
            raise

    async def require_lists(self, names: Collection[str], *, pointer: str = "/lists") -> None:
        """Raise `UnknownList` when there is no list of one of these names; free for those that are known."""
        await self._matcher.require_lists(names, pointer=pointer)

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

    async def reported(self, address: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """The evidence beside an entry: what was last reported about its address, newest first; nothing alone."""
        return () if self._companion is None else await self._companion.latest_events(address, limit=limit)

    def note_blocked(self, hits: Iterable[Hit]) -> None:
        """Remember that these entries made a check say no: shown with the entry, written every few seconds."""
        self._blocked.note(hits)

    async def _write_blocked(self) -> None:
        while True:
            await asyncio.sleep(WRITE_BLOCKED_S)
            if self._blocked:
                await self.load()
                with contextlib.suppress(StorageUnavailable):
                    await self.counting.write_blocked()

    async def _continue_imports(self) -> None:
        """Continue what a process that is gone has left behind, now and from time to time."""
        while True:
            with contextlib.suppress(StorageUnavailable):
                if await self._database.rows(UNFINISHED):
                    await self.load()
                    await self.imports.continue_abandoned()
            await asyncio.sleep(RECLAIM_S)
