"""Imports and bulk removals: what can be undone as one. Their rows, their faults, their bodies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, literal, or_, select, update

from validator.blacklist.batch import Batch, BatchStatus, Operation
from validator.blacklist.entry import Action, Kind, State
from validator.blacklist.filter import Filter
from validator.blacklist.store.loading import KEPT
from validator.blacklist.store.rows import number, rules_changed
from validator.blacklist.store.searching import condition
from validator.blacklist.store.tables import BATCHES, CHUNKS, ENTRIES, FAULTS, HISTORY, LISTS
from validator.database.connecting import AsyncConnection
from validator.errors import NotFound

LEASE_S = 15
"""A process that has not said so for this long does not work on its import any more."""


async def create(
    conn: AsyncConnection,
    operation: Operation,
    status: BatchStatus,
    *,
    name: str,
    actor: str,
    options: Mapping[str, Any],
    now: datetime,
    owner: str,
    bytes_total: int | None = None,
    digest: str | None = None,
) -> str:
    """A new batch; answers its identifier."""
    row = {
        "operation": operation,
        "status": status,
        "name": name,
        "actor": actor,
        "options": dict(options),
        "counts": {},
        "created": now,
        "bytes_total": bytes_total,
        "digest": digest,
        "owner": owner,
        "heartbeat": now,
    }
    return str((await conn.execute(insert(BATCHES).values(row).returning(BATCHES.c.id))).scalar_one())


async def batch_by_id(
    conn: AsyncConnection, identifier: str, *, lock: bool = False, operation: Operation | None = None
) -> Batch:
    """One batch, of one operation when that is given; raises `NotFound`. *lock* keeps other writers from it."""
    thing = operation or "import or bulk removal"
    query = select(BATCHES).where(BATCHES.c.id == number(identifier, thing))
    if lock and conn.dialect.name == "postgresql":
        query = query.with_for_update()
    row = (await conn.execute(query)).one_or_none()
    if row is None or operation not in {None, row.operation}:
        raise NotFound(f"no {thing} with this identifier")
    return _batch(row)


async def batches(conn: AsyncConnection, operation: Operation, *, limit: int, below: int | None) -> list[Batch]:
    """Batches, newest first, with row numbers under *below*."""
    query = select(BATCHES).where(BATCHES.c.operation == operation).order_by(BATCHES.c.id.desc()).limit(limit)
    if below is not None:
        query = query.where(BATCHES.c.id < below)
    return [_batch(row) for row in (await conn.execute(query)).all()]


async def set_batch(conn: AsyncConnection, identifier: str, **values: object) -> None:
    """Change columns of one batch."""
    await conn.execute(update(BATCHES).where(BATCHES.c.id == int(identifier)).values(**values))


async def finish(
    conn: AsyncConnection, identifier: str, status: BatchStatus, *, now: datetime, **values: object
) -> None:
    """Close a batch and drop its stored body."""
    await set_batch(conn, identifier, status=status, finished=now, owner=None, **values)
    await conn.execute(delete(CHUNKS).where(CHUNKS.c.batch_id == int(identifier)))


async def store_chunk(conn: AsyncConnection, identifier: str, place: int, data: bytes) -> None:
    """Keep one piece of an import's body."""
    await conn.execute(insert(CHUNKS).values(batch_id=int(identifier), number=place, data=data))


async def still_receiving(conn: AsyncConnection, identifiers: Collection[str], *, owner: str, now: datetime) -> int:
    """Say of bodies that they still arrive at *owner*; answers how many of them nobody has given up."""
    mine = (BATCHES.c.id.in_(map(int, identifiers)), BATCHES.c.owner == owner)
    said = update(BATCHES).where(*mine, BATCHES.c.status == BatchStatus.RECEIVING).values(heartbeat=now)
    return (await conn.execute(said)).rowcount if identifiers else 0


