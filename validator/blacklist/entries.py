"""Living with the list by hand: add, show, search, change, archive, remove, restore."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from validator import metrics
from validator.blacklist.clock import Clock, utc_now
from validator.blacklist.entry import BLOCKING, MAX_NOTE_CHARS, Action, Entry, Event, NewEntry, Rule, State
from validator.blacklist.filter import Filter
from validator.blacklist.guard import Guard
from validator.blacklist.keys import list_name
from validator.blacklist.results import KEEP, Keep, Page, Recorded
from validator.blacklist.store.recording import record
from validator.blacklist.store.rows import change
from validator.blacklist.store.searching import by_id, by_key, history, page, row_by_id
from validator.database import Database
from validator.database.connecting import AsyncConnection
from validator.errors import Complaint, Conflict, LimitExceeded, RequestRefused

MAX_PAGE = 1_000
"""Most entries in one page and keys in one look-up."""

_FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


class Entries:
    """Entries one by one and page by page. Every change is in the history, with who and when, before it is answered."""

    def __init__(self, database: Database, guard: Guard, clock: Clock = utc_now) -> None:
        self._database = database
        self._guard = guard
        self._clock = clock

    async def add(self, new: Sequence[NewEntry], *, actor: str, force: bool = False) -> list[tuple[Entry, Recorded]]:
        """Enter up to 1,000 at once, all or none; same length and order.

        Raises `RuleTooWide` for a rule that would hit half the world, unless *force* is set.
        """
        if len(new) > MAX_PAGE:
            raise LimitExceeded(f"at most {MAX_PAGE} entries at once")
        cleaned = []
        for position, entry in enumerate(new):
            where = f"/{position}" if len(new) > 1 else ""
            cleaned.append(_cleaned(entry, where))
            if not force:
                self._guard.require(entry.rule, pointer=f"{where}/value")
        now = self._clock()
        async with self._database.transaction() as conn:
            recorded = [await record(conn, entry, now=now, actor=actor) for entry in cleaned]
        for _, outcome in recorded:
            metrics.BLACKLIST_CHANGES.labels(outcome.value).inc()
        return recorded

    async def get(self, identifier: str) -> tuple[Entry, list[Event]]:
        """An entry and its history; raises `NotFound`."""
        async with self._database.reading() as conn:
            entry = await by_id(conn, identifier)
            return entry, await history(conn, entry, now=self._clock())

    async def of_rule(self, rule: Rule) -> list[tuple[Entry, list[Event]]]:
        """The entries with this key on every list, each with its history; empty when it was never there."""
        async with self._database.reading() as conn:
            found = await by_key(conn, rule.kind, rule.key)
            return [(entry, await history(conn, entry, now=self._clock())) for entry in found]

    async def search(self, wanted: Filter, *, limit: int = 100, cursor: str | None = None) -> Page:
        """One page, newest first, in an order that later additions do not disturb."""
        if not 1 <= limit <= MAX_PAGE:
            raise LimitExceeded(f"a page has 1 to {MAX_PAGE} entries", [Complaint("/limit", "out of range")])
        below = read_cursor(cursor)
        async with self._database.reading(timeout_s=30) as conn:
            found = await page(conn, wanted, now=self._clock(), limit=limit + 1, below=below)
        shown = tuple(found[:limit])
        return Page(shown, write_cursor(shown[-1].id) if len(found) > limit else None)

    async def edit(
        self,
        identifier: str,
        *,
        actor: str,
        note: str | Keep = KEEP,
        expires: datetime | Keep | None = KEEP,
        why: str = "",
    ) -> Entry:
        """Change note or expiry; raises `NotFound`."""
        async with self._database.transaction() as conn:
            row = await row_by_id(conn, identifier)
            values: dict[str, object] = {}
            if not isinstance(note, Keep):
                values["note"] = clean_text(note, "/note") or None
            if not isinstance(expires, Keep):
                values["expires"] = expires
            values = {name: value for name, value in values.items() if getattr(row, name) != value}
            if values:
                await change(
                    conn, row, Action.CHANGED, values, now=self._clock(), actor=actor, why=clean_text(why, "/why")
                )
            return await by_id(conn, identifier)

    async def archive(self, identifier: str, *, actor: str, why: str = "") -> Entry:
        """Hide it; it blocks all the same. Raises `NotFound`, or `Conflict` for one that does not block."""
        return await self._move(identifier, State.ARCHIVED, Action.ARCHIVED, {State.ACTIVE}, actor=actor, why=why)

    async def remove(self, identifier: str, *, actor: str, why: str = "") -> Entry:
        """Have it block no more, remembering who, when and why; twice is once. Raises `NotFound`."""
        return await self._move(identifier, State.REMOVED, Action.REMOVED, BLOCKING, actor=actor, why=why)

    async def restore(self, identifier: str, *, actor: str, why: str = "") -> Entry:
        """Bring it back, seen and blocking, with the cause and date it had; twice is once. Raises `NotFound`."""
        hidden = {State.REMOVED, State.ARCHIVED}
        return await self._move(identifier, State.ACTIVE, Action.RESTORED, hidden, actor=actor, why=why)

    async def _move(
        self,
        identifier: str,
        to: State,
        action: Action,
        origins: set[State] | frozenset[State],
        *,
        actor: str,
        why: str,
    ) -> Entry:
        async with self._database.transaction() as conn:
            await move(
                conn, identifier, to, action, origins, now=self._clock(), actor=actor, why=clean_text(why, "/why")
            )
            entry = await by_id(conn, identifier)
        metrics.BLACKLIST_CHANGES.labels(action.value).inc()
        return entry


async def move(
    conn: AsyncConnection,
    identifier: str,
    to: State,
    action: Action,
    origins: set[State] | frozenset[State],
    *,
    now: datetime,
    actor: str,
    why: str,
) -> None:
    """Bring one entry into another state; nothing to do when it is there, `Conflict` when it cannot go there."""
    row = await row_by_id(conn, identifier)
    if row.state is to:
        return
    if row.state not in origins:
        raise Conflict(f"an entry that is {row.state} cannot become {to}")
    await change(conn, row, action, {"state": to}, now=now, actor=actor, why=why)


def read_cursor(cursor: str | None) -> int | None:
    """The row number in a cursor; raises `RequestRefused` for one that was not ours."""
    if cursor is None:
        return None
    head, _, digits = cursor.partition("-")
    if head != "c" or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise RequestRefused("this cursor was not given by a page", [Complaint("/cursor", "not a cursor")])
    return int(digits)


def write_cursor(identifier: str) -> str:
    """A cursor that goes on after this entry."""
    return f"c-{identifier}"


def _cleaned(entry: NewEntry, where: str) -> NewEntry:
    """The same entry with its texts as they are kept."""
    if list_name(entry.list) != entry.list:
        complaint = Complaint(f"{where}/list", "1 to 64 of a-z, 0-9, dash, underscore")
        raise RequestRefused("the name of the list cannot be used", [complaint])
    note, source = clean_text(entry.note, f"{where}/note"), clean_text(entry.source, f"{where}/source")
    return replace(entry, note=note, source=source)


def has_visible(text: str) -> bool:
    """Whether there is anything to read: not only spaces, controls, fillers and other characters without a shape."""
    return any(unicodedata.category(char)[0] in "LNPS" and char not in _FILLERS for char in text)


def clean_text(value: str, pointer: str) -> str:
    """A text for people as it is kept; raises `LimitExceeded` for one that is too long or holds a NUL."""
    if len(value) > MAX_NOTE_CHARS or "\x00" in value:
        raise LimitExceeded(
            "a text is too long or holds a NUL", [Complaint(pointer, f"at most {MAX_NOTE_CHARS} characters")]
        )
    return value.replace("\r\n", "\n").replace("\r", "\n").strip()
