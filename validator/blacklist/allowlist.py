"""The allow-list: addresses and domains that somebody is sure about, with a note that says how."""

from __future__ import annotations

from datetime import datetime

from validator.blacklist.clock import Clock
from validator.blacklist.entries import clean_text, has_visible, read_cursor, write_cursor
from validator.blacklist.entry import Kind, Rule
from validator.blacklist.guard import Guard
from validator.blacklist.results import Allowed
from validator.blacklist.store.allowing import allow, allowed_by, allowed_page, disallow, find_allowed
from validator.database import Database
from validator.errors import Complaint, RequestRefused


class AllowList:
    """Rules that override bounces; complaints, unsubscribes and manual entries only when that is acknowledged.

    A rule that is narrower than a manual entry (one address of a blocked domain) is an exception to it and needs none.
    """

    def __init__(self, database: Database, guard: Guard, clock: Clock) -> None:
        self._database = database
        self._guard = guard
        self._clock = clock

    async def add(
        self,
        rule: Rule,
        *,
        note: str,
        actor: str,
        expires: datetime | None = None,
        acknowledged: bool = False,
        force: bool = False,
    ) -> tuple[Allowed, bool]:
        """Enter an address or domain, or renew it; answers the rule and whether it is new.

        Refuses a rule without a note, and without *force* a domain of half the world: it would switch the list off.
        """
        if rule.kind not in {Kind.ADDRESS, Kind.DOMAIN} or rule.below:
            raise RequestRefused(
                "only an address or one domain can be allowed", [Complaint("/value", "not allowed here")]
            )
        if not has_visible(clean_text(note, "/note")):
            raise RequestRefused("say how it is known to be good", [Complaint("/note", "a note is needed")])
        if not force:
            self._guard.require(rule, pointer="/value")
        async with self._database.transaction() as conn:
            return await allow(
                conn,
                rule,
                note=clean_text(note, "/note"),
                expires=expires,
                acknowledged=acknowledged,
                now=self._clock(),
                actor=actor,
            )

    async def remove(self, identifier: str, *, actor: str, why: str = "") -> Allowed:
        """Take a rule off; it stays for the record. Raises `NotFound`."""
        async with self._database.transaction() as conn:
            return await disallow(conn, identifier, why=clean_text(why, "/why"), now=self._clock(), actor=actor)

    async def get(self, identifier: str) -> Allowed:
        """One rule, in force or not; raises `NotFound`."""
        async with self._database.reading() as conn:
            return await find_allowed(conn, identifier)

    async def of_rule(self, rule: Rule) -> Allowed | None:
        """The rule in force about this very address or domain, if there is one."""
        async with self._database.reading() as conn:
            return await allowed_by(conn, rule, now=self._clock())

    async def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[Allowed], str | None]:
        """Rules in force, newest first, and the cursor of the next page."""
        async with self._database.reading() as conn:
            found = await allowed_page(conn, below=read_cursor(cursor), limit=limit + 1, now=self._clock())
        return found[:limit], write_cursor(found[limit - 1].id) if len(found) > limit else None
