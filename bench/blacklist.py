"""The blacklist with many entries: import, undo, look-ups, memory, time until visible.

    python3 dev.py bench blacklist [--rows 1000000] [--database sqlite|postgresql]

PostgreSQL is the server of `VALIDATOR_TEST_POSTGRES_URL`, else one that is started for the run with fsync on.
Each figure is the median of its rounds. Half of the keys that are looked up are on the list; the others lie between
those in the order of keys, so that each has a page of its own. They are asked the way checks ask. Windows are measured
with none and all listed as well, and once with the details that `explain` shows.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tests.databases import fresh_postgres, start_postgres
from validator.address import EmailAddress
from validator.blacklist.entry import Cause, Kind, NewEntry, Rule
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.keys import address_key
from validator.blacklist.service import Blacklist
from validator.database import Database

_LINES_PER_CHUNK = 5_000


def local_part(number: int) -> str:
    """The local part of entry *number*: spread over the whole key space, so that blocks do not arrive sorted."""
    return f"u{number * 2_654_435_761 % 2**32:08x}.{number}"


def lines(entries: int) -> Iterator[bytes]:
    """The import file: one address a line, 5,000 domains."""
    for start in range(0, entries, _LINES_PER_CHUNK):
        numbers = range(start, min(start + _LINES_PER_CHUNK, entries))
        yield b"".join(f"{local_part(number)}@example{number % 5_000}.com\n".encode() for number in numbers)


def address(number: int, *, listed: bool) -> EmailAddress:
    """An address that is on the list, or its neighbour that is not."""
    local = local_part(number) if listed else f"{local_part(number)}x"
    domain = f"example{number % 5_000}.com"
    return EmailAddress(local, domain, f"{local}@{domain}")


def memory_mb(*, peak: bool = False) -> float:
    """Resident memory of this process."""
    name = "VmHWM" if peak else "VmRSS"
    with Path("/proc/self/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


def forget_peak() -> None:
    """Begin a new peak of memory: that of the database before counts no more."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def timed(rounds: int, work: Callable[[], Awaitable[object]]) -> float:
    """Median seconds of *rounds* runs."""
    seen = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        seen.append(time.perf_counter() - started)
    return statistics.median(seen)


