"""What another policy would do to the stored events, and making the blacklist what the events say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from validator.blacklist.entry import Kind
from validator.blacklist.store.recording import find_entry
from validator.database import Database
from validator.database.connecting import AsyncConnection
from validator.feedback.event import judge
from validator.feedback.policy import Policy, decide
from validator.feedback.recording import act
from validator.feedback.service import Feedback
from validator.feedback.store.events import (
    CHUNK,
    events_of,
    forgiven,
    judged_anew,
    keep_standing,
    known_keys,
    lock_keys,
)

_TRANSACTION_S = 60.0


@dataclass(slots=True)
class Difference:
    """What would change."""

    addresses: int = 0
    """Addresses with events."""
    blocked: int = 0
    """Of them, blocked because of their events afterwards."""
    added: list[str] = field(default_factory=list)
    """Addresses that would be blocked and are not; at most the asked number."""
    lifted: list[str] = field(default_factory=list)
    """Addresses that are blocked and would not be; at most the asked number."""
    added_count: int = 0
    """All that would be blocked and are not."""
    lifted_count: int = 0
    """All that are blocked and would not be."""
    rejudged: int = 0
    """Events that are judged otherwise by the rules of today."""

    def note(self, key: str, *, before: bool, after: bool, shown: int) -> None:
        """Count one address."""
        self.addresses += 1
        self.blocked += after
        if after and not before:
            self.added_count += 1
            if len(self.added) < shown:
                self.added.append(key)
        if before and not after:
            self.lifted_count += 1
            if len(self.lifted) < shown:
                self.lifted.append(key)


async def preview(feedback: Feedback, policy: Policy, *, shown: int = 100) -> Difference:
    """Compare *policy* with the one in force over all stored events; changes nothing."""
    now, difference = feedback.clock(), Difference()
    async for keys in _batches(feedback.database):
        async with feedback.database.reading(timeout_s=_TRANSACTION_S) as conn:
            known = await events_of(conn, keys, feedback.classifier)
            pardons = await forgiven(conn, keys)
        for key in keys:
            before = decide(known[key], feedback.policy, now, forgiven_at=pardons.get(key))
            after = decide(known[key], policy, now, forgiven_at=pardons.get(key))
            difference.note(key, before=before.block is not None, after=after.block is not None, shown=shown)
    return difference


async def replay(feedback: Feedback, *, dry_run: bool, rejudge: bool, shown: int = 20) -> Difference:
    """Judge the stored events by the rules of today (with *rejudge*) and make the blacklist what they say.

    Entries of people and imports are left alone, and so are those older than the retention of events and what somebody
    removed by hand. Can be stopped and run again.
    """
    difference = Difference()
    async for keys in _batches(feedback.database):
        if dry_run:
            async with feedback.database.reading(timeout_s=_TRANSACTION_S) as conn:
                await _replay_keys(conn, feedback, keys, difference, dry_run=True, rejudge=rejudge, shown=shown)
        else:
            async with feedback.database.transaction(timeout_s=_TRANSACTION_S) as conn:
                await lock_keys(conn, keys)
                await _replay_keys(conn, feedback, keys, difference, dry_run=False, rejudge=rejudge, shown=shown)
    return difference


async def _replay_keys(
    conn: AsyncConnection,
    feedback: Feedback,
    keys: list[str],
    difference: Difference,
    *,
    dry_run: bool,
    rejudge: bool,
    shown: int,
) -> None:
    now = feedback.clock()
    known = await events_of(conn, keys, feedback.classifier)
    pardons = await forgiven(conn, keys)
    standings = {}
    for key in keys:
        events = known[key]
        if rejudge:
            fresh = [judge(e.reported, feedback.classifier, received_at=e.received_at) for e in events]
            for index, (old, new) in enumerate(zip(events, fresh, strict=True)):
                if old.classification.rule != new.classification.rule or old.reported.kind != new.reported.kind:
                    difference.rejudged += 1
                    events[index] = type(new)(
                        new.reported, new.classification, old.received_at, new.rules_version, old.confirmed
                    )
                    if not dry_run:
                        await judged_anew(conn, key, events[index])
        standing = standings[key] = decide(events, feedback.policy, now, forgiven_at=pardons.get(key))
        held = await find_entry(conn, Kind.ADDRESS, key)
        owned = held is not None and held.source.startswith("feedback:") and held.blocks(now)
        if held is not None and held.created < feedback.evidence_since():
            owned = False  # what entered it may be forgotten by now
        blocks = held is not None and held.blocks(now)
        before = owned if standing.block is None else blocks
        difference.note(key, before=before, after=standing.block is not None, shown=shown)
        if not dry_run and before != (standing.block is not None):
            await act(conn, key, standing, now)
    if not dry_run:
        await keep_standing(conn, standings)


async def _batches(database: Database) -> AsyncIterator[list[str]]:
    after = ""
    while True:
        async with database.reading() as conn:
            keys = await known_keys(conn, after, CHUNK)
        if not keys:
            return
        after = keys[-1]
        yield keys
