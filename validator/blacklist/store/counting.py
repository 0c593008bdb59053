"""Counts over the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, case, cast, func, literal, select, type_coerce

from validator.blacklist.filter import Filter, Group
from validator.blacklist.store.rows import insert_ignoring
from validator.blacklist.store.searching import condition, settled
from validator.blacklist.store.tables import BLOCKS, ENTRIES, LISTS
from validator.database.connecting import AsyncConnection

_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def grouped(
    conn: AsyncConnection, by: Group, wanted: Filter, *, now: datetime, limit: int = 10_000
) -> list[tuple[str, int]]:
    """What a filter finds, counted; most first, days in order. Reads the whole table."""
    column = _column(by)
    which = condition(await settled(conn, wanted, now=now), now=now)
    query = (
        select(column.label("name"), func.count().label("number"))
        .select_from(ENTRIES.join(LISTS, LISTS.c.id == ENTRIES.c.list_id))
        .where(which)
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


async def add_blocks(conn: AsyncConnection, counts: dict[int, tuple[int, datetime]]) -> None:
    """Add to the times that entries blocked."""
    for entry_id, (times, last) in sorted(counts.items()):
        row = {"entry_id": entry_id, "times": times, "last": last}
        statement = insert_ignoring(conn, BLOCKS).values(row)
        later = case((BLOCKS.c.last < last, literal(last, BLOCKS.c.last.type)), else_=BLOCKS.c.last)
        change = {"times": BLOCKS.c.times + times, "last": later}
        await conn.execute(statement.on_conflict_do_update(index_elements=[BLOCKS.c.entry_id], set_=change))
