"""Entering, lifting and finding one entry inside a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from validator.blacklist.entry import (
    BLOCKING,
    DEFAULT_LIST,
    Action,
    Cause,
    Entry,
    Kind,
    NewEntry,
    RuleFault,
    State,
    outweighs,
)
from validator.blacklist.keys import parse_rule
from validator.blacklist.results import Recorded
from validator.blacklist.store.rows import (
    change,
    ensure_list,
    entries,
    entry_of,
    history_row,
    insert_ignoring,
    keys_of,
    note_width,
    rules_changed,
)
from validator.blacklist.store.tables import ENTRIES, HISTORY, LISTS
from validator.database.connecting import AsyncConnection


async def record(conn: AsyncConnection, new: NewEntry, *, now: datetime, actor: str) -> tuple[Entry, Recorded]:
    """Enter *new*; answer the entry as it stands afterwards and what was done.

    An entry that blocks keeps its date; its cause and expiry change only for a cause of more weight, an archived one is
    seen again. One that has expired takes the new cause and keeps its date. One that was removed comes back as new if
    `new.revive`, else stays. One that an import brought is no longer undone with it. Of an erased address no note is
    kept, which may name it. Nothing is committed here.
    """
    list_id = await ensure_list(conn, new.list, now=now, actor=actor)
    row = await _row(conn, new.rule.kind, new.rule.key, list_id)
    if row is None:
        inserted = await _insert(conn, new, list_id, now=now, actor=actor)
        row = await _row(conn, new.rule.kind, new.rule.key, list_id)
        if inserted and row is not None:
            return entry_of(row), Recorded.ADDED
    if row is None:
        raise AssertionError("an entry that is in the way must be there")
    if row.key.startswith("#"):
        new = replace(new, note="")
    if row.state is State.REMOVED and not new.revive:
        return entry_of(row), Recorded.KEPT_REMOVED
    if row.state not in BLOCKING:
        values = fresh_values(new, now=now, actor=actor)
        action = Action.ADDED if row.state is State.UNDONE else Action.REVIVED
        await change(conn, row, action, values, now=now, actor=actor, why=new.note)
        outcome = Recorded.REVIVED if row.state is State.REMOVED else Recorded.ADDED
    else:
        outcome = await _add_to(conn, row, new, now=now, actor=actor)
    if new.rule.kind is Kind.MX_IP:
        await note_width(conn, new.rule.key)
    after = await _row(conn, new.rule.kind, new.rule.key, list_id)
    return entry_of(after if after is not None else row), outcome


async def _insert(conn: AsyncConnection, new: NewEntry, list_id: int, *, now: datetime, actor: str) -> bool:
    rule = new.rule
    statement = insert_ignoring(conn, ENTRIES).values(
        kind=rule.kind,
        key=rule.key,
        list_id=list_id,
        value=rule.value if rule.value != rule.key else None,
        revision=0,
        **fresh_values(new, now=now, actor=actor),
    )
    added = (await conn.execute(statement.on_conflict_do_nothing().returning(ENTRIES.c.id))).scalar()
    if added is None:
        return False
    await conn.execute(HISTORY.insert(), history_row(None, added, Action.ADDED, at=now, actor=actor, why=new.note))
    if rule.kind is Kind.MX_IP:
        await note_width(conn, rule.key)
    if rule.kind is not Kind.ADDRESS:
        await rules_changed(conn)
    return True


def fresh_values(new: NewEntry, *, now: datetime, actor: str) -> dict[str, object]:
    """Columns of an entry that is entered now, but those that tell which it is."""
    return {
        "below": new.rule.below,
        "cause": new.cause,
        "state": State.ACTIVE,
        "source": new.source,
        "note": new.note or None,
        "actor": actor,
        "created": min(new.created, now) if new.created else now,
        "last_event": new.last_event,
        "expires": new.expires,
        "batch_id": None,
    }


async def _add_to(conn: AsyncConnection, row: Row[Any], new: NewEntry, *, now: datetime, actor: str) -> Recorded:
    values: dict[str, object] = {}
    expired = row.expires is not None and row.expires <= now
    if expired:
        line = history_row(row, row.id, Action.EXPIRED, at=row.expires, actor="validator", revision=row.revision)
        await conn.execute(HISTORY.insert(), line)
    if expired or outweighs(new.cause, row.cause):
        values |= {"cause": new.cause, "expires": new.expires, "source": new.source, "note": new.note or row.note}
    elif new.cause is row.cause and row.expires is not None and (new.expires is None or new.expires > row.expires):
        values["expires"] = new.expires
    if new.created is not None and new.created < row.created:
        values["created"] = new.created
    if new.last_event is not None and (row.last_event is None or new.last_event > row.last_event):
        values["last_event"] = new.last_event
    if new.rule.below and not row.below:
        values["below"] = True
    if row.state is State.ARCHIVED:
        values["state"] = State.ACTIVE
    values = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not values:
        if await _rests_on_batch(conn, row):
            await change(conn, row, Action.FOUND_AGAIN, {}, now=now, actor=actor, why=new.note)
        return Recorded.UNCHANGED
    action = Action.FOUND_AGAIN if row.state is State.ARCHIVED else Action.CHANGED
    await change(conn, row, action, values, now=now, actor=actor, why=new.note)
    return Recorded.CHANGED


async def _rests_on_batch(conn: AsyncConnection, row: Row[Any]) -> bool:
    """Whether undoing an import would take the entry back to what it was before.

    Who enters it once more is told that it is there, so from then on it stays.
    """
    if row.revision == 0:
        return row.batch_id is not None
    last = (HISTORY.c.entry_id == row.id, HISTORY.c.revision == row.revision, HISTORY.c.batch_id.is_not(None))
    return (await conn.execute(select(HISTORY.c.id).where(*last).limit(1))).first() is not None


async def lift_entry(
    conn: AsyncConnection,
    kind: Kind,
    value: str,
    *,
    list: str = DEFAULT_LIST,  # noqa: A002 - the contract's word
    why: str,
    now: datetime,
    actor: str,
    causes: Collection[Cause] | None = None,
) -> bool:
    """Remove the entry with this key, if it blocks and, when *causes* are given, has one of them; False if not."""
    row = await _named_row(conn, kind, value, list)
    if row is None or row.state not in BLOCKING or (causes is not None and row.cause not in causes):
        return False
    await change(conn, row, Action.REMOVED, {"state": State.REMOVED}, now=now, actor=actor, why=why)
    return True


async def find_entry(
    conn: AsyncConnection,
    kind: Kind,
    value: str,
    list: str = DEFAULT_LIST,  # noqa: A002 - the contract's word
) -> Entry | None:
    """The entry with this key in this list, whatever its state (`undone` counts as none)."""
    row = await _named_row(conn, kind, value, list)
    return None if row is None or row.state is State.UNDONE else entry_of(row)


async def _named_row(conn: AsyncConnection, kind: Kind, value: str, name: str) -> Row[Any] | None:
    rule = parse_rule(value, kind)
    key = value if isinstance(rule, RuleFault) else rule.key
    list_id = (await conn.execute(select(LISTS.c.id).where(LISTS.c.name == name))).scalar()
    return None if list_id is None else await _row(conn, kind, key, list_id)


async def _row(conn: AsyncConnection, kind: Kind, key: str, list_id: int) -> Row[Any] | None:
    keys = await keys_of(conn, kind, key)
    query = entries().where(ENTRIES.c.kind == kind, ENTRIES.c.key.in_(keys), ENTRIES.c.list_id == list_id)
    if conn.dialect.name == "postgresql":
        query = query.with_for_update(of=ENTRIES)
    rows = (await conn.execute(query.order_by(ENTRIES.c.key).limit(1))).all()  # `#` sorts first: erased stays erased
    return rows[0] if rows else None
