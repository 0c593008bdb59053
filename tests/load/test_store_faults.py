"""A store that is locked, full or read-only: checks go on, writes are refused, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from bench._served import Served
from tests.load import SOAK, told
from tests.load.client import HOT, Kind, Load, Report, get
from tests.load.conftest import served
from tests.load.names import Names
from tests.operate.running import read_answer, request_bytes

pytestmark = pytest.mark.load

RATE = 200 if SOAK else 50
STORE_TIMEOUT_S = 5.0
"""`VALIDATOR_STORE_TIMEOUT_S`."""
BLOCKED = Kind("blocked", lambda number: "blocked0@hot1.test")


def entry(number: int, note: str = "") -> bytes:
    """An entry to write."""
    value = f"blocked{number}@hot1.test"
    return orjson.dumps({"kind": "address", "value": value, "cause": "manual", "note": note})


async def write(server: Served, number: int, note: str = "") -> int:
    """The status of a write."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes(entry(number, note), "/blacklist"))
    status, _, _ = await read_answer(reader)
    writer.close()
    return status


async def verdict(server: Served, email: str) -> str:
    """The reason that a check gives."""
    body = orjson.dumps({"email": email})
    status, answer = await asyncio.to_thread(server.request, "POST", "/check", body)
    return str(status if status != 200 else orjson.loads(answer)["reason"])


async def checked(server: Served, seconds: float) -> Report:
    """Checks of known domains, one in ten of an address on the list."""
    return await Load(server.port, rate=RATE, kinds=(*(HOT,) * 9, BLOCKED)).run(seconds)


def assert_checks_went_on(name: str, report: Report) -> None:
    """Every check exact and fast."""
    p99 = report.quantile(0.99) * 1000
    told(name, f"{dict(report.statuses)}, p99 {p99:.1f} ms")
    assert set(report.statuses) == {200}
    assert not report.lost
    assert set(report.verdicts["hot"]) == {"valid"}
    assert set(report.verdicts["blocked"]) == {"blacklisted"}
    if SOAK:
        assert p99 <= 50


def system(*words: str) -> str:
    """Run a command of the system: what it complains about, nothing when it worked."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() or f"{words[0]} ended with {done.returncode}" if done.returncode else ""


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[Path]:
    """A file system of its own at *folder*/store."""
    where = folder / "store"
    where.mkdir()
    if fault := system("mount", *words, str(where)):
        pytest.skip(f"no file system can be mounted here: {fault}")
    try:
        yield where
    finally:
        assert not system("umount", "-l", str(where))


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small ext4 in a file."""
    image = folder / "image"
    image.touch()
    os.truncate(image, 32 * 1024 * 1024)
    if fault := system("mkfs.ext4", "-q", str(image)):
        pytest.skip(f"no file system can be made here: {fault}")
    with mounted(folder, "-o", "loop,errors=remount-ro", str(image)) as where:
        yield where


async def test_a_store_that_another_process_locks_lets_checks_go_on(tmp_path: Path, names: Names) -> None:
    seconds = 30.0 if SOAK else 2.0
    changes = {} if SOAK else {"store_timeout_s": "0.5"}
    with served(tmp_path, names, **changes) as server:
        assert await write(server, 0) == 201
        other = sqlite3.connect(tmp_path / "validator.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        checking = asyncio.create_task(checked(server, seconds))
        waits, started = [], time.perf_counter()
        while time.perf_counter() - started < seconds - 1:
            begun = time.perf_counter()
            assert await write(server, 1) == 503
            waits.append(time.perf_counter() - begun)
        assert (await get(server.port, "/readyz"))[0] == 200
        report = await checking
        other.execute("ROLLBACK")
        other.close()
        assert await write(server, 1) == 201
        assert await verdict(server, "blocked1@hot1.test") == "blacklisted"
    assert_checks_went_on("store locked", report)
    told("writes meanwhile", f"503 after {min(waits):.1f} to {max(waits):.1f} s")
    if SOAK:
        assert max(waits) <= STORE_TIMEOUT_S + 1


async def test_a_full_disk_lets_checks_go_on_and_mends_itself(tmp_path: Path, names: Names) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=6m", "tmpfs") as where:
        with served(where, names) as server:
            assert await write(server, 0) == 201
            with contextlib.suppress(OSError), (where / "rubbish").open("wb") as rubbish:
                while rubbish.write(b"x" * 4096):
                    rubbish.flush()
            checking = asyncio.create_task(checked(server, 10 if SOAK else 2))
            statuses = [await write(server, number, "n" * 900) for number in range(1, 40)]
            assert (await get(server.port, "/readyz"))[0] == 200
            report = await checking
            (where / "rubbish").unlink()
            assert await write(server, 100) == 201
            assert await verdict(server, "blocked100@hot1.test") == "blacklisted"
            for number, status in enumerate(statuses, start=1):
                expected = "blacklisted" if status == 201 else "None"
                assert await verdict(server, f"blocked{number}@hot1.test") == expected
        with contextlib.closing(sqlite3.connect(where / "validator.db")) as store:
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert_checks_went_on("disk full", report)
    told("writes meanwhile", f"{statuses.count(503)} x 503, {statuses.count(201)} x 201")
    assert set(statuses) <= {201, 503}
    assert 503 in statuses


async def test_a_file_system_that_turns_read_only_lets_checks_go_on(tmp_path: Path, names: Names) -> None:
    with disk(tmp_path) as where, served(where, names, log_level="error") as server:
        assert await write(server, 0) == 201
        if fault := system("mount", "-o", "remount,abort", str(where)):
            pytest.skip(f"the file system cannot be aborted here: {fault}")
        checking = asyncio.create_task(checked(server, 10 if SOAK else 1.5))
        statuses = [await write(server, number) for number in range(1, 10)]
        readyz = (await get(server.port, "/readyz"))[0]
        report = await checking
        reasons = {await verdict(server, f"blocked{number}@hot1.test") for number in range(1, 10)}
    assert_checks_went_on("read-only", report)
    told("writes meanwhile", f"{statuses.count(503)} x 503, /readyz {readyz}")
    assert set(statuses) == {503}
    assert readyz == 200
    assert reasons == {"None"}