async def look_ups(blacklist: Blacklist, entries: int) -> dict[str, float]:
    """Microseconds, milliseconds and rates of look-ups."""
    chance = random.Random(1)

    def some(count: int, listed: float = 0.5) -> list[EmailAddress]:
        return [address(chance.randrange(entries), listed=chance.random() < listed) for _ in range(count)]

    async def one_by_one() -> None:
        for wanted in singles:
            await blacklist.match_addresses((wanted,), details=False)

    async def client(wanted: list[EmailAddress]) -> None:
        for one in wanted:
            await blacklist.match_addresses((one,), details=False)

    async def in_flight() -> None:
        await asyncio.gather(*(client(part) for part in parts))

    async def windows(rounds: int, *sorts: tuple[float, bool]) -> list[float]:
        """Milliseconds of a window of 1,000 keys, by (share of them listed, with details); the sorts take turns."""
        seen: dict[tuple[float, bool], list[float]] = {sort: [] for sort in sorts}
        for _ in range(rounds):
            for (share, details), times in seen.items():
                wanted = [address_key(one) for one in some(1_000, share)]
                started = time.perf_counter()
                await blacklist.match_keys(wanted, details=details)
                times.append(time.perf_counter() - started)
        return [statistics.median(times[rounds // 5 :]) * 1e3 for times in seen.values()]

    singles = some(2_000)
    await one_by_one()
    single = await timed(5, one_by_one)
    parts = [some(300) for _ in range(64)]
    await in_flight()
    many = await timed(5, in_flight)
    half, none, every, told = await windows(50, (0.5, False), (0, False), (1, False), (0.5, True))
    return {
        "one look-up, µs": single / len(singles) * 1e6,
        "look-ups/s with 64 in flight": 64 * 300 / many,
        "1,000 keys in one window, ms": half,
        "1,000 keys, none of them listed, ms": none,
        "1,000 keys, all of them listed, ms": every,
        "1,000 keys, half of them listed, with details, ms": told,
    }


async def visible_after(url: str, blacklist: Blacklist) -> float:
    """Seconds until a domain rule entered by another process is known here, by its version."""
    code = (
        "import asyncio, sys, time\n"
        "from validator.blacklist.entry import *\nfrom validator.blacklist.service import Blacklist\n"
        "from validator.database import Database\n"
        "async def main():\n"
        "    database = await Database.open(sys.argv[1])\n"
        "    async with Blacklist.open(database, watch=False) as blacklist:\n"
        "        rule = Rule(Kind.DOMAIN, f'v{time.time_ns()}.example', 'v.example')\n"
        "        await blacklist.entries.add([NewEntry(rule, Cause.MANUAL, 'bench')], actor='bench')\n"
        "        print(time.time())\n"
        "    await database.aclose()\n"
        "asyncio.run(main())\n"
    )
    before = blacklist.rules_version
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, url, stdout=subprocess.PIPE)
    seen = None
    while seen is None:
        await asyncio.sleep(0.005)
        if blacklist.rules_version != before:
            seen = time.time()
    output, _ = await process.communicate()
    return max(0.0, seen - float(output))


async def measure(url: str, entries: int) -> dict[str, float]:
    """All figures of one database."""
    figures: dict[str, float] = {}
    database = await Database.open(url, timeout_s=30)
    async with Blacklist.open(database) as blacklist:
        await blacklist.entries.add(
            [NewEntry(Rule(Kind.ADDRESS, "warm@up.example", "warm@up.example"), Cause.MANUAL, "bench")], actor="bench"
        )
        forget_peak()
        idle = memory_mb()
        started, cpu = time.perf_counter(), time.process_time()
        batch = await blacklist.imports.run_file(lines(entries), ImportOptions(), name="bench", actor="bench")
        figures["import, s"] = time.perf_counter() - started
        figures["import, CPU s of this process"] = time.process_time() - cpu
        figures["memory above idle during the import, MB"] = memory_mb(peak=True) - idle
        assert batch.counts["added"] == entries, batch
        settled = memory_mb()
        gc.collect()  # as the service does when it has started
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        figures |= await look_ups(blacklist, entries)
        figures["memory added by the look-ups, MB"] = memory_mb() - settled
        figures["visible in another process after, s"] = statistics.median(
            [await visible_after(url, blacklist) for _ in range(3)]
        )
        started = time.perf_counter()
        await blacklist.imports.undo(batch.id, actor="bench")
        await blacklist.imports.wait(batch.id, timeout_s=3_600)
        figures["undo, s"] = time.perf_counter() - started
    if database.path is not None:
        figures["file, MB"] = database.path.stat().st_size / 2**20
    await database.aclose()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", "--entries", dest="entries", type=int, default=1_000_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    asked = parser.parse_args()
    for kind in [asked.database] if asked.database else ["sqlite", "postgresql"]:
        if kind == "sqlite":
            folder = Path(tempfile.mkdtemp(prefix="validator-bench-"))
            try:
                figures = asyncio.run(measure(f"sqlite:///{folder / 'bench.db'}", asked.entries))
            finally:
                shutil.rmtree(folder)
        else:
            figures = _on_postgres(asked.entries)
        print(f"{kind}, {asked.entries:,} entries; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
        for name, value in figures.items():
            print(f"  {name:49} {value:12,.2f}")
        sys.stdout.flush()


def _on_postgres(entries: int) -> dict[str, float]:
    given = os.environ.get("VALIDATOR_TEST_POSTGRES_URL")
    if given:
        with fresh_postgres(given) as url:
            return asyncio.run(measure(url, entries))
    server = start_postgres(fsync=True)
    try:
        with fresh_postgres(server.url) as url:
            return asyncio.run(measure(url, entries))
    finally:
        server.remove()


if __name__ == "__main__":
    main()
