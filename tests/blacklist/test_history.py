"""What the history of an entry tells when time, not somebody, did something; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.blacklist.asking import blocked, put, rule
from tests.blacklist.conftest import Clock
from tests.blacklist.test_imports import bring
from validator.blacklist.entry import Action, Cause, Entry
from validator.blacklist.service import Blacklist

JANE = "jane@example.org"


async def actions(blacklist: Blacklist, text: str = JANE) -> list[Action]:
    """What happened to the entry of an address, oldest first; each line is at least as late as the one before."""
    [(_, events)] = await blacklist.entries.of_rule(rule(text))
    moments = [event.at for event in events]
    assert moments == sorted(moments)
    return [event.action for event in events]


async def expiring(blacklist: Blacklist, clock: Clock, **fields: object) -> Entry:
    """An entry whose time is over in a day."""
    return await put(blacklist, JANE, expires=clock.now + timedelta(days=1), **fields)  # type: ignore[arg-type]


async def test_an_expiry_stays_in_the_history_when_somebody_prolongs_the_entry(
    blacklist: Blacklist, clock: Clock
) -> None:
    entry = await expiring(blacklist, clock)
    clock.pass_days(2)
    await blacklist.entries.edit(entry.id, actor="a", expires=clock.now + timedelta(days=1))
    assert await actions(blacklist) == [Action.ADDED, Action.EXPIRED, Action.CHANGED]
    clock.pass_days(2)
    assert await actions(blacklist) == [Action.ADDED, Action.EXPIRED, Action.CHANGED, Action.EXPIRED]


async def test_an_expiry_stays_in_the_history_when_the_entry_is_removed(blacklist: Blacklist, clock: Clock) -> None:
    entry = await expiring(blacklist, clock)
    clock.pass_days(2)
    await blacklist.entries.remove(entry.id, actor="a")
    assert await actions(blacklist) == [Action.ADDED, Action.EXPIRED, Action.REMOVED]


async def test_what_is_archived_expires_as_well(blacklist: Blacklist, clock: Clock) -> None:
    entry = await expiring(blacklist, clock)
    await blacklist.entries.archive(entry.id, actor="a")
    clock.pass_days(2)
    assert await actions(blacklist) == [Action.ADDED, Action.ARCHIVED, Action.EXPIRED]
    await blacklist.entries.restore(entry.id, actor="a")
    assert await actions(blacklist) == [Action.ADDED, Action.ARCHIVED, Action.EXPIRED, Action.RESTORED]


async def test_an_imported_entry_that_expired_still_tells_when_it_was_entered(
    blacklist: Blacklist, clock: Clock
) -> None:
    await bring(blacklist, f"email,cause,expires\n{JANE},complaint,{clock.now + timedelta(days=1)}\n")
    clock.pass_days(2)
    await bring(blacklist, f"email,cause\n{JANE},complaint\n")
    assert await actions(blacklist) == [Action.ADDED, Action.EXPIRED, Action.CHANGED]


@pytest.mark.parametrize("cause", [Cause.COMPLAINT, Cause.UNSUBSCRIBE, Cause.MANUAL])
async def test_a_rule_that_overrides_nothing_is_not_told_as_an_override(blacklist: Blacklist, cause: Cause) -> None:
    await put(blacklist, JANE, cause=cause)
    allowed, _ = await blacklist.allowlist.add(rule(JANE), note="sure", actor="a")
    assert await actions(blacklist) == [Action.ADDED]
    await blacklist.allowlist.remove(allowed.id, actor="a")
    assert await actions(blacklist) == [Action.ADDED]


async def test_an_acknowledgement_that_is_taken_back_ends_the_override(blacklist: Blacklist) -> None:
    await put(blacklist, JANE, cause=Cause.COMPLAINT)
    await blacklist.allowlist.add(rule(JANE), note="sure", actor="a", acknowledged=True)
    assert not await blocked(blacklist, JANE)
    await blacklist.allowlist.add(rule(JANE), note="not so sure", actor="a")
    assert await blocked(blacklist, JANE)
    assert await actions(blacklist) == [Action.ADDED, Action.OVERRIDDEN, Action.OVERRIDE_ENDED]


async def test_an_override_that_time_ended_is_told_with_its_moment(blacklist: Blacklist, clock: Clock) -> None:
    await put(blacklist, JANE, cause=Cause.MAILBOX_NOT_FOUND)
    ends = clock.now + timedelta(days=1)
    allowed, _ = await blacklist.allowlist.add(rule(JANE), note="for now", actor="a", expires=ends)
    assert await actions(blacklist) == [Action.ADDED, Action.OVERRIDDEN]
    clock.pass_days(2)
    [(entry, events)] = await blacklist.entries.of_rule(rule(JANE))
    assert (events[-1].action, events[-1].at, events[-1].actor) == (Action.OVERRIDE_ENDED, ends, "validator")
    await blacklist.entries.archive(entry.id, actor="a")
    await blacklist.allowlist.remove(allowed.id, actor="a")
    told = [Action.ADDED, Action.OVERRIDDEN, Action.OVERRIDE_ENDED, Action.ARCHIVED]
    assert await actions(blacklist) == told
    await blacklist.allowlist.add(rule(JANE), note="again", actor="a")
    assert await actions(blacklist) == [*told, Action.OVERRIDDEN]


async def undone(blacklist: Blacklist, identifier: str) -> None:
    """Undo an import and wait for the end."""
    await blacklist.imports.undo(identifier, actor="b")
    await blacklist.imports.wait(identifier, timeout_s=30)


async def test_the_undo_of_an_import_stays_in_the_history_of_what_was_entered_again(
    blacklist: Blacklist, clock: Clock
) -> None:
    first = await bring(blacklist, f"email,cause\n{JANE},provider_list\n")
    clock.pass_days(1)
    second = await bring(blacklist, f"email,cause\n{JANE},complaint\n")
    clock.pass_days(1)
    await undone(blacklist, second.id)
    clock.pass_days(1)
    await undone(blacklist, first.id)
    clock.pass_days(1)
    await put(blacklist, JANE)
    told = [Action.ADDED, Action.CHANGED, Action.UNDONE, Action.UNDONE, Action.ADDED]
    assert await actions(blacklist) == told
    [(entry, events)] = await blacklist.entries.of_rule(rule(JANE))
    assert (events[3].at, events[3].actor, events[3].batch) == (clock.now - timedelta(days=1), "b", first.id)
    assert entry.cause is Cause.MANUAL
