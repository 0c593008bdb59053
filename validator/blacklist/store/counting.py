"""Counts over the list, and the named lists."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, case, cast, func, literal, or_, select, type_coerce, update

from validator.blacklist.entry import State
from validator.blacklist.filter import Group
from validator.blacklist.results import ListInfo
from validator.blacklist.store.rows import ensure_list, insert_ignoring
from validator.blacklist.store.tables import BLOCKS, ENTRIES, LISTS
from validator.database.connecting import AsyncConnection
from validator.errors import NotFound

_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def grouped(
    conn: AsyncConnection, by: Group, *, states: Collection[State], now: datetime, limit: int = 10_000
) -> list[tuple[str, int]]:
    """Entries that have not expired, counted; most first, days in order. Reads the whole table."""
    column = _column(by)
    query = (
        select(column.label("name"), func.count().label("number"))
        .select_from(ENTRIES.join(LISTS, LISTS.c.id == ENTRIES.c.list_id))
        .where(ENTRIES.c.state.in_(list(states)), or_(ENTRIES.c.expires.is_(None), ENTRIES.c.expires > now))
        .group_by(column)
        .order_by(column if by is Group.DAY else func.count().desc(), column)
        .limit(limit)
    )
    rows = (await conn.execute(query)).all()
    return [(_named(by, row.name), int(row.number)) for row in rows]


def _column(by: Group) -> Any:
    match by:
        case Group.CAUSE:
            return ENTRIES.c.cause
        case Group.KIND:
            return ENTRIES.c.kind
        case Group.STATE:
            return ENTRIES.c.state
        case Group.LIST:
            return LISTS.c.name
        case Group.SOURCE:
            imported = literal("import:") + cast(ENTRIES.c.batch_id, LISTS.c.note.type)
            return case((ENTRIES.c.source.is_not(None), ENTRIES.c.source), else_=imported)
        case Group.DAY:
            return type_coerce(ENTRIES.c.created, BigInteger) // literal(_DAY, BigInteger)


def _named(by: Group, value: Any) -> str:
    if by is Group.DAY:
        return (_EPOCH + timedelta(days=int(value))).date().isoformat()
    return str(value or "")


async def named_lists(conn: AsyncConnection) -> list[ListInfo]:
    """Every named list, `default` first."""
    rows = (await conn.execute(select(LISTS).order_by(LISTS.c.id))).all()
    return [ListInfo(row.name, row.note, row.actor, row.created) for row in rows]


async def put_list(conn: AsyncConnection, name: str, *, note: str, now: datetime, actor: str) -> tuple[ListInfo, bool]:
    """Make a named list or change its note; answers it and whether it is new."""
    new = name not in {info.name for info in await named_lists(conn)}
    await ensure_list(conn, name, now=now, actor=actor)
    await conn.execute(update(LISTS).where(LISTS.c.name == name).values(note=note))
    return await list_info(conn, name), new


async def list_info(conn: AsyncConnection, name: str) -> ListInfo:
    """One named list; raises `NotFound`."""
    row = (await conn.execute(select(LISTS).where(LISTS.c.name == name))).one_or_none()
    if row is None:
        raise NotFound("no list of this name")
    return ListInfo(row.name, row.note, row.actor, row.created)


async def add_blocks(conn: AsyncConnection, counts: dict[int, tuple[int, datetime]]) -> None:
    """Add to the times that entries blocked."""
    for entry_id, (times, last) in sorted(counts.items()):
        row = {"entry_id": entry_id, "times": times, "last": last}
        statement = insert_ignoring(conn, BLOCKS).values(row)
        later = case((BLOCKS.c.last < last, literal(last, BLOCKS.c.last.type)), else_=BLOCKS.c.last)
        change = {"times": BLOCKS.c.times + times, "last": later}
        await conn.execute(statement.on_conflict_do_update(index_elements=[BLOCKS.c.entry_id], set_=change))
