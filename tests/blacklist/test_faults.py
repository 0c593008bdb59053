"""A store that fails: the answer is "not now", never "not on the list"; and it comes back by itself."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.blacklist.asking import address, blocked, put
from tests.blacklist.test_imports import bring
from tests.databases import PostgresServer, fresh_postgres, start_postgres
from tests.service import service
from validator.blacklist.service import Blacklist
from validator.blacklist.store import hot_postgres
from validator.blacklist.store.hot_sqlite import BULK, DECISIVE, ONE, many
from validator.database import Database
from validator.errors import SettingsError, StorageUnavailable

BACK_S = 5.0
"""Longest time between the store's return and the first exact answer."""


async def test_a_full_disk_refuses_the_write_and_still_answers(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    async with Blacklist.open(database, watch=False) as blacklist:
        await put(blacklist, "jane@example.org")
        async with database.transaction() as conn:
            pages = (await conn.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageUnavailable, match="SQLITE_FULL"):
            await fill(blacklist)
        assert await blocked(blacklist, "jane@example.org")
        async with database.transaction() as conn:
            await conn.exec_driver_sql("PRAGMA max_page_count = 1000000")
        await put(blacklist, "joan@example.org")
        assert await blocked(blacklist, "joan@example.org")
    await database.aclose()


async def fill(blacklist: Blacklist) -> None:
    """Enter until something gives."""
    for number in range(2_000):
        await put(blacklist, f"{'x' * 50}{number}@example.org", note="n" * 900)


async def test_a_file_that_is_no_database_is_never_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = await Database.open(f"sqlite:///{path}")
    async with Blacklist.open(database, watch=False) as blacklist:
        await put(blacklist, "jane@example.org")
    await database.aclose()
    size = path.stat().st_size
    path.write_bytes(b"\xff" * size)
    with pytest.raises(StorageUnavailable):
        await Database.open(f"sqlite:///{path}")


async def test_a_store_that_cannot_be_read_is_a_503_and_never_go_ahead(tmp_path: Path) -> None:
    async with service(tmp_path) as served:
        await served.check("jane@gmail.com")
        await served.runtime.blacklist.aclose()
        path = tmp_path / "validator.db"
        for name in ("validator.db", "validator.db-wal", "validator.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        path.write_bytes(b"not a database" * 100)
        answer = await served.post("/check", {"email": "jane@gmail.com"})
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_database_url_is_never_shown() -> None:
    with pytest.raises(SettingsError) as raised:
        await Database.open("mysql://root:secret@host/db")
    assert "secret" not in str(raised.value)


def test_the_look_up_reads_no_table_from_end_to_end(tmp_path: Path) -> None:
    asyncio.run(_made(tmp_path / "a.db"))
    connection = sqlite3.connect(tmp_path / "a.db")
    for query, count in ((ONE, 1), (many(3), 3)):
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", [0, "k"] * count)]
        assert any("SEARCH e USING INDEX" in step for step in plan)
        assert not any(step.startswith(("SCAN e", "SCAN blacklist_entry")) for step in plan), plan
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {DECISIVE}", ['["k"]', 0])]
    assert any("USING COVERING INDEX blacklist_entry_key (kind=? AND key=?)" in step for step in plan), plan
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {BULK}", ['["k"]', 0])]
    assert any("SEARCH e USING INDEX" in step for step in plan)
    assert not any(step.startswith("SCAN e") for step in plan), plan
    connection.close()


async def _made(path: Path) -> None:
    await (await Database.open(f"sqlite:///{path}")).aclose()


async def test_the_look_up_on_postgresql_uses_the_index(postgres_admin_url: str) -> None:
    import psycopg

    with fresh_postgres(postgres_admin_url) as url:
        database = await Database.open(url)
        async with Blacklist.open(database, watch=False) as blacklist:
            await bring(blacklist, "".join(f"p{number}@example.org\n" for number in range(20_000)))
        await database.aclose()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
            keys = [f"p{number}@example.org" for number in range(64)]
            rows = psycopg.RawCursor(connection).execute(f"EXPLAIN {hot_postgres.ADDRESSES}", [keys]).fetchall()
        plan = "\n".join(row[0] for row in rows)
        assert "blacklist_entry_key" in plan
        assert "Seq Scan on blacklist_entry" not in plan


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own."""
    server = start_postgres()
    yield server
    server.remove()


@pytest.fixture
async def on_own_server(own_server: PostgresServer) -> AsyncIterator[Blacklist]:
    """A blacklist with jane on it, on that server."""
    database = await Database.open(own_server.url, timeout_s=1.0)
    async with Blacklist.open(database) as blacklist:
        await put(blacklist, "jane@example.org")
        yield blacklist
    await database.aclose()


async def outcomes(blacklist: Blacklist, seconds: float) -> list[bool | None]:
    """What 100 look-ups a second say: blocked, not blocked, or "not now" as None."""

    async def ask() -> bool | None:
        try:
            return bool((await blacklist.match_addresses((address("jane@example.org"),)))[0])
        except StorageUnavailable:
            return None

    tasks = []
    for _ in range(int(seconds * 100)):
        tasks.append(asyncio.ensure_future(ask()))
        await asyncio.sleep(0.01)
    return list(await asyncio.gather(*tasks))


async def recovers(blacklist: Blacklist) -> None:
    """Exact answers and writes are back in time."""
    async with asyncio.timeout(BACK_S):
        while (await outcomes(blacklist, 0.05))[-1] is None:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.05)
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                await put(blacklist, "joan@example.org")
                return
            except StorageUnavailable:
                await asyncio.sleep(0.05)


@pytest.mark.servers
async def test_postgresql_stopped_and_started_under_load(own_server: PostgresServer, on_own_server: Blacklist) -> None:
    assert set(await outcomes(on_own_server, 0.2)) == {True}
    load = asyncio.ensure_future(outcomes(on_own_server, 1.5))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(own_server.stop)
    seen = await load
    assert set(seen) <= {True, None}
    assert seen[-1] is None
    await asyncio.to_thread(own_server.start)
    await recovers(on_own_server)
    assert set(await outcomes(on_own_server, 0.2)) == {True}
    assert connections(own_server) <= hot_postgres.CONNECTIONS + 12 + 1


@pytest.mark.servers
async def test_postgresql_paused_under_load(own_server: PostgresServer, on_own_server: Blacklist) -> None:
    own_server.signal(signal.SIGSTOP)
    try:
        seen = await outcomes(on_own_server, 1.5)
        assert set(seen) <= {True, None}
        assert None in seen
        with pytest.raises(StorageUnavailable):
            await put(on_own_server, "joan@example.org")
    finally:
        own_server.signal(signal.SIGCONT)
    await recovers(on_own_server)
    assert set(await outcomes(on_own_server, 0.2)) == {True}


def connections(server: PostgresServer) -> int:
    """Connections of ours that the server sees."""
    import psycopg

    with psycopg.connect(server.url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'validator%'"
        [number] = connection.execute(query).fetchone() or [0]
        return int(number)
