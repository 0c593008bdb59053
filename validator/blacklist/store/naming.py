"""Named lists: make, describe, delete."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, text, update

from validator.blacklist.batch import BatchStatus
from validator.blacklist.entry import DEFAULT_LIST, State
from validator.blacklist.results import ListInfo
from validator.blacklist.store.rows import GONE, ensure_list, rules_changed
from validator.blacklist.store.tables import BATCHES, ENTRIES, LISTS
from validator.database.connecting import AsyncConnection
from validator.errors import Conflict, NotFound


async def named_lists(conn: AsyncConnection) -> list[ListInfo]:
    """Every named list, `default` first."""
    rows = (await conn.execute(select(LISTS).where(LISTS.c.name.not_like(f"%{GONE}%")).order_by(LISTS.c.id))).all()
    return [ListInfo(row.name, row.note, row.actor, row.created) for row in rows]


async def put_list(conn: AsyncConnection, name: str, *, note: str, now: datetime, actor: str) -> tuple[ListInfo, bool]:
    """Make a named list or change its note; answers it and whether it is new."""
    new = (await conn.execute(select(LISTS.c.id).where(LISTS.c.name == name))).scalar() is None
    await ensure_list(conn, name, now=now, actor=actor)
    await conn.execute(update(LISTS).where(LISTS.c.name == name).values(note=note))
    row = (await conn.execute(select(LISTS).where(LISTS.c.name == name))).one()
    return ListInfo(row.name, row.note, row.actor, row.created), new


async def delete_list(conn: AsyncConnection, name: str) -> None:
    """Delete a list that nothing stands on; raises `NotFound` and `Conflict`.

    Entries of undone imports still tell their story, so then the row stays under a name that nobody can ask for.
    """
    if name == DEFAULT_LIST:
        raise Conflict("the list `default` applies to every check and cannot be deleted")
    if conn.dialect.name == "postgresql":  # an import that begins now waits, and then finds the list gone
        await conn.execute(text("LOCK TABLE blacklist_batch IN SHARE ROW EXCLUSIVE MODE"))
    query = select(LISTS.c.id).where(LISTS.c.name == name)
    if conn.dialect.name == "postgresql":
        query = query.with_for_update()
    list_id = (await conn.execute(query)).scalar()
    if list_id is None:
        raise NotFound("no list of this name")
    under_way = select(BATCHES.c.id).where(BATCHES.c.status.in_([BatchStatus.RUNNING, BatchStatus.UNDOING]))
    if (await conn.execute(under_way.limit(1))).first() is not None:
        raise Conflict("an import or undo is under way and may use the list; delete it when that is done")
    counted = select(ENTRIES.c.state, func.count()).where(ENTRIES.c.list_id == list_id).group_by(ENTRIES.c.state)
    numbers = {state: int(number) for state, number in (await conn.execute(counted)).all()}
    undone = numbers.pop(State.UNDONE, 0)
    if numbers:
        told = ", ".join(f"{number} {state}" for state, number in sorted(numbers.items()))
        raise Conflict(f"entries stand on this list ({told}); what stood on a list is remembered, so it stays")
    this = LISTS.c.id == list_id
    if undone:
        await conn.execute(update(LISTS).where(this).values(name=f"{name}{GONE}{list_id}"))
    else:
        await conn.execute(delete(LISTS).where(this))
    await rules_changed(conn)
