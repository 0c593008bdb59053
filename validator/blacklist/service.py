"""Blacklist: everything the rest of the service asks of the list, opened and closed as one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from validator.address import EmailAddress
from validator.blacklist.entries import Clock, Entries, utc_now
from validator.blacklist.entry import DomainKeys, Hit
from validator.blacklist.guard import Guard
from validator.blacklist.matching import Matcher
from validator.blacklist.store.lookup import hot_lookup
from validator.database import Database


class Blacklist:
    """The blacklist as one thing: look-ups here, everything else in a part per subject.

    Every method of every part raises `StorageUnavailable` when the store cannot be used.
    """

    def __init__(
        self, database: Database, guard: Guard, *, erase_key: bytes | None = None, clock: Clock = utc_now
    ) -> None:
        self._matcher: Final = Matcher(database, hot_lookup(database), erase_key=erase_key)
        self.entries: Final = Entries(database, guard, clock)
        self.guard: Final = guard

    async def start(self, *, watch: bool = True) -> None:
        """Open the look-ups; *watch* for changes of other processes unless this one is short-lived."""
        await self._matcher.start(watch=watch)

    async def aclose(self) -> None:
        """Stop the background work and close the look-ups; the database is its owner's to close."""
        await self._matcher.aclose()

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
        return await self._matcher.addresses(addresses, lists)

    async def match_domains(self, domains: Sequence[DomainKeys], lists: Collection[str] = ()) -> list[tuple[Hit, ...]]:
        """Entries that match each domain, its mail hosts or their addresses; same length and order, one query."""
        return await self._matcher.domains(domains, lists)

    async def overridden(self, address: EmailAddress, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """*hits* of `match_domains`, marked where the allow-list has this very address; free when there are none."""
        return await self._matcher.overridden(address, hits)
