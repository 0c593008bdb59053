"""Rows of the tables as values, and the small queries that every other part of the store needs."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from validator.blacklist.entry import DEFAULT_LIST, MAX_LISTS, Action, Entry, Event, Kind
from validator.blacklist.keys import erased_key
from validator.blacklist.store.loading import KEPT
from validator.blacklist.store.tables import BATCHES, BLOCKS, ENTRIES, HISTORY, LISTS, META, WIDTHS
from validator.database import Changed, Database
from validator.database.connecting import AsyncConnection
from validator.errors import NotFound, RequestRefused

GONE: Final = "#"
"""Follows the name of a list that was deleted, with its number: no list that can be asked for is called so."""


def insert_ignoring(conn: AsyncConnection, table: Any) -> SqliteInsert | PostgresInsert:
    """An INSERT for the dialect of *conn*; both offer `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def entries() -> Select[Any]:
    """Entries with all that belongs to them; narrow it with `where`."""
    return (
        select(
            ENTRIES,
            LISTS.c.name.label("list_name"),
            BATCHES.c.actor.label("batch_actor"),
            BLOCKS.c.times.label("times"),
            BLOCKS.c.last.label("last"),
        )
        .join(LISTS, LISTS.c.id == ENTRIES.c.list_id)
        .outerjoin(BATCHES, BATCHES.c.id == ENTRIES.c.batch_id)
        .outerjoin(BLOCKS, BLOCKS.c.entry_id == ENTRIES.c.id)
    )


def entry_of(row: Row[Any]) -> Entry:
    """A row of `entries()` as a value."""
    return Entry(
        id=str(row.id),
        kind=row.kind,
        value="" if row.key.startswith("#") else row.value or row.key,
        key=row.key,
        below=row.below,
        list=row.list_name.partition(GONE)[0],
        cause=row.cause,
        source=row.source or _import_source(row.batch_id),
        note=row.note or "",
        actor=row.actor or row.batch_actor or "",
        created=row.created,
        last_event=row.last_event,
        expires=row.expires,
        state=row.state,
        import_id=None if row.batch_id is None else str(row.batch_id),
        times_blocked=row.times or 0,
        last_blocked=row.last,
    )


def event_of(row: Row[Any], entry: Entry) -> Event:
    """A row of the history of *entry* as a value."""
    before = None
    if row.was_state is not None:
        before = Entry(
            id=entry.id,
            kind=entry.kind,
            value=entry.value,
            key=entry.key,
            below=row.was_below,
            list=entry.list,
            cause=row.was_cause,
            source=row.was_source or _import_source(row.was_batch_id),
            note=row.was_note or "",
            actor=row.was_actor or "",
            created=row.was_created,
            last_event=row.was_last_event,
            expires=row.was_expires,
            state=row.was_state,
            import_id=None if row.was_batch_id is None else str(row.was_batch_id),
        )
    batch = None if row.batch_id is None else str(row.batch_id)
    return Event(row.action, row.at, row.actor, row.why or "", batch, before)


def _import_source(batch_id: int | None) -> str:
    return "" if batch_id is None else f"import:{batch_id}"


def number(identifier: str, thing: str) -> int:
    """The row number of a public identifier; raises `NotFound`, naming the *thing*, for what can be none."""
    if not identifier.isascii() or not identifier.isdigit() or len(identifier) > 18:
        raise NotFound(f"no {thing} with this identifier")
    return int(identifier)


async def ensure_list(conn: AsyncConnection, name: str, *, now: datetime, actor: str) -> int:
    """The number of a named list, made when it is not there yet."""
    query = select(LISTS.c.id).where(LISTS.c.name == name)
    if name != DEFAULT_LIST and conn.dialect.name == "postgresql":
        query = query.with_for_update(read=True, key_share=True)  # nobody deletes it until the entry is there
    found = (await conn.execute(query)).scalar()
    if found is None:
        if len((await conn.execute(select(LISTS.c.id))).all()) >= MAX_LISTS:
            raise RequestRefused(f"there are {MAX_LISTS} lists already")
        row = {"name": name, "note": "", "actor": actor, "created": now}
        await conn.execute(insert_ignoring(conn, LISTS).values(row).on_conflict_do_nothing())
        found = (await conn.execute(query)).scalar_one()
    return int(found)


async def rules_changed(conn: AsyncConnection) -> None:
    """Have every replica read its rules anew; at once in this process, when the transaction has been committed."""
    await conn.execute(update(META).values(rules_version=META.c.rules_version + 1))
    Database.mark(conn, Changed.RULES)


async def note_width(conn: AsyncConnection, key: str) -> None:
    """Remember the prefix length of a network, so that look-ups ask for it."""
    row = {"version": 6 if ":" in key else 4, "width": int(key.rpartition("/")[2])}
    await conn.execute(insert_ignoring(conn, WIDTHS).values(row).on_conflict_do_nothing())


async def erasure_secret(conn: AsyncConnection, *, make: bool = False) -> bytes | None:
    """The key of erased addresses' hashes; None as long as nothing was ever erased and *make* is not set.

    It is the operator's own (`VALIDATOR_ERASE_KEY`) or, without one, made here and kept in the store.
    """
    row = (await conn.execute(select(META.c.erasures, META.c.erase_key))).one()
    if not row.erasures and not make:
        return None
    own = conn.info.get("erase_key")
    if own is not None:
        return bytes(own)
    if row.erase_key is None:
        if not make:
            return None
        secret = secrets.token_bytes(32)
        await conn.execute(update(META).values(erase_key=secret))
        return secret
    return bytes(row.erase_key)


async def keys_of(conn: AsyncConnection, kind: Kind, key: str) -> list[str]:
    """The key as it stands, and the one that it has when the address was erased."""
    if kind is not Kind.ADDRESS or key.startswith("#"):
        return [key]
    secret = await erasure_secret(conn)
    return [key] if secret is None else [key, erased_key(key, secret)]


def history_row(
    row: Row[Any] | None,
    entry_id: int,
    action: Action,
    *,
    at: datetime,
    actor: str,
    why: str = "",
    batch_id: int | None = None,
    revision: int | None = None,
) -> dict[str, object]:
    """One line of history; *row* is the entry as it was before."""
    line: dict[str, object] = {
        "entry_id": entry_id,
        "at": at,
        "actor": actor,
        "action": action,
        "why": why or None,
        "batch_id": batch_id,
        "revision": revision if revision is not None else 0 if row is None else row.revision + 1,
    }
    if row is not None:
        line |= {f"was_{name}": getattr(row, name) for name in (*KEPT, "revision")}
        if line["was_actor"] is None:
            line["was_actor"] = row.batch_actor
    return line


async def change(
    conn: AsyncConnection,
    row: Row[Any],
    action: Action,
    values: dict[str, object],
    *,
    now: datetime,
    actor: str,
    why: str = "",
    batch_id: int | None = None,
) -> None:
    """Write one change of an entry and its line of history."""
    await conn.execute(
        HISTORY.insert(), history_row(row, row.id, action, at=now, actor=actor, why=why, batch_id=batch_id)
    )
    await conn.execute(update(ENTRIES).where(ENTRIES.c.id == row.id).values(**values, revision=row.revision + 1))
    if row.kind is not Kind.ADDRESS:
        await rules_changed(conn)
