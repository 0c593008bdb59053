"""Look-ups of one turn of the event loop share a transaction on SQLite; nobody sees anything older for it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.blacklist.asking import blocked, put
from validator.blacklist.service import Blacklist
from validator.blacklist.store.hot_sqlite import SqliteLookup
from validator.database import Database

WHO = "jane@example.org"
BLOCKING, REMOVED = 0, 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.db"


@pytest.fixture
async def blacklist(path: Path) -> AsyncIterator[Blacklist]:
    database = await Database.open(f"sqlite:///{path}")
    async with Blacklist.open(database, watch=False) as opened:
        await put(opened, WHO)
        yield opened
    await database.aclose()


@pytest.fixture
def elsewhere(path: Path, blacklist: Blacklist) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def lookup_of(blacklist: Blacklist) -> SqliteLookup:
    lookup = blacklist._matcher._lookup
    assert isinstance(lookup, SqliteLookup)
    return lookup


def set_state(connection: sqlite3.Connection, state: int) -> None:
    connection.execute("UPDATE blacklist_entry SET state = ?", (state,))


async def test_a_turn_shares_what_it_sees_and_the_next_sees_what_was_committed(
    blacklist: Blacklist, elsewhere: sqlite3.Connection
) -> None:
    await asyncio.sleep(0)
    assert await blocked(blacklist, WHO)
    assert await blocked(blacklist, WHO)
    set_state(elsewhere, REMOVED)
    assert await blocked(blacklist, WHO)  # nothing here gives the turn up
    await asyncio.sleep(0)
    assert not await blocked(blacklist, WHO)


async def test_the_first_look_up_of_a_turn_stands_alone(blacklist: Blacklist, elsewhere: sqlite3.Connection) -> None:
    await asyncio.sleep(0)
    assert await blocked(blacklist, WHO)
    set_state(elsewhere, REMOVED)
    assert not await blocked(blacklist, WHO)


async def test_the_rules_are_read_as_they_are_now(blacklist: Blacklist, elsewhere: sqlite3.Connection) -> None:
    await asyncio.sleep(0)
    before = await lookup_of(blacklist).version()
    for _ in range(3):
        await blocked(blacklist, WHO)
    elsewhere.execute("UPDATE blacklist_meta SET rules_version = rules_version + 7")
    assert await lookup_of(blacklist).version() == before + 7
    for _ in range(3):
        await blocked(blacklist, WHO)
    elsewhere.execute("UPDATE blacklist_meta SET rules_version = rules_version + 7")
    assert (await lookup_of(blacklist).rules()).version == before + 14


async def test_whoever_is_told_of_a_commit_finds_it(blacklist: Blacklist, elsewhere: sqlite3.Connection) -> None:
    """Readers keep every turn busy; a writer beside them commits, tells, and the told one asks at once."""
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[int] = asyncio.Queue()
    asked = threading.Semaphore(0)
    rounds = 300

    def write() -> None:
        for number in range(rounds):
            state = REMOVED if number % 2 == 0 else BLOCKING
            set_state(elsewhere, state)
            loop.call_soon_threadsafe(told.put_nowait, state)
            asked.acquire(timeout=10)

    async def read() -> None:
        while True:
            for _ in range(5):
                await blocked(blacklist, WHO)
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read()) for _ in range(4)]
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(rounds):
            state = await told.get()
            assert await blocked(blacklist, WHO) is (state == BLOCKING)
            asked.release()
    finally:
        for _ in range(rounds):
            asked.release()
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        writer.join()


async def test_no_transaction_outlives_its_turn(blacklist: Blacklist, elsewhere: sqlite3.Connection) -> None:
    """One that stayed open would keep the WAL from being emptied, and the file would grow without end."""
    for _ in range(5):
        await blocked(blacklist, WHO)
    await asyncio.sleep(0)
    set_state(elsewhere, REMOVED)
    busy, *_ = elsewhere.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


async def test_a_lookup_that_is_closed_in_the_middle_of_a_turn_opens_again(blacklist: Blacklist) -> None:
    lookup = lookup_of(blacklist)
    for _ in range(3):
        assert await blocked(blacklist, WHO)
    await lookup.aclose()
    for _ in range(3):
        assert await blocked(blacklist, WHO)
    await asyncio.sleep(0)
    for _ in range(3):
        assert await blocked(blacklist, WHO)
