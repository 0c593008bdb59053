"""Single-use tokens, outgoing notices, and the end of retention."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update

from validator.blacklist.store.rows import insert_ignoring
from validator.database.connecting import AsyncConnection
from validator.feedback.event import EventKind
from validator.feedback.store.tables import ADDRESSES, EVENTS, NOTICES, TOKENS

_CHUNK = 400


async def use_token(conn: AsyncConnection, token: str, body: bytes, now: datetime) -> bool:
    """Use up a single-use token; False when it was used before with another body."""
    name = hashlib.sha256(token.encode()).hexdigest()
    digest = hashlib.sha256(body).hexdigest()
    row = {"token": name, "body": digest, "seen_at": now}
    await conn.execute(insert_ignoring(conn, TOKENS).values(row).on_conflict_do_nothing())
    held = (await conn.execute(select(TOKENS.c.body).where(TOKENS.c.token == name))).scalar_one()
    return bool(held == digest)


async def add_notices(conn: AsyncConnection, notices: Sequence[tuple[str, str, str]], now: datetime) -> None:
    """Queue (message id, kind, body) for sending."""
    rows = [
        {"message_id": name, "kind": kind, "body": body, "state": "pending", "attempts": 0, "error": "",
         "created": now, "due": now}
        for name, kind, body in notices
    ]  # fmt: skip
    for start in range(0, len(rows), _CHUNK):
        await conn.execute(NOTICES.insert(), rows[start : start + _CHUNK])


async def claim_notices(conn: AsyncConnection, now: datetime, *, limit: int, lease: timedelta) -> list[Row[Any]]:
    """Notices that are due, claimed for *lease* so that no other process sends them meanwhile."""
    query = (
        select(NOTICES).where(NOTICES.c.state == "pending", NOTICES.c.due <= now).order_by(NOTICES.c.id).limit(limit)
    )
    if conn.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    rows = list((await conn.execute(query)).all())
    if rows:
        numbers = [row.id for row in rows]
        await conn.execute(update(NOTICES).where(NOTICES.c.id.in_(numbers)).values(due=now + lease))
    return rows


async def settle_notice(conn: AsyncConnection, number: int, *, state: str, error: str, due: datetime) -> None:
    """Note what an attempt came to."""
    values = {"state": state, "error": error[:200], "due": due, "attempts": NOTICES.c.attempts + 1}
    await conn.execute(update(NOTICES).where(NOTICES.c.id == number).values(**values))


async def revive_notices(conn: AsyncConnection, now: datetime) -> None:
    """Put dead notices back in the queue."""
    values = {"state": "pending", "attempts": 0, "due": now}
    await conn.execute(update(NOTICES).where(NOTICES.c.state == "dead").values(**values))


async def count_notices(conn: AsyncConnection) -> dict[str, int]:
    """Notices by state."""
    query = select(NOTICES.c.state, func.count().label("number")).group_by(NOTICES.c.state)
    return {row.state: row.number for row in await conn.execute(query)}


async def forget_before(
    conn: AsyncConnection, *, events: datetime, ignored: datetime, tokens: datetime, most: int
) -> int:
    """Drop what its retention is over for, *most* events at the most; answers how many events went.

    A notice that was given up names its address as long as an event would; so does what the events came to.
    """
    old = (EVENTS.c.received_at < events) | ((EVENTS.c.kind == EventKind.IGNORED) & (EVENTS.c.received_at < ignored))
    gone = (await conn.execute(select(EVENTS.c.id, EVENTS.c.key).where(old).limit(most))).all()
    if gone:
        await conn.execute(delete(EVENTS).where(EVENTS.c.id.in_([row.id for row in gone])))
        await _forget_standings(conn, {row.key for row in gone}, before=events)
    await conn.execute(delete(TOKENS).where(TOKENS.c.seen_at < tokens))
    await conn.execute(delete(NOTICES).where(NOTICES.c.state == "sent", NOTICES.c.created < tokens))
    await conn.execute(delete(NOTICES).where(NOTICES.c.state == "dead", NOTICES.c.created < events))
    return len(gone)


async def _forget_standings(conn: AsyncConnection, keys: Collection[str], *, before: datetime) -> None:
    """Drop what is known of those of these addresses that have no event any more."""
    known = select(EVENTS.c.id).where(EVENTS.c.key == ADDRESSES.c.key).correlate(ADDRESSES).exists()
    quiet = [or_(column.is_(None), column < before) for column in (ADDRESSES.c.last_failure, ADDRESSES.c.last_delivery)]
    # an event may be on its way in: the times are looked at again when its transaction is over
    await conn.execute(delete(ADDRESSES).where(ADDRESSES.c.key.in_(keys), ~known, *quiet))
