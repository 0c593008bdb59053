"""Bodies that arrive slowly: whoever sends one is told the truth about it, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.blacklist.asking import blocked
from tests.blacklist.conftest import Clock
from validator.blacklist.batch import Batch, BatchStatus
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.imports import PIECE_BYTES
from validator.blacklist.service import Blacklist
from validator.blacklist.store.batches import LEASE_S
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
