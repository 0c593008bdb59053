"""Finding entries: by number, by filter and page by page; their history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, SmallInteger, Text, and_, func, or_, select, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from validator.blacklist.entry import Action, Entry, Event, Kind, State
from validator.blacklist.filter import Filter
from validator.blacklist.lapses import with_ends, with_expiries
from validator.blacklist.store.codes import KindCode
from validator.blacklist.store.overriding import any_in_force, is_overridden, lapsed_allowances
from validator.blacklist.store.rows import entries, entry_of, event_of, keys_of, number
from validator.blacklist.store.tables import BATCHES, ENTRIES, HISTORY, LISTS
from validator.database.connecting import AsyncConnection
from validator.errors import NotFound


class _Lowered(FunctionElement[str]):
    """A key in lower case, whatever its script."""

    type = Text()
    inherit_cache = True
    name = "lowered"


@compiles(_Lowered)
def _with_lower(element: Any, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(_Lowered, "postgresql")
def _with_letters(element: Any, compiler: Any, **options: Any) -> str:
    return f'lower({compiler.process(element.clauses, **options)} COLLATE "default")'  # its own knows A to Z


def of_kinds(kinds: Collection[Kind]) -> ColumnElement[bool]:
    """Entries of these kinds, told so that nobody takes the index of keys for it.

    SQLite would read every entry by that index and sort them, for each page of a listing that is in order already.
    """
    return (type_coerce(ENTRIES.c.kind, SmallInteger) + 0).in_([int(KindCode[kind.name]) for kind in kinds])


def condition(wanted: Filter, *, now: datetime) -> ColumnElement[bool]:
    """The filter as an SQL condition on `ENTRIES` joined with `LISTS`."""
    parts: list[ColumnElement[bool]] = [ENTRIES.c.state.in_(wanted.states)]
    if wanted.kinds:
        parts.append(of_kinds(wanted.kinds))
    if wanted.causes:
        parts.append(ENTRIES.c.cause.in_(wanted.causes))
    if wanted.lists:
        parts.append(LISTS.c.name.in_(wanted.lists))
    if wanted.source is not None:
        parts.append(_from_source(wanted.source))
    if wanted.batch is not None:
        parts.append(ENTRIES.c.batch_id == number(wanted.batch, "import"))
    if wanted.domain:
        at_domain = and_(of_kinds([Kind.ADDRESS]), ENTRIES.c.key.like(f"%@{_escaped(wanted.domain)}", escape="\\"))
        parts.append(or_(at_domain, and_(ENTRIES.c.kind != Kind.ADDRESS, ENTRIES.c.key == wanted.domain)))
    if wanted.text:
        pattern = f"%{_escaped(wanted.text.lower())}%"
        # of a key only the ASCII letters are in lower case already
        key = ENTRIES.c.key if wanted.text.isascii() else _Lowered(ENTRIES.c.key)
        parts.append(or_(key.like(pattern, escape="\\"), func.lower(ENTRIES.c.note).like(pattern, escape="\\")))
    if wanted.since is not None:
        parts.append(ENTRIES.c.created >= wanted.since)
    if wanted.until is not None:
        parts.append(ENTRIES.c.created < wanted.until)
    if wanted.expired is not None:
        over = and_(ENTRIES.c.expires.is_not(None), ENTRIES.c.expires <= now)
        parts.append(over if wanted.expired else or_(ENTRIES.c.expires.is_(None), ENTRIES.c.expires > now))
    if wanted.overridden is not None:
        parts.append(is_overridden(now) if wanted.overridden else ~is_overridden(now))
    return and_(*parts)


async def settled(conn: AsyncConnection, wanted: Filter, *, now: datetime) -> Filter:
    """The same filter; where nothing is allowed there is nothing to ask the allow-list entry by entry."""
    if wanted.overridden is False and not await any_in_force(conn, now):
        return replace(wanted, overridden=None)
    return wanted


def _from_source(source: str) -> ColumnElement[bool]:
    head, _, batch = source.partition(":")
    told = ENTRIES.c.source == source
    if head == "import" and batch.isascii() and batch.isdigit() and len(batch) <= 18:
        return or_(told, and_(ENTRIES.c.batch_id == int(batch), ENTRIES.c.source.is_(None)))
    return told


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def page(
    conn: AsyncConnection,
    wanted: Filter,
    *,
    now: datetime,
    limit: int,
    below: int | None = None,
    above: int | None = None,
) -> list[Entry]:
    """Up to *limit* entries: newest first under row number *below*, or oldest first from *above* on."""
    query = entries().where(condition(await settled(conn, wanted, now=now), now=now)).limit(limit)
    if above is not None:
        query = query.where(ENTRIES.c.id > above).order_by(ENTRIES.c.id)
    else:
        query = query.order_by(ENTRIES.c.id.desc())
        if below is not None:
            query = query.where(ENTRIES.c.id < below)
    return [entry_of(row) for row in (await conn.execute(query)).all()]


async def addresses_page(
    conn: AsyncConnection, wanted: Filter, *, now: datetime, limit: int, above: int
) -> list[tuple[int, str]]:
    """Row number and form to show of up to *limit* addresses, oldest first from *above* on; erased ones show nothing.

    A tenth of the price of whole entries.
    """
    query = (
        select(ENTRIES.c.id, ENTRIES.c.key, ENTRIES.c.value)
        .select_from(ENTRIES.join(LISTS, LISTS.c.id == ENTRIES.c.list_id))
        .where(of_kinds([Kind.ADDRESS]), ENTRIES.c.id > above)
        .where(condition(await settled(conn, wanted, now=now), now=now))
        .order_by(ENTRIES.c.id)
        .limit(limit)
    )
    rows = (await conn.execute(query)).all()
    return [(number, "" if key.startswith("#") else value or key) for number, key, value in rows]


async def count(conn: AsyncConnection, wanted: Filter, *, now: datetime) -> int:
    """How many entries a filter finds; reads every one of them."""
    query = select(func.count()).select_from(ENTRIES.join(LISTS, LISTS.c.id == ENTRIES.c.list_id))
    return int((await conn.execute(query.where(condition(await settled(conn, wanted, now=now), now=now)))).scalar_one())


async def by_id(conn: AsyncConnection, identifier: str) -> Entry:
    """The entry with this identifier, whatever its state; raises `NotFound`."""
    return entry_of(await row_by_id(conn, identifier))


async def row_by_id(conn: AsyncConnection, identifier: str) -> Any:
    """Its row, locked against other writers; raises `NotFound`."""
    query = entries().where(ENTRIES.c.id == number(identifier, "entry"))
    if conn.dialect.name == "postgresql":
        query = query.with_for_update(of=ENTRIES)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("no entry with this identifier")
    return row


async def by_key(conn: AsyncConnection, kind: Kind, key: str) -> list[Entry]:
    """The entries with this key on every list, undone ones left out; the default list first."""
    keys = await keys_of(conn, kind, key)
    query = entries().where(ENTRIES.c.kind == kind, ENTRIES.c.key.in_(keys), ENTRIES.c.state != State.UNDONE)
    return [entry_of(row) for row in (await conn.execute(query.order_by(ENTRIES.c.list_id))).all()]


async def history(conn: AsyncConnection, entry: Entry, *, now: datetime) -> list[Event]:
    """Everything that happened to an entry, oldest first.

    Some lines are not stored: that an import entered it and was undone, that it expired, and that an override did.
    """
    rows = (await conn.execute(select(HISTORY).where(HISTORY.c.entry_id == int(entry.id)).order_by(HISTORY.c.id))).all()
    events = [event_of(row, entry) for row in rows]
    first = next((event.before for event in events if event.action is not Action.EXPIRED), entry)
    if first is not None and first.import_id is not None:
        batch = (await conn.execute(select(BATCHES).where(BATCHES.c.id == int(first.import_id)))).one_or_none()
        if batch is not None:
            if batch.undone is not None:
                undone = Event(Action.UNDONE, batch.undone, batch.undone_by or "", "", first.import_id, None)
                events = _with_undo(events, undone, entry)
            events.insert(0, Event(Action.ADDED, batch.created, batch.actor, batch.name, first.import_id, None))
    return with_ends(with_expiries(events, entry, now), await lapsed_allowances(conn, entry.kind, entry.key, now=now))


def _with_undo(events: list[Event], undone: Event, entry: Entry) -> list[Event]:
    """The history with the undo of the import that entered it, where the entry was as if it had never been."""
    states = [*(None if event.before is None else event.before.state for event in events), entry.state]
    if State.UNDONE not in states:
        return events
    place = states.index(State.UNDONE)
    return [*events[:place], undone, *events[place:]]
