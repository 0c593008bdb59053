"""Queries that wipe an address: entry, history and allow-list, leaving a keyed hash."""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import select, update

from validator.blacklist.entry import Action, Kind
from validator.blacklist.keys import erased_key
from validator.blacklist.store.rows import entries, erasure_secret, history_row, rules_changed
from validator.blacklist.store.tables import ALLOWED, ENTRIES, HISTORY, META
from validator.database.connecting import AsyncConnection


async def begin_erasures(conn: AsyncConnection, mark: bytes | None) -> bool:
    """Have look-ups ask for hashes from now on; True when they did not before."""
    first = not (await conn.execute(select(META.c.erasures))).scalar_one()
    await erasure_secret(conn, make=True)
    values: dict[str, object] = {"erasures": META.c.erasures + 1}
    if first:
        values["erase_check"] = mark
    await conn.execute(update(META).values(values))
    if first:
        await rules_changed(conn)
    return first


async def erase_key_matches(conn: AsyncConnection, mark: bytes | None) -> bool:
    """Whether *mark* is that of the key which earlier erasures were made with, if there were any.

    None stands for the key that the store keeps itself.
    """
    row = (await conn.execute(select(META.c.erasures, META.c.erase_check))).one()
    if not row.erasures:
        return True
    if mark is None or row.erase_check is None:
        return mark is None and row.erase_check is None
    return hmac.compare_digest(bytes(row.erase_check), mark)


async def wipe(conn: AsyncConnection, key: str, *, now: datetime, actor: str) -> bool:
    """Wipe one address wherever it stands; False when it was not known (or was wiped before)."""
    secret = await erasure_secret(conn, make=True)
    if secret is None:
        raise AssertionError("a key was asked for")
    if conn.dialect.name == "sqlite":
        await conn.exec_driver_sql("PRAGMA secure_delete = ON")
    hashed = erased_key(key, secret)
    rows = (await conn.execute(entries().where(ENTRIES.c.kind == Kind.ADDRESS, ENTRIES.c.key == key))).all()
    for row in rows:
        await conn.execute(
            update(ENTRIES)
            .where(ENTRIES.c.id == row.id)
            .values(key=hashed, value=None, note=None, revision=row.revision + 1)
        )
        await conn.execute(update(HISTORY).where(HISTORY.c.entry_id == row.id).values(was_note=None, why=None))
        line = history_row(row, row.id, Action.ERASED, at=now, actor=actor) | {"was_note": None}
        await conn.execute(HISTORY.insert(), line)
    gone = await conn.execute(
        update(ALLOWED)
        .where(ALLOWED.c.kind == Kind.ADDRESS, ALLOWED.c.key == key)
        .values(key=hashed, value="", note="", removed=now, removed_by=actor, removed_why=None)
    )
    if gone.rowcount:
        await rules_changed(conn)
    return bool(rows) or bool(gone.rowcount)
