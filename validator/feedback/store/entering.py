"""Entering many new addresses at once: what `record` does for an address that was never there, in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from validator.blacklist.entry import DEFAULT_LIST, Action, Kind, NewEntry
from validator.blacklist.store.recording import fresh_values
from validator.blacklist.store.rows import ensure_list, erasure_secret, history_row, insert_ignoring
from validator.blacklist.store.tables import ENTRIES, HISTORY
from validator.database.connecting import AsyncConnection

_CHUNK = 400


async def enter_unknown(conn: AsyncConnection, new: Sequence[NewEntry], *, now: datetime, actor: str) -> set[str]:
    """Enter those addresses of *new* that have no entry whatsoever; answers their keys. The others are `record`'s.

    Once an address was ever erased nothing is entered here, since its hash may stand for one of them.
    """
    if not new or await erasure_secret(conn) is not None:
        return set()
    list_id = await ensure_list(conn, DEFAULT_LIST, now=now, actor=actor)
    entered: set[str] = set()
    for start in range(0, len(new), _CHUNK):
        chunk = {entry.rule.key: entry for entry in new[start : start + _CHUNK]}
        query = select(ENTRIES.c.key).where(
            ENTRIES.c.kind == Kind.ADDRESS, ENTRIES.c.key.in_(list(chunk)), ENTRIES.c.list_id == list_id
        )
        known = {row.key for row in await conn.execute(query)}
        rows = [_row_of(entry, list_id, now, actor) for key, entry in sorted(chunk.items()) if key not in known]
        if not rows:
            continue
        statement = insert_ignoring(conn, ENTRIES).on_conflict_do_nothing().returning(ENTRIES.c.id, ENTRIES.c.key)
        added = [(row.id, row.key) for row in await conn.execute(statement, rows)]
        lines = [
            history_row(None, number, Action.ADDED, at=now, actor=actor, why=chunk[key].note) for number, key in added
        ]
        if lines:
            await conn.execute(HISTORY.insert(), lines)
        entered |= {key for _, key in added}
    return entered


def _row_of(new: NewEntry, list_id: int, now: datetime, actor: str) -> dict[str, object]:
    shown = new.rule.value if new.rule.value != new.rule.key else None
    which = {"kind": new.rule.kind, "key": new.rule.key, "list_id": list_id, "value": shown, "revision": 0}
    return which | fresh_values(new, now=now, actor=actor)
