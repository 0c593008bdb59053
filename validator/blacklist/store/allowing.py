"""Queries of the allow-list: what is known to be good."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from validator.blacklist.entry import Action, Kind, Rule
from validator.blacklist.results import Allowed
from validator.blacklist.store.overriding import ONLY_ACKNOWLEDGED, in_force
from validator.blacklist.store.rows import entries, history_row, number, rules_changed
from validator.blacklist.store.tables import ALLOWED, ENTRIES, HISTORY
from validator.database.connecting import AsyncConnection
from validator.errors import NotFound


async def allow(
    conn: AsyncConnection,
    rule: Rule,
    *,
    note: str,
    expires: datetime | None,
    acknowledged: bool,
    now: datetime,
    actor: str,
) -> tuple[Allowed, bool]:
    """Put a rule on the list, or renew the one that is there; answers it and whether it is new."""
    await rules_changed(conn)  # first: who enters the same rule at the same time waits here, and then finds it there
    old = await allowed_by(conn, rule, now=now)
    values = {"note": note, "expires": expires, "acknowledged": acknowledged, "actor": actor}
    if old is not None:
        identifier = int(old.id)
        await conn.execute(update(ALLOWED).where(ALLOWED.c.id == identifier).values(values))
    else:
        row = values | {"kind": rule.kind, "key": rule.key, "value": rule.value, "created": now}
        identifier = (await conn.execute(ALLOWED.insert().values(row).returning(ALLOWED.c.id))).scalar_one()
    await _tell_entries(
        conn, rule.kind, rule.key, allowed=True, acknowledged=acknowledged, now=now, actor=actor, why=note
    )
    return await find_allowed(conn, str(identifier)), old is None


async def disallow(conn: AsyncConnection, identifier: str, *, why: str, now: datetime, actor: str) -> Allowed:
    """Take a rule off the list; it stays for the record. Raises `NotFound`."""
    rule = await find_allowed(conn, identifier)
    if rule.removed is None:
        gone = {"removed": now, "removed_by": actor, "removed_why": why or None}
        await conn.execute(update(ALLOWED).where(ALLOWED.c.id == int(rule.id)).values(gone))
        if rule.expires is None or rule.expires > now:
            await _tell_entries(conn, rule.kind, rule.key, allowed=False, now=now, actor=actor, why=why)
        await rules_changed(conn)
    return await find_allowed(conn, identifier)


async def find_allowed(conn: AsyncConnection, identifier: str) -> Allowed:
    """One rule by its identifier; raises `NotFound`."""
    mine = ALLOWED.c.id == number(identifier, "allow-list rule")
    row = (await conn.execute(select(ALLOWED).where(mine))).one_or_none()
    if row is None:
        raise NotFound("no allow-list rule with this identifier")
    return _allowed(row)


async def allowed_by(conn: AsyncConnection, rule: Rule, *, now: datetime) -> Allowed | None:
    """The rule in force about just this, if there is one."""
    mine = select(ALLOWED).where(ALLOWED.c.kind == rule.kind, ALLOWED.c.key == rule.key, in_force(now)).limit(1)
    row = (await conn.execute(mine)).one_or_none()
    return None if row is None else _allowed(row)


async def allowed_page(conn: AsyncConnection, *, below: int | None, limit: int, now: datetime) -> list[Allowed]:
    """Rules in force, newest first, with row numbers under *below*."""
    query = select(ALLOWED).where(in_force(now)).order_by(ALLOWED.c.id.desc()).limit(limit)
    if below is not None:
        query = query.where(ALLOWED.c.id < below)
    return [_allowed(row) for row in (await conn.execute(query)).all()]


async def _tell_entries(
    conn: AsyncConnection,
    kind: Kind,
    key: str,
    *,
    allowed: bool,
    acknowledged: bool = False,
    now: datetime,
    actor: str,
    why: str,
) -> None:
    """Write into the history of the entries with the same key that they are overridden, or are not any more.

    A rule that acknowledges nothing leaves a complaint, an unsubscription and an entry by hand as they are.
    """
    for row in (await conn.execute(entries().where(ENTRIES.c.kind == kind, ENTRIES.c.key == key))).all():
        if allowed and (acknowledged or row.cause not in ONLY_ACKNOWLEDGED):
            action = Action.OVERRIDDEN
        elif await _was_overridden(conn, row.id):
            action = Action.OVERRIDE_ENDED
        else:
            continue
        line = history_row(row, row.id, action, at=now, actor=actor, why=why, revision=row.revision)
        await conn.execute(HISTORY.insert(), line)


async def _was_overridden(conn: AsyncConnection, entry_id: int) -> bool:
    """Whether the last that the history of an entry tells of the allow-list is that it overrides."""
    about = HISTORY.c.action.in_([Action.OVERRIDDEN, Action.OVERRIDE_ENDED])
    query = select(HISTORY.c.action).where(HISTORY.c.entry_id == entry_id, about).order_by(HISTORY.c.id.desc()).limit(1)
    return (await conn.execute(query)).scalar() is Action.OVERRIDDEN


def _allowed(row: Row[Any]) -> Allowed:
    return Allowed(
        id=str(row.id),
        kind=row.kind,
        key=row.key,
        value=row.value,
        note=row.note,
        actor=row.actor,
        created=row.created,
        expires=row.expires,
        acknowledged=row.acknowledged,
        removed=row.removed,
    )
