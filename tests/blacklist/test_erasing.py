"""What an erasure leaves, whatever comes afterwards; on both databases."""

from __future__ import annotations

from tests.blacklist.asking import blocked, new, put, rule
from tests.blacklist.test_imports import bring
from validator.blacklist.entry import Cause
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