async def claim_abandoned(conn: AsyncConnection, *, owner: str, now: datetime) -> list[Batch]:
    """Take over imports whose process is gone: those with a stored body, and undos that were not finished.

    What was still being received was never acknowledged and is given up.
    """
    silent = and_(BATCHES.c.status.in_([BatchStatus.RECEIVING, BatchStatus.RUNNING, BatchStatus.UNDOING]), _silent(now))
    stored = select(CHUNKS.c.batch_id).where(CHUNKS.c.batch_id == BATCHES.c.id).exists()
    query = select(BATCHES, stored.label("stored")).where(silent).order_by(BATCHES.c.id)
    if conn.dialect.name == "postgresql":
        query = query.with_for_update(of=BATCHES, skip_locked=True)
    claimed = []
    for row in (await conn.execute(query)).all():
        if row.status == BatchStatus.RECEIVING:
            await finish(conn, str(row.id), BatchStatus.FAILED, now=now, error="its body did not arrive")
        elif row.status == BatchStatus.UNDOING or row.stored:
            await set_batch(conn, str(row.id), owner=owner, heartbeat=now)
            claimed.append(_batch(row))
    return claimed


def _silent(now: datetime) -> Any:
    return or_(BATCHES.c.heartbeat.is_(None), BATCHES.c.heartbeat < now - timedelta(seconds=LEASE_S))


def is_abandoned(batch: Batch, now: datetime) -> bool:
    """Whether nobody works on it although it is not finished."""
    working = batch.status in {BatchStatus.RECEIVING, BatchStatus.RUNNING, BatchStatus.UNDOING}
    return working and (batch.heartbeat is None or batch.heartbeat < now - timedelta(seconds=LEASE_S))


async def faults(conn: AsyncConnection, identifier: str, *, limit: int, above: int) -> list[tuple[int, int, str, str]]:
    """Row number, line, code and sentence of an import's faults, in the order of the file."""
    query = select(FAULTS.c.id, FAULTS.c.line, FAULTS.c.code, FAULTS.c.detail)
    query = query.where(FAULTS.c.batch_id == int(identifier), FAULTS.c.id > above).order_by(FAULTS.c.id).limit(limit)
    return [(row.id, row.line, row.code, row.detail) for row in (await conn.execute(query)).all()]


async def remove_found(
    conn: AsyncConnection, wanted: Filter, batch_id: str, *, why: str, now: datetime, actor: str
) -> int:
    """Remove everything that a filter finds, as part of a batch; answers how many there were."""
    found = select(ENTRIES.c.id).join(LISTS, LISTS.c.id == ENTRIES.c.list_id).where(condition(wanted, now=now))
    blocking = found.where(ENTRIES.c.state.in_([State.ACTIVE, State.ARCHIVED]))
    batch = int(batch_id)
    lines = select(
        ENTRIES.c.id,
        literal(now, HISTORY.c.at.type),
        literal(actor),
        literal(Action.REMOVED, HISTORY.c.action.type),
        literal(why),
        literal(batch, BATCHES.c.id.type),
        ENTRIES.c.revision + 1,
        *(ENTRIES.c[name] for name in KEPT),
        ENTRIES.c.revision,
    ).where(ENTRIES.c.id.in_(blocking))
    columns = ["entry_id", "at", "actor", "action", "why", "batch_id", "revision"]
    was = [f"was_{name}" for name in KEPT]
    await conn.execute(insert(HISTORY).from_select([*columns, *was, "was_revision"], lines))
    mine = select(HISTORY.c.entry_id).where(HISTORY.c.batch_id == batch)
    rules = select(func.count()).select_from(ENTRIES).where(ENTRIES.c.id.in_(mine), ENTRIES.c.kind != Kind.ADDRESS)
    if (await conn.execute(rules)).scalar_one():
        await rules_changed(conn)
    done = await conn.execute(
        update(ENTRIES)
        .where(ENTRIES.c.id.in_(mine))
        .values(state=State.REMOVED, revision=ENTRIES.c.revision + 1)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        id=str(row.id),
        operation=Operation(row.operation),
        name=row.name,
        actor=row.actor,
        status=BatchStatus(row.status),
        options=row.options,
        counts=row.counts,
        created=row.created,
        finished=row.finished,
        undone=row.undone,
        undone_by=row.undone_by,
        lines_done=row.lines_done,
        bytes_done=row.bytes_done,
        bytes_total=row.bytes_total,
        digest=row.digest,
        error=row.error,
        heartbeat=row.heartbeat,
        owner=row.owner,
    )
