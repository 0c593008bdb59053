"""Imports: what a file does to the list, and that undoing it is the identity."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.blacklist.asking import blocked, domain_hits, put
from tests.blacklist.conftest import Clock
from validator.blacklist.batch import Batch, BatchStatus
from validator.blacklist.entry import Action, Cause, Entry, State
from validator.blacklist.filter import Filter
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.service import Blacklist

ALL = Filter(states=(State.ACTIVE, State.ARCHIVED, State.REMOVED))


async def bring(blacklist: Blacklist, text: str, **options: object) -> Batch:
    """Import a text and wait for the end."""

    async def body() -> AsyncIterator[bytes]:
        yield text.encode()

    batch = await blacklist.imports.accept(
        body(), ImportOptions(**options), name="test.txt", actor="importer", max_bytes=10_000_000
    )
    return await blacklist.imports.wait(batch.id, timeout_s=30)


async def everything(blacklist: Blacklist) -> dict[str, Entry]:
    """Every entry that anybody can see, by identifier."""
    return {entry.id: entry for entry in (await blacklist.entries.search(ALL, limit=1000)).entries}


async def test_an_import_enters_addresses_domains_and_networks(blacklist: Blacklist) -> None:
    batch = await bring(blacklist, "Jane@Example.com\n*.bad.example\n192.0.2.0/24\nnot an address\n")
    assert batch.status is BatchStatus.DONE
    assert batch.counts["added"] == 3
    assert await blocked(blacklist, "jane@example.com")
    assert await domain_hits(blacklist, "x.bad.example")
    assert await domain_hits(blacklist, "x.test", (), ("192.0.2.9",))
    found, _ = await blacklist.imports.faults(batch.id, limit=10)
    assert {fault.line for fault in found} == {4}


async def test_undoing_an_import_restores_exactly_what_was_before(blacklist: Blacklist, clock: Clock) -> None:
    kept = await put(blacklist, "kept@example.com", cause=Cause.MAILBOX_FULL)
    hidden = await put(blacklist, "hidden@example.com", cause=Cause.COMPLAINT)
    await blacklist.entries.archive(hidden.id, actor="a")
    gone = await put(blacklist, "gone@example.com")
    await blacklist.entries.remove(gone.id, actor="a", why="asked")
    over = await put(blacklist, "over@example.com", expires=clock.now.replace(day=2))
    clock.pass_days(3)
    before = await everything(blacklist)
    lines = ["kept", "hidden", "gone", "over", "fresh", "fresh", "other"]
    batch = await bring(blacklist, "email,cause\n" + "".join(f"{n}@example.com,manual\n" for n in lines), revive=True)
    assert {k: v for k, v in batch.counts.items() if v} == {
        "lines": 8, "added": 2, "changed": 2, "found_again": 1, "revived": 1, "duplicates": 1,
    }  # fmt: skip
    after = await everything(blacklist)
    assert after[hidden.id].state is State.ACTIVE
    assert after[hidden.id].cause is Cause.COMPLAINT
    assert after[over.id].expires is None
    assert after[kept.id].cause is Cause.MANUAL
    await blacklist.imports.undo(batch.id, actor="b")
    assert (await blacklist.imports.wait(batch.id, timeout_s=30)).status is BatchStatus.UNDONE
    assert await everything(blacklist) == before
    assert not await blocked(blacklist, "fresh@example.com")


async def test_a_reimport_does_not_revive_a_removed_entry_unless_asked(blacklist: Blacklist) -> None:
    entry = await put(blacklist, "gone@example.com")
    await blacklist.entries.remove(entry.id, actor="a")
    batch = await bring(blacklist, "gone@example.com\n")
    assert batch.counts["kept_removed"] == 1
    assert not await blocked(blacklist, "gone@example.com")
    await bring(blacklist, "gone@example.com\n", revive=True)
    assert await blocked(blacklist, "gone@example.com")


async def test_an_import_can_be_repeated_after_it_was_undone(blacklist: Blacklist) -> None:
    first = await bring(blacklist, "a@example.com\n")
    await blacklist.imports.undo(first.id, actor="b")
    await blacklist.imports.wait(first.id, timeout_s=30)
    second = await bring(blacklist, "a@example.com\n")
    assert second.counts["added"] == 1
    assert await blocked(blacklist, "a@example.com")
    await blacklist.imports.undo(second.id, actor="b")
    await blacklist.imports.wait(second.id, timeout_s=30)
    assert not await blocked(blacklist, "a@example.com")
    assert not await everything(blacklist)


async def test_what_an_export_says_was_removed_is_removed_also_after_an_undone_import(blacklist: Blacklist) -> None:
    text = "email,state\ngone@example.com,removed\nhidden@example.com,archived\n"
    first = await bring(blacklist, text)
    await blacklist.imports.undo(first.id, actor="b")
    await blacklist.imports.wait(first.id, timeout_s=30)
    second = await bring(blacklist, text)
    assert second.counts["added"] == 2
    states = {entry.value: entry.state for entry in (await everything(blacklist)).values()}
    assert states == {"gone@example.com": State.REMOVED, "hidden@example.com": State.ARCHIVED}
    assert (await bring(blacklist, "gone@example.com\n")).counts["kept_removed"] == 1
    assert not await blocked(blacklist, "gone@example.com")


async def test_what_somebody_changed_after_the_import_survives_its_undo(blacklist: Blacklist) -> None:
    batch = await bring(blacklist, "a@example.com\nb@example.com\n")
    await put(blacklist, "a@example.com", cause=Cause.COMPLAINT)
    await blacklist.imports.undo(batch.id, actor="b")
    await blacklist.imports.wait(batch.id, timeout_s=30)
    assert await blocked(blacklist, "a@example.com")
    assert not await blocked(blacklist, "b@example.com")


@pytest.mark.parametrize("force", [False, True])
async def test_a_rule_of_an_import_that_is_too_wide_is_a_fault_without_force(blacklist: Blacklist, force: bool) -> None:
    batch = await bring(blacklist, "10.0.0.0/8\nok@example.com\n", force=force)
    assert batch.counts["added"] == (2 if force else 1)
    assert batch.counts["faults"] == (0 if force else 1)


async def test_a_dry_run_counts_and_changes_nothing(blacklist: Blacklist) -> None:
    await put(blacklist, "there@example.com")
    text = b"there@example.com\nnew@example.com\nnew@example.com\nbad@@example.com\n*.bad.example\n"
    done = await blacklist.imports.rehearse([text], ImportOptions())
    assert (done.counts.added, done.counts.unchanged, done.counts.duplicates, done.counts.faults) == (2, 1, 1, 1)
    assert [fault.line for fault in done.faults] == [4]
    assert len(await everything(blacklist)) == 1


@pytest.mark.parametrize("causes", [("mailbox_not_found", "complaint"), ("complaint", "mailbox_not_found")])
async def test_of_several_lines_about_an_address_the_heaviest_cause_is_kept(
    blacklist: Blacklist, causes: tuple[str, str]
) -> None:
    await put(blacklist, "there@example.com", cause=Cause.MAILBOX_FULL)
    lines = "".join(f"{who}@example.com,{why}\n" for who in ("new", "there") for why in causes)
    text = f"email,cause\n{lines}"
    rehearsed = await blacklist.imports.rehearse([text.encode()], ImportOptions())
    batch = await bring(blacklist, text)
    assert {k: v for k, v in batch.counts.items() if v} == {"lines": 5, "added": 1, "changed": 1, "duplicates": 2}
    assert rehearsed.counts.document() == batch.counts
    assert {entry.cause for entry in (await everything(blacklist)).values()} == {Cause.COMPLAINT}
    await blacklist.imports.undo(batch.id, actor="b")
    await blacklist.imports.wait(batch.id, timeout_s=30)
    assert [entry.cause for entry in (await everything(blacklist)).values()] == [Cause.MAILBOX_FULL]


async def test_a_domain_that_stands_twice_covers_below_when_either_line_says_so(blacklist: Blacklist) -> None:
    await bring(blacklist, "bad.example\n*.bad.example\n")
    assert await domain_hits(blacklist, "x.bad.example")


async def test_a_line_whose_time_is_over_takes_no_block_away_unless_told_to_replace(
    blacklist: Blacklist, clock: Clock
) -> None:
    await put(blacklist, "there@example.com")
    text = "email,cause,expires\n" + "".join(
        f"{line}\n"
        for line in (
            "there@example.com,complaint,2020-01-01", "new@example.com,manual,", "new@example.com,complaint,2020-01-01",
            "over@example.com,complaint,2020-01-01",
        )
    )  # fmt: skip
    await bring(blacklist, text)
    assert await blocked(blacklist, "there@example.com")
    assert await blocked(blacklist, "new@example.com")
    assert not await blocked(blacklist, "over@example.com")
    again = await bring(blacklist, text)
    assert (again.counts["unchanged"], again.counts["changed"]) == (3, 0)
    replaced = await bring(blacklist, text, replace=True)
    assert replaced.counts["changed"] == 1
    assert not await blocked(blacklist, "there@example.com")


@pytest.mark.parametrize("last", ["", "2030-01-01"])
@pytest.mark.parametrize("turned", [False, True])
async def test_of_several_lines_with_one_cause_the_one_that_lasts_is_kept(
    blacklist: Blacklist, last: str, turned: bool
) -> None:
    lines = ["jane@example.com,complaint,2020-01-01", f"jane@example.com,complaint,{last}"]
    await bring(blacklist, "email,cause,expires\n" + "\n".join(reversed(lines) if turned else lines))
    assert await blocked(blacklist, "jane@example.com")


async def test_what_somebody_entered_after_the_import_survives_its_undo_though_nothing_changed(
    blacklist: Blacklist,
) -> None:
    await put(blacklist, "there@example.com", cause=Cause.MAILBOX_FULL)
    gone = await put(blacklist, "gone@example.com")
    await blacklist.entries.remove(gone.id, actor="a")
    names = ("fresh", "there", "gone", "untold")
    text = "email,cause\n" + "".join(f"{name}@example.com,complaint\n" for name in names)
    batch = await bring(blacklist, text, revive=True)
    for name in names[:3]:
        for _ in range(2):
            before = await put(blacklist, f"{name}@example.com", cause=Cause.COMPLAINT)
            assert before.cause is Cause.COMPLAINT
    await blacklist.imports.undo(batch.id, actor="b")
    await blacklist.imports.wait(batch.id, timeout_s=30)
    after = {entry.value.partition("@")[0]: entry for entry in (await everything(blacklist)).values()}
    assert {name: (entry.state, entry.cause) for name, entry in after.items()} == dict.fromkeys(
        names[:3], (State.ACTIVE, Cause.COMPLAINT)
    )
    _, events = await blacklist.entries.get(after["fresh"].id)
    assert [event.action for event in events] == [Action.ADDED, Action.FOUND_AGAIN]


async def test_entering_twice_what_nobody_can_undo_writes_nothing(blacklist: Blacklist) -> None:
    entry = await put(blacklist, "jane@example.com")
    await put(blacklist, "jane@example.com")
    _, events = await blacklist.entries.get(entry.id)
    assert [event.action for event in events] == [Action.ADDED]
