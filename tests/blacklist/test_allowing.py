"""The allow-list among several who change it at once; on both databases."""

from __future__ import annotations

import asyncio

from tests.blacklist.asking import blocked, put, rule
from validator.blacklist.entry import Cause
from validator.blacklist.service import Blacklist

JANE = "jane@example.org"


async def test_one_rule_is_there_however_many_enter_it_at_once_and_goes_with_its_removal(blacklist: Blacklist) -> None:
    await put(blacklist, JANE, cause=Cause.MAILBOX_FULL)
    adding = (blacklist.allowlist.add(rule(JANE), note="sure", actor="a") for _ in range(6))
    answers = await asyncio.gather(*adding)
    assert sorted(is_new for _, is_new in answers) == [False] * 5 + [True]
    assert not await blocked(blacklist, JANE)
    await blacklist.allowlist.remove(answers[0][0].id, actor="a")
    assert await blocked(blacklist, JANE)
