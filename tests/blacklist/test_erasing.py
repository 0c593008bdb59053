"""What an erasure leaves, whatever comes afterwards; on both databases."""

from __future__ import annotations

import asyncio

import pytest

from tests.blacklist.asking import blocked, new, put, rule
from tests.blacklist.test_imports import bring
from validator.blacklist.entry import Cause
from validator.blacklist.filter import EVERYTHING, Filter
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.service import Blacklist

JANE = "jane@example.org"


async def words(blacklist: Blacklist) -> list[str]:
    """Notes and reasons that the entries of an address and their histories hold."""
    found = await blacklist.entries.of_rule(rule(JANE))
    assert found
    texts = [entry.note for entry, _ in found]
    for _, events in found:
        texts += [text for event in events for text in (event.why, event.before.note if event.before else "")]
    return [text for text in texts if text]


async def test_what_is_reported_of_an_erased_address_blocks_and_leaves_no_words_that_may_name_it(
    blacklist: Blacklist,
) -> None:
    await put(blacklist, JANE, cause=Cause.REPEATED_SOFT_BOUNCE, note="about Jane")
    await blacklist.erasing.erase([rule(JANE)], actor="a")
    assert await words(blacklist) == []
    reply = f"email,cause,note\n{JANE},mailbox_not_found,550 <{JANE}> user unknown\n"
    assert (await bring(blacklist, reply)).counts["changed"] == 1
    await blacklist.entries.add([new(JANE, cause=Cause.COMPLAINT, note=f"{JANE} pressed it")], actor="a")
    [(entry, _)] = await blacklist.entries.of_rule(rule(JANE))
    assert entry.cause is Cause.COMPLAINT
    assert await blocked(blacklist, JANE)
    assert await words(blacklist) == []


@pytest.mark.parametrize("later", [JANE, JANE.title()])
async def test_an_import_that_was_under_way_does_not_bring_back_who_was_the_first_to_be_erased(
    blacklist: Blacklist, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    monkeypatch.setattr("validator.blacklist.worker.BLOCK_ROWS", 2)
    loop = asyncio.get_running_loop()
    erased: list[int] = []

    def erase(_counts: object, _bytes: int) -> None:
        if not erased:  # after the first block
            asked = blacklist.erasing.erase([rule(JANE)], actor="a")
            erased.append(asyncio.run_coroutine_threadsafe(asked, loop).result(20))

    await put(blacklist, JANE)
    text = f"a@example.org\nb@example.org\nc@example.org\n{later}\nd@example.org\n"
    batch = await blacklist.imports.run_file(
        [text.encode()], ImportOptions(), name="long.txt", actor="i", progress=erase
    )
    assert erased == [1]
    assert (batch.counts["added"], batch.counts["unchanged"], batch.counts["lines"]) == (4, 1, 5)
    found = (await blacklist.entries.search(Filter(states=EVERYTHING))).entries
    assert sorted(entry.value for entry in found) == ["", *(f"{name}@example.org" for name in "abcd")]
    assert await blocked(blacklist, JANE)
    assert await blacklist.erasing.erase([rule(JANE)], actor="a") == 0
