"""Bodies that arrive slowly: whoever sends one is told the truth about it, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.blacklist.asking import blocked, put
from tests.blacklist.conftest import Clock
from validator.blacklist.batch import Batch, BatchStatus
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.imports import PIECE_BYTES
from validator.blacklist.service import Blacklist
from validator.blacklist.store.batches import LEASE_S
from validator.blacklist.store.block import Block
from validator.blacklist.store.loading import Link, load
from validator.database import Database
from validator.errors import StorageUnavailable

FIRST = b"first@example.com\n" + b"# so much that it is stored before the rest arrives\n" * (PIECE_BYTES // 50)


async def upload(blacklist: Blacklist, body: AsyncIterator[bytes]) -> Batch:
    """Send *body* and wait for the end of its import."""
    batch = await blacklist.imports.accept(body, ImportOptions(), name="slow.txt", actor="a", max_bytes=10_000_000)
    return await blacklist.imports.wait(batch.id, timeout_s=30)


async def test_a_body_that_arrives_slowly_is_entered_as_a_whole(blacklist: Blacklist, clock: Clock) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield FIRST
        for number in range(3):
            clock.pass_days(2 * LEASE_S / 86_400)
            await blacklist.imports.continue_abandoned()  # the keeper looks every few seconds
            yield b"later%d@example.com\n" % number

    batch = await upload(blacklist, body())
    assert (batch.status, batch.counts["added"]) == (BatchStatus.DONE, 4)
    assert await blocked(blacklist, "first@example.com")


async def test_a_body_that_another_process_took_for_abandoned_is_not_acknowledged(
    blacklist: Blacklist, database: Database, clock: Clock
) -> None:
    async with Blacklist.open(database, watch=False, clock=clock) as other:

        async def body() -> AsyncIterator[bytes]:
            yield FIRST
            clock.pass_days(2 * LEASE_S / 86_400)  # this process hung meanwhile
            await other.imports.continue_abandoned()
            yield b"later@example.com\n"

        with pytest.raises(StorageUnavailable, match="send it again"):
            await upload(blacklist, body())
    [batch], _ = await blacklist.imports.page(limit=5)
    assert batch.status is BatchStatus.FAILED
    async with database.reading() as conn:
        assert (await conn.exec_driver_sql("SELECT COUNT(*) FROM blacklist_chunk")).scalar_one() == 0
    assert not await blocked(blacklist, "later@example.com")


async def test_what_waited_behind_its_own_import_goes_on_where_that_broke_off(
    blacklist: Blacklist, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validator.blacklist.worker.BLOCK_ROWS", 2)
    loop, blocks = asyncio.get_running_loop(), 0

    def enter(link: Link, block: Block, *rest: Any) -> None:
        nonlocal blocks
        blocks += 1
        if blocks == 1:  # so slow that its own process takes it for abandoned
            clock.pass_days(2 * LEASE_S / 86_400)
            asyncio.run_coroutine_threadsafe(blacklist.imports.continue_abandoned(), loop).result(10)
        elif blocks == 2:
            raise StorageUnavailable("for a moment")
        load(link, block, *rest)

    monkeypatch.setattr("validator.blacklist.worker.load", enter)

    async def body() -> AsyncIterator[bytes]:
        yield b"no address\n" + b"".join(b"%d@example.com\n" % number for number in range(4))

    batch = await upload(blacklist, body())
    batch = await blacklist.imports.wait(batch.id, timeout_s=30)
    assert batch.status is BatchStatus.DONE
    counted = {name: batch.counts[name] for name in ("added", "duplicates", "faults", "lines")}
    assert counted == {"added": 4, "duplicates": 0, "faults": 1, "lines": 5}
    assert len((await blacklist.imports.faults(batch.id, limit=10))[0]) == 1


async def test_a_dry_run_that_is_given_up_leaves_no_thread_waiting(blacklist: Blacklist) -> None:
    await put(blacklist, "x@example.com")
    loop, busy = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    first = asyncio.create_task(asyncio.to_thread(busy.wait))

    async def body() -> AsyncIterator[bytes]:
        for number in range(16):
            yield b"a%d@example.com\n" % number

    given_up = asyncio.create_task(blacklist.imports.rehearse_stream(body(), ImportOptions()))
    await asyncio.wait({given_up}, timeout=0.3)  # every piece is handed over, and nobody has taken one
    given_up.cancel()
    await asyncio.wait({given_up})
    busy.set()
    await first
    async with asyncio.timeout(5):
        await asyncio.to_thread(int)  # the one thread is free again
