"""The operator's own key of erased addresses: without it, or with another one, nothing starts and nobody passes."""

from __future__ import annotations

import pytest

from tests.blacklist.asking import address, put, rule
from validator.blacklist.entry import Cause
from validator.blacklist.service import Blacklist
from validator.database import Database
from validator.errors import SettingsError


async def erase_with(url: str, key: bytes | None) -> None:
    database = await Database.open(url, erase_key=key)
    async with Blacklist.open(database, watch=False) as blacklist:
        await put(blacklist, "anna@example.org", cause=Cause.COMPLAINT)
        await blacklist.erasing.erase([rule("anna@example.org")], actor="t")
    await database.aclose()


async def is_blocked_with(url: str, key: bytes | None) -> bool:
    database = await Database.open(url, erase_key=key)
    try:
        async with Blacklist.open(database, watch=False) as blacklist:
            return bool((await blacklist.match_addresses([address("anna@example.org")]))[0])
    finally:
        await database.aclose()


@pytest.mark.parametrize("other", [None, b"another key"])
async def test_an_own_key_that_is_missing_or_another_stops_the_start(database_url: str, other: bytes | None) -> None:
    await erase_with(database_url, b"the key")
    assert await is_blocked_with(database_url, b"the key")
    with pytest.raises(SettingsError, match="VALIDATOR_ERASE_KEY"):
        await is_blocked_with(database_url, other)


async def test_a_key_that_the_store_keeps_needs_no_setting_and_takes_none(database_url: str) -> None:
    await erase_with(database_url, None)
    assert await is_blocked_with(database_url, None)
    with pytest.raises(SettingsError, match="VALIDATOR_ERASE_KEY"):
        await is_blocked_with(database_url, b"a key that came too late")


async def test_before_the_first_erasure_any_key_will_do(database_url: str) -> None:
    assert not await is_blocked_with(database_url, None)
    assert not await is_blocked_with(database_url, b"the key")
