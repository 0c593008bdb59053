"""A real file system that is full, or turns read-only: look-ups stay exact, writes say "not now", and it comes back."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blacklist.asking import blocked, put
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.service import Blacklist
from validator.database import Database
from validator.errors import StorageUnavailable

BACK_S = 5.0
"""Longest time between the return of the disk and the first write."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB; skips where nobody may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "validator-test", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("a small disk cannot be mounted here: that takes root and a mount name space of one's own")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def fill(ballast: Path) -> None:
    """Leave no room on the disk."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65_536)


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """The disk seen through a read-only mount of itself; a plain remount is refused while files are open."""
    run = functools.partial(subprocess.run, capture_output=True)
    run(["mount", "--bind", str(disk), str(disk)], check=True)
    try:
        if run(["mount", "-o", "remount,bind,ro", str(disk)], check=False).returncode:
            pytest.skip("a disk cannot be turned read-only here")
        yield
    finally:
        run(["umount", "--lazy", str(disk)], check=True)


async def returns(blacklist: Blacklist) -> None:
    """Writes are back in time."""
    started = time.monotonic()
    await put(blacklist, "joan@example.org")
    assert time.monotonic() - started <= BACK_S
    assert await blocked(blacklist, "joan@example.org")


def addresses(count: int) -> list[bytes]:
    """A list to import."""
    return [b"".join(b"u%d@example.org\n" % number for number in range(count))]


async def test_a_full_disk_refuses_an_import_answers_look_ups_and_comes_back(disk: Path) -> None:
    database = await Database.open(f"sqlite:///{disk / 'a.db'}")
    async with Blacklist.open(database, watch=False) as blacklist:
        await put(blacklist, "jane@example.org")
        ballast = disk / "ballast"
        fill(ballast)
        with pytest.raises(StorageUnavailable):
            await blacklist.imports.run_file(addresses(50_000), ImportOptions(), name="a", actor="test")
        assert await blocked(blacklist, "jane@example.org")
        assert not await blocked(blacklist, "u1@example.org")
        ballast.unlink()
        await returns(blacklist)
        batch = await blacklist.imports.run_file(addresses(1_000), ImportOptions(), name="b", actor="test")
        assert batch.counts["added"] == 1_000
    await database.aclose()


async def test_a_disk_that_turns_read_only_refuses_writes_and_answers_look_ups(disk: Path) -> None:
    database = await Database.open(f"sqlite:///{disk / 'a.db'}")
    async with Blacklist.open(database, watch=False) as blacklist:
        await put(blacklist, "jane@example.org")
        with read_only(disk):
            reopened = await Database.open(f"sqlite:///{disk / 'a.db'}", migrate=False)
            async with Blacklist.open(reopened, watch=False) as other:
                with pytest.raises(StorageUnavailable):
                    await put(other, "joan@example.org")
            await reopened.aclose()
            assert await blocked(blacklist, "jane@example.org")
        await returns(blacklist)
    await database.aclose()
