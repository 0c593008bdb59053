"""The SQLite file is removed, replaced or cut short under a running process: nothing is acknowledged into nowhere."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError

from tests.blacklist.asking import blocked, put
from tests.blacklist.test_imports import bring
from tests.service import service
from validator.blacklist.service import Blacklist
from validator.blacklist.store.hot_sqlite import SqliteLookup
from validator.blacklist.store.load_sqlite import SqliteLink
from validator.database import Database
from validator.errors import StorageUnavailable

PATIENCE_S = 5.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a b?#%.db"


@pytest.fixture
async def blacklist(path: Path) -> AsyncIterator[Blacklist]:
    """A blacklist with jane on it."""
    database = await Database.open(f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F').replace('#', '%23')}")
    assert database.path == path
    async with Blacklist.open(database) as opened:
        await put(opened, "jane@example.org")
        yield opened
    await database.aclose()


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


async def until_unavailable(blacklist: Blacklist) -> None:
    """Look-ups find out."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await blocked(blacklist, "jane@example.org")
            except StorageUnavailable:
                return
            await asyncio.sleep(0.02)


async def test_a_removed_file_takes_no_write_and_gives_no_answer(blacklist: Blacklist, path: Path) -> None:
    remove(path)
    with pytest.raises(StorageUnavailable):
        await put(blacklist, "joan@example.org")
    with pytest.raises(StorageUnavailable):
        await put(blacklist, "joan@example.org")
    assert not path.exists(), "an empty file in its place would look like an empty list"  # noqa: ASYNC240
    await until_unavailable(blacklist)


async def test_a_file_that_goes_in_the_middle_of_a_transaction_is_not_acknowledged(path: Path) -> None:
    database = await Database.open(f"sqlite:///{path.with_name('b.db')}")
    with pytest.raises(StorageUnavailable):  # noqa: PT012
        async with database.transaction() as conn:
            await conn.exec_driver_sql("UPDATE blacklist_meta SET rules_version = 7")
            path.with_name("b.db").unlink()
    await database.aclose()


async def test_an_import_into_a_removed_file_is_never_done(blacklist: Blacklist, path: Path) -> None:
    remove(path)
    with pytest.raises(StorageUnavailable):
        await bring(blacklist, "joan@example.org\n")


async def test_a_replaced_file_is_opened_and_its_rules_are_read(
    blacklist: Blacklist, path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    database = await Database.open(f"sqlite:///{other}")
    async with Blacklist.open(database, watch=False) as prepared:
        await put(prepared, "joan@example.org")
    await database.aclose()
    version = blacklist.rules_version
    remove(path)
    shutil.move(other, path)
    async with asyncio.timeout(PATIENCE_S):
        while blacklist.rules_version == version:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.02)
    assert await blocked(blacklist, "joan@example.org")
    assert not await blocked(blacklist, "jane@example.org")
    await put(blacklist, "jack@example.org")
    assert await blocked(blacklist, "jack@example.org")


async def test_a_file_that_comes_back_is_used_again(blacklist: Blacklist, path: Path) -> None:
    aside = path.with_name("aside.db")
    path.rename(aside)  # noqa: ASYNC240
    with pytest.raises(StorageUnavailable):
        await put(blacklist, "joan@example.org")
    await until_unavailable(blacklist)
    aside.rename(path)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await blocked(blacklist, "jane@example.org")
                break
            except StorageUnavailable:
                await asyncio.sleep(0.02)
    await put(blacklist, "joan@example.org")
    assert await blocked(blacklist, "joan@example.org")


async def test_a_file_that_was_cut_short_takes_no_write(blacklist: Blacklist, path: Path) -> None:
    os.truncate(path, 0)
    with pytest.raises(StorageUnavailable):
        await put(blacklist, "joan@example.org")


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_of_a_removed_file_is_refused_and_no_empty_list(tmp_path: Path, form: str) -> None:
    async with service(tmp_path) as served:
        remove(tmp_path / "validator.db")
        async with served.client.get("/blacklist/export", params={"format": form}) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"]


async def test_an_export_breaks_off_where_the_file_goes_and_holds_no_answer_of_its_own(tmp_path: Path) -> None:
    async with service(tmp_path) as served:
        people = "".join(f"person{number}@example.org\n" for number in range(20_000))
        async with served.client.post("/blacklist/imports", data=people.encode(), params={"note": "n" * 150}) as answer:
            assert answer.status == 201
        read = b""
        with pytest.raises(ClientPayloadError):  # noqa: PT012
            async with served.client.get("/blacklist/export", params={"fields": "all"}) as answer:
                async for chunk in answer.content.iter_chunked(4_096):
                    if not read:
                        remove(tmp_path / "validator.db")
                    read += chunk
        assert read.startswith(b"kind,value")
        assert b"HTTP/1.1" not in read


async def begin_look_ups(path: Path) -> None:
    lookup = SqliteLookup(path)
    await lookup.start()
    await lookup.version()


async def begin_bulk_work(path: Path) -> None:
    SqliteLink(path, timeout_s=1)


@pytest.mark.parametrize("begin", [begin_look_ups, begin_bulk_work])
async def test_a_file_that_is_no_store_is_not_kept_open(
    tmp_path: Path, begin: Callable[[Path], Awaitable[None]]
) -> None:
    path = tmp_path / "list.db"
    path.write_bytes(b"not a database\n" * 1_000)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StorageUnavailable) as caught:
        await begin(path)
    assert len(os.listdir("/proc/self/fd")) == before, caught.value
