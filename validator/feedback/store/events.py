"""Events and what they came to, per address.

Whoever writes about an address first takes its lock (`lock_keys`), in sorted order, so that events of one address are
decided one after the other however many deliverers there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text, update

from validator.blacklist.entry import BLOCKING, DEFAULT_LIST, Action, Kind
from validator.blacklist.store.rows import insert_ignoring
from validator.blacklist.store.tables import ENTRIES, HISTORY, LISTS
from validator.database.connecting import AsyncConnection
from validator.feedback.classify import Classification, Classifier
from validator.feedback.event import MAX_TEXT_BYTES, Event, EventKind, Reported
from validator.feedback.policy import Standing
from validator.feedback.reasons import Disposition, FailureReason
from validator.feedback.reply import Stage
from validator.feedback.store.tables import ADDRESSES, EVENTS

ACTOR = "feedback"
"""Who enters and lifts entries because of events."""
CHUNK = 400
"""Rows in one statement."""


async def lock_keys(conn: AsyncConnection, keys: Iterable[str]) -> None:
    """Hold these addresses until the end of the transaction; SQLite has one writer anyway."""
    if conn.dialect.name == "postgresql":
        numbers = sorted(
            int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True) for key in keys
        )
        for number in numbers:
            await conn.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


async def add_events(conn: AsyncConnection, events: Sequence[tuple[str, Event]]) -> set[tuple[str, str, str]]:
    """Store those that are new; answers their (key, provider, event id)."""
    added: set[tuple[str, str, str]] = set()
    for start in range(0, len(events), CHUNK):
        rows = [_row_of(key, event) for key, event in events[start : start + CHUNK]]
        statement = insert_ignoring(conn, EVENTS).on_conflict_do_nothing()
        returning = statement.returning(EVENTS.c.key, EVENTS.c.provider, EVENTS.c.event_id)
        returned = await conn.execute(returning, rows)
        added |= {(row.key, row.provider, row.event_id) for row in returned}
    return added


async def events_of(conn: AsyncConnection, keys: Sequence[str], classifier: Classifier) -> dict[str, list[Event]]:
    """Every event of these addresses that says something, by key."""
    found: dict[str, list[Event]] = {key: [] for key in keys}
    for start in range(0, len(keys), CHUNK):
        query = select(EVENTS).where(EVENTS.c.key.in_(keys[start : start + CHUNK]), EVENTS.c.kind != EventKind.IGNORED)
        for row in await conn.execute(query):
            found[row.key].append(event_of(row, classifier))
    return found


async def forgiven(conn: AsyncConnection, keys: Sequence[str]) -> dict[str, datetime]:
    """When somebody last took these addresses off the list by hand; missing for those that nobody did."""
    last: dict[str, tuple[int, Action, datetime]] = {}
    for start in range(0, len(keys), CHUNK):
        query = (
            select(ENTRIES.c.key, HISTORY.c.id, HISTORY.c.action, HISTORY.c.at)
            .join(HISTORY, HISTORY.c.entry_id == ENTRIES.c.id)
            .join(LISTS, LISTS.c.id == ENTRIES.c.list_id)
            .where(
                ENTRIES.c.kind == Kind.ADDRESS,
                ENTRIES.c.key.in_(keys[start : start + CHUNK]),
                LISTS.c.name == DEFAULT_LIST,
                HISTORY.c.action.in_((Action.REMOVED, Action.RESTORED)),
                HISTORY.c.actor != ACTOR,
            )
        )
        for row in await conn.execute(query):
            if row.key not in last or row.id > last[row.key][0]:
                last[row.key] = (row.id, row.action, row.at)
    return {key: at for key, (_, action, at) in last.items() if action is Action.REMOVED}


async def keep_standing(conn: AsyncConnection, standings: Mapping[str, Standing]) -> None:
    """Write what the events of each address came to."""
    rows = [
        {
            "key": key,
            "soft_days": standing.soft_days,
            "transient_days": standing.transient_days,
            "last_failure": standing.last_failure,
            "last_reason": standing.last_reason,
            "last_delivery": standing.last_delivery,
            "blocked": standing.block is not None,
        }
        for key, standing in sorted(standings.items())
    ]
    for start in range(0, len(rows), CHUNK):
        statement = insert_ignoring(conn, ADDRESSES)
        changes = {name: getattr(statement.excluded, name) for name in rows[0] if name != "key"}
        updating = statement.on_conflict_do_update(index_elements=["key"], set_=changes)
        await conn.execute(updating, rows[start : start + CHUNK])


async def standing_row(conn: AsyncConnection, key: str) -> Row[Any] | None:
    """What is known about one address."""
    return (await conn.execute(select(ADDRESSES).where(ADDRESSES.c.key == key))).first()


async def known_keys(conn: AsyncConnection, after: str, limit: int) -> list[str]:
    """The next addresses with events, in order."""
    query = select(ADDRESSES.c.key).where(ADDRESSES.c.key > after).order_by(ADDRESSES.c.key)
    return [row.key for row in await conn.execute(query.limit(limit))]


async def count_soft(conn: AsyncConnection, since: datetime) -> int:
    """Addresses with soft failures since then that are not on the blacklist because of events."""
    query = select(func.count()).where(
        ADDRESSES.c.soft_days > 0, ADDRESSES.c.blocked.is_(False), ADDRESSES.c.last_failure >= since
    )
    return int((await conn.execute(query)).scalar_one())


async def evidence(
    conn: AsyncConnection,
    *,
    key: str | None,
    kind: EventKind | None,
    reason: FailureReason | None,
    since: datetime | None,
    before_id: int | None,
    limit: int,
) -> list[Row[Any]]:
    """Stored events, newest arrival first."""
    query = select(EVENTS).order_by(EVENTS.c.id.desc()).limit(limit)
    if key is not None:
        query = query.where(EVENTS.c.key == key)
    if kind is not None:
        query = query.where(EVENTS.c.kind == kind)
    if reason is not None:
        query = query.where(EVENTS.c.reason == reason)
    if since is not None:
        query = query.where(EVENTS.c.received_at >= since)
    if before_id is not None:
        query = query.where(EVENTS.c.id < before_id)
    return list((await conn.execute(query)).all())


async def latest_events(conn: AsyncConnection, key: str, limit: int) -> list[Row[Any]]:
    """The last events of one address that say something about it, by the time they happened, newest first."""
    happened = func.coalesce(EVENTS.c.occurred_at, EVENTS.c.received_at)
    query = select(EVENTS).where(EVENTS.c.key == key, EVENTS.c.kind != EventKind.IGNORED)
    return list((await conn.execute(query.order_by(happened.desc(), EVENTS.c.id.desc()).limit(limit))).all())


async def judged_anew(conn: AsyncConnection, key: str, event: Event) -> None:
    """Replace how a stored event was judged."""
    found = event.classification
    values = {
        "kind": event.reported.kind,
        "reason": found.reason,
        "disposition": found.disposition,
        "rule": found.rule,
        "confidence": found.confidence,
        "rules_version": event.rules_version,
        "permanent": found.permanent,
        "confirmed": event.confirmed,
    }
    match = (
        (EVENTS.c.key == key)
        & (EVENTS.c.provider == event.reported.provider)
        & (EVENTS.c.event_id == event.reported.event_id)
    )
    await conn.execute(update(EVENTS).where(match).values(**values))


async def dead_domains(conn: AsyncConnection, causes: Sequence[Any], after: str, limit: int) -> list[tuple[str, str]]:
    """Addresses that feedback blocks because of their domain, by key: (key, shown form)."""
    query = (
        select(ENTRIES.c.key, ENTRIES.c.value)
        .where(
            ENTRIES.c.kind == Kind.ADDRESS,
            ENTRIES.c.cause.in_(causes),
            ENTRIES.c.actor == ACTOR,
            ENTRIES.c.state.in_(sorted(BLOCKING)),
            ENTRIES.c.key > after,
            ~ENTRIES.c.key.like("#%"),
        )
        .order_by(ENTRIES.c.key)
        .limit(limit)
    )
    return [(row.key, row.value or row.key) for row in await conn.execute(query)]


def event_of(row: Row[Any], classifier: Classifier) -> Event:
    """A stored row as an event."""
    facts = classifier.reasons[FailureReason(row.reason)]
    found = Classification(
        reason=facts.reason,
        disposition=Disposition(row.disposition),
        blame=facts.blame,
        rule=row.rule,
        confidence=row.confidence,
        explanation=facts.sentence,
        code=row.code,
        enhanced_status=row.enhanced_status,
        permanent=row.permanent,
    )
    reported = Reported(
        kind=EventKind(row.kind),
        address=row.address,
        provider=row.provider,
        event_id=row.event_id,
        occurred_at=row.occurred_at,
        message_id=row.message_id,
        text=row.text,
        code=row.code,
        enhanced_status=row.enhanced_status,
        remote_host=row.remote_host,
        stage=Stage(row.stage),
        hint=FailureReason(row.hint) if row.hint else None,
        raw_type=row.raw_type,
    )
    return Event(reported, found, row.received_at, row.rules_version, row.confirmed)


def _row_of(key: str, event: Event) -> dict[str, object]:
    reported, found = event.reported, event.classification
    return {
        "provider": reported.provider,
        "event_id": plain_id(event),
        "key": key,
        "address": _plain(reported.address, 320),
        "kind": reported.kind,
        "reason": found.reason,
        "disposition": found.disposition,
        "rule": found.rule,
        "confidence": found.confidence,
        "rules_version": event.rules_version,
        "permanent": found.permanent,
        "confirmed": event.confirmed,
        "code": reported.code if reported.code is not None else found.code,
        "enhanced_status": _plain(reported.enhanced_status or found.enhanced_status, 20),
        "stage": reported.stage,
        "hint": reported.hint,
        "text": _plain(reported.text, MAX_TEXT_BYTES),
        "message_id": _plain(reported.message_id, 300),
        "remote_host": _plain(reported.remote_host, 255),
        "raw_type": _plain(reported.raw_type, 100),
        "occurred_at": reported.occurred_at,
        "received_at": event.received_at,
    }


def plain_id(event: Event) -> str:
    """The identifier of an event as it is stored."""
    return _plain(event.reported.event_id, 300)


def _plain(value: str, limit: int) -> str:
    """Text that every database takes: no NUL, no lone surrogates, at most *limit* bytes."""
    return value.replace("\x00", "").encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
