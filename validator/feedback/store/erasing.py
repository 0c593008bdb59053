"""Erasing what failures told about somebody: events, what they came to, notices that name them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete

from validator.database.connecting import AsyncConnection
from validator.feedback.store.tables import ADDRESSES, EVENTS, NOTICES


async def erase_keys(conn: AsyncConnection, keys: Sequence[str]) -> int:
    """Delete every event, standing and notice of these address keys; answers how many events went.

    A notice that waits to be sent goes as well: it would tell somebody the address after its erasure.
    """
    erased = 0
    for key in keys:
        erased += (await conn.execute(delete(EVENTS).where(EVENTS.c.key == key))).rowcount
        await conn.execute(delete(ADDRESSES).where(ADDRESSES.c.key == key))
        await conn.execute(delete(NOTICES).where(NOTICES.c.body.icontains(key, autoescape=True)))
    return erased
