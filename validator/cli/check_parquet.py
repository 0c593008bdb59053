"""One list in Parquet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from validator.bulk.judging import judge_windows
from validator.bulk.parquet import ParquetList, ParquetOutput
from validator.bulk.rows import Rows
from validator.bulk.running import Progress
from validator.bulk.summary import Summary
from validator.cli.check_engine import Engine


async def check_parquet(
    path: Path, out: Path | None, column: str | None, engine: Engine, show: Callable[[Progress], None]
) -> tuple[Summary, float]:
    """Judge it and write the same table with our columns; counts and seconds."""
    begun = time.monotonic()
    source = ParquetList(path, column)
    output = ParquetOutput(out, source.schema) if out is not None else None
    summary = Summary()
    batches: list[Any] = []

    async def windows() -> AsyncIterator[Rows]:
        for batch, rows in source.windows():
            batches.append(batch)
            yield rows

    try:
        async with engine.open_checker() as checker:
            async for _, answers in judge_windows(checker, windows(), engine.row_options):
                batch = batches.pop(0)
                summary.add(answers)
                if output is not None:
                    output.write(batch, answers)
                show(Progress(summary.rows, summary.rows, source.total_rows, summary))
        if output is not None:
            output.finish()
    finally:
        if output is not None:
            output.abandon()
    return summary, time.monotonic() - begun
