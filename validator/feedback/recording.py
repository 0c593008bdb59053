"""From events to blacklist entries, in one transaction: lock, decide with and without, act on the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from validator.blacklist.entry import BLOCKING, Action, Entry, Kind, NewEntry, Rule, RuleFault, outweighs
from validator.blacklist.keys import address_rule
from validator.blacklist.store.recording import find_entry, lift_entry, record
from validator.blacklist.store.rows import change
from validator.blacklist.store.searching import row_by_id
from validator.database.connecting import AsyncConnection
from validator.feedback.classify import Classifier
from validator.feedback.event import Event, EventKind, key_of
from validator.feedback.policy import FEEDBACK_CAUSES, Block, Policy, Standing, decide
from validator.feedback.store.entering import enter_unknown
from validator.feedback.store.events import ACTOR, add_events, events_of, forgiven, keep_standing, lock_keys

_SOURCE = "feedback:"


@dataclass(frozen=True, slots=True)
class Changed:
    """What an event did to the blacklist."""

    address: str
    """Whose standing changed, in the form to show."""
    block: Block | None
    """The new block; None: lifted."""
    why: str
    """For people."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction did."""

    added: frozenset[tuple[str, str, str]]
    """(key, provider, event id) of the events that are new."""
    changes: tuple[Changed, ...]
    """What happened to the blacklist."""


async def write_events(
    conn: AsyncConnection, events: Sequence[Event], classifier: Classifier, policy: Policy, now: datetime
) -> Written:
    """Store what is new and bring the blacklist in line with it. Nothing is committed here."""
    keyed = sorted(((key_of(event.reported.address), event) for event in events), key=lambda pair: pair[0])
    keys = sorted({key for key, event in keyed if key and event.reported.kind is not EventKind.IGNORED})
    await lock_keys(conn, keys)
    added = await add_events(conn, keyed)
    touched = sorted({key for key, _, _ in added} & set(keys))
    changes = await bring_in_line(conn, touched, added, classifier, policy, now)
    return Written(frozenset(added), tuple(changes))


async def bring_in_line(
    conn: AsyncConnection,
    keys: Sequence[str],
    added: set[tuple[str, str, str]],
    classifier: Classifier,
    policy: Policy,
    now: datetime,
) -> list[Changed]:
    """Decide about each address with and without the events in *added*, and act where that differs."""
    known = await events_of(conn, keys, classifier)
    pardons = await forgiven(conn, keys)
    standings: dict[str, Standing] = {}
    differing = []
    for key in keys:
        events = known[key]
        older = [e for e in events if (key, e.reported.provider, e.reported.event_id) not in added]
        before = decide(older, policy, now, forgiven_at=pardons.get(key))
        after = decide(events, policy, now, forgiven_at=pardons.get(key))
        standings[key] = after
        if before.block != after.block:
            differing.append((key, after))
    changes = await act_on_many(conn, differing, now)
    await keep_standing(conn, standings)
    return changes


async def act_on_many(conn: AsyncConnection, standings: Sequence[tuple[str, Standing]], now: datetime) -> list[Changed]:
    """Make the entries of many addresses what their standings say: new ones together, the others one by one."""
    fresh: dict[str, tuple[NewEntry, Block]] = {}
    for key, standing in standings:
        rule = address_rule(key)
        if standing.block is not None and not isinstance(rule, RuleFault):
            fresh[key] = (_new_entry(rule, standing.block), standing.block)
    entered = await enter_unknown(conn, [new for new, _ in fresh.values()], now=now, actor=ACTOR)
    changes = []
    for key, standing in standings:
        if key in entered:
            block = fresh[key][1]
            changes.append(Changed(fresh[key][0].rule.value, block, block.reason))
        elif (changed := await act(conn, key, standing, now)) is not None:
            changes.append(changed)
    return changes


async def act(conn: AsyncConnection, address: str, standing: Standing, now: datetime) -> Changed | None:
    """Make the entry of an address what its *standing* says; None when nobody's check changes by it."""
    rule = address_rule(address)
    if isinstance(rule, RuleFault):
        return None
    held = await find_entry(conn, Kind.ADDRESS, rule.value)
    if standing.block is None:
        return await _lift(conn, rule, held, standing, now)
    was_blocking = held is not None and held.blocks(now)
    entry, _ = await record(conn, _new_entry(rule, standing.block), now=now, actor=ACTOR)
    if entry.source.startswith(_SOURCE):
        await _make_exact(conn, entry, standing.block, now)
    return None if was_blocking else Changed(rule.value, standing.block, standing.block.reason)


async def _lift(
    conn: AsyncConnection, rule: Rule, held: Entry | None, standing: Standing, now: datetime
) -> Changed | None:
    if held is None or held.state not in BLOCKING or not held.source.startswith(_SOURCE):
        return None
    why = standing.lifted or "what is known of it does not block any more"
    lifted = await lift_entry(conn, Kind.ADDRESS, rule.value, why=why, now=now, actor=ACTOR, causes=FEEDBACK_CAUSES)
    return Changed(rule.value, None, why) if lifted else None


def _new_entry(rule: Rule, block: Block) -> NewEntry:
    return NewEntry(
        rule=rule,
        cause=block.cause,
        source=_SOURCE + block.source,
        note=block.evidence,
        created=block.since,
        last_event=block.last_event,
        expires=block.until,
    )


async def _make_exact(conn: AsyncConnection, entry: Entry, block: Block, now: datetime) -> None:
    """Dates and cause as decided: what feedback entered itself must not depend on the order of arrivals.

    Of an erased address no words are kept: the entry lasts longer than the event that they stand in.
    """
    evidence = "" if entry.key.startswith("#") else block.evidence
    wanted: dict[str, object] = {
        "cause": block.cause,
        "source": _SOURCE + block.source,
        "note": evidence,
        "created": min(block.since, now),
        "last_event": block.last_event,
        "expires": block.until,
    }
    if outweighs(entry.cause, block.cause):
        return
    differs = {name: value for name, value in wanted.items() if getattr(entry, name) != value}
    if differs:
        row = await row_by_id(conn, entry.id)
        await change(conn, row, Action.CHANGED, differs, now=now, actor=ACTOR, why=evidence)
