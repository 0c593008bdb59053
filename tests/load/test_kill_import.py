"""`kill -9` in the middle of an import: nothing acknowledged is lost, no half block, go on or undo gives the exact set.

Two short rounds on each database with the suite; `python3 dev.py soak` does fifty with 200,000 lines each.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.databases import fresh_postgres, shared_postgres_url
from validator.blacklist import worker
from validator.blacklist.batch import BatchStatus
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.imports import file_chunks
from validator.blacklist.service import Blacklist
from validator.database import Database

LONG = bool(os.environ.get("VALIDATOR_SOAK"))
LINES, BLOCK, ROUNDS = (200_000, 50_000, 50) if LONG else (20_000, 2_000, 2)
WINDOW_S = 1.5
"""The kill comes within so much of the first block; the rest of a long import takes about as long."""
READY_S = 3.0 if LONG else 10.0
"""The suite runs beside others on small machines; the soak is what measures."""

CHILD = """
import asyncio, sys
from pathlib import Path
from validator.blacklist import worker
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.imports import file_chunks
from validator.blacklist.service import Blacklist
from validator.database import Database

worker.BLOCK_ROWS = int(sys.argv[3])

async def main():
    database = await Database.open(sys.argv[1])
    async with Blacklist.open(database, watch=False) as blacklist:
        def told(counts, _):
            print(counts.lines, flush=True)
        await blacklist.imports.run_file(
            file_chunks(Path(sys.argv[2])), ImportOptions(), name="kill", actor="test", digest="d", progress=told
        )
    await database.aclose()

asyncio.run(main())
"""


def lines_of(number: int) -> str:
    """Line *number*, from 1."""
    return f"u{number * 2_654_435_761 % 2**32:08x}@example{number % 100}.org"


def killed(url: str, file: Path, chance: random.Random) -> int:
    """Start the import in a process of its own, kill it at a random moment; the last line it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(file), str(BLOCK)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = int(child.stdout.readline() or 0)  # the first block is in: from now on at any moment
    time.sleep(chance.random() * (WINDOW_S if LONG else 0.5))
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    return max([acknowledged, *map(int, rest)])


def keys_in(url: str) -> set[str]:
    """What blocks, read without any of our code."""
    query = "SELECT key FROM blacklist_entry WHERE state < 2"
    if url.startswith("postgresql"):
        with psycopg.connect(url) as server:
            return {row[0] for row in server.execute(query)}
    file = sqlite3.connect(url.removeprefix("sqlite:///"))
    found = {row[0] for row in file.execute(query)}
    file.close()
    return found


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "postgresql":
        with fresh_postgres(shared_postgres_url()) as url:
            yield url
        return
    for name in ("kill.db", "kill.db-wal", "kill.db-shm"):
        (folder / name).unlink(missing_ok=True)
    yield f"sqlite:///{folder / 'kill.db'}"


async def check_round(url: str, file: Path, chance: random.Random, *, undo: bool) -> tuple[int, float]:
    """One round: kill, look, then go on or undo. The lines that were in, and the seconds until it was ready."""
    acknowledged = await asyncio.to_thread(killed, url, file, chance)
    started = time.perf_counter()
    database = await Database.open(url)
    async with Blacklist.open(database, watch=False) as blacklist:
        await blacklist.ping()
        ready = time.perf_counter() - started
        assert ready <= READY_S
        batch = await blacklist.imports.get("1")
        went = batch.lines_done
        assert went >= acknowledged
        assert batch.lines_done % BLOCK == 0 or batch.lines_done == LINES
        assert keys_in(url) == {lines_of(number) for number in range(1, batch.lines_done + 1)}
        if undo:
            await blacklist.imports.undo("1", actor="test")
            assert (await blacklist.imports.wait("1", timeout_s=120)).status is BatchStatus.UNDONE
            assert keys_in(url) == set()
        elif batch.status is not BatchStatus.DONE:
            batch = await blacklist.imports.run_file(
                file_chunks(file), ImportOptions(), name="kill", actor="test", digest="d", going_on="1"
            )
            assert batch.status is BatchStatus.DONE
            assert batch.counts["added"] == LINES
            assert keys_in(url) == {lines_of(number) for number in range(1, LINES + 1)}
    await database.aclose()
    return went, ready


@pytest.mark.load
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_killed_import_loses_nothing_and_can_be_continued_or_undone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BLOCK_ROWS", BLOCK)
    chance = random.Random(5)
    file = tmp_path / "list.txt"
    file.write_text("".join(f"{lines_of(number)}\n" for number in range(1, LINES + 1)))
    for number in range(ROUNDS):
        with fresh(kind, tmp_path) as url:
            went, ready = await check_round(url, file, chance, undo=number % 2 == 1)
        if LONG:
            print(f"{kind}, round {number + 1} of {ROUNDS}: {went} lines in, ready after {ready:.2f} s", flush=True)
