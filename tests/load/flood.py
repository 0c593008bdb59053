"""The client as a process of its own, for loads that would keep a test from doing anything else.

`python -m tests.load.flood PORT CONNECTIONS SECONDS [RATE]`: as fast as the service answers, or RATE requests a second.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from tests.load.client import Load, Report

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Flooded:
    """What the process says at its end."""

    statuses: dict[str, int]
    """Answers by status."""
    lost: dict[str, int]
    """Requests without an answer, by what happened."""
    skipped: int
    """Requests that no connection was free for."""
    p99_s: float
    """Latency that 99 per cent stayed below."""

    @property
    def good(self) -> int:
        """Answers that are verdicts."""
        return self.statuses.get("200", 0)


async def flood(port: int, *, most: int, seconds: float, rate: float = 0.0) -> Flooded:
    """Run one; *rate* 0 asks again as soon as there is an answer."""
    words = ["-m", "tests.load.flood", str(port), str(most), str(seconds), str(rate)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return Flooded(**orjson.loads(out))


async def _run(port: int, most: int, seconds: float, rate: float) -> Report:
    load = Load(port, rate=rate, most=most)
    return await (load.run(seconds) if rate else load.hammer(seconds))


def main() -> None:
    """Run, then print one line."""
    port, most, seconds, rate = sys.argv[1:5]
    report = uvloop.run(_run(int(port), int(most), float(seconds), float(rate)))
    statuses = {str(status): count for status, count in report.statuses.items()}
    told = {"statuses": statuses, "lost": dict(report.lost), "skipped": report.skipped}
    print(orjson.dumps(told | {"p99_s": report.quantile(0.99)}).decode())


if __name__ == "__main__":
    main()
