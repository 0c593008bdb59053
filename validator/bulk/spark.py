"""Hundreds of millions of addresses on a Spark cluster: each domain resolved a few times, whatever the rows.

    from validator.bulk.spark import check_frame
    checked = check_frame(frame, "email", Settings(dns_servers=("10.0.0.53",)))

Needs `requirements/spark.txt` on the driver and the workers; nothing else of the package imports Spark. Rows keep
their columns; `valid,email,reason,status,suggestion` are added as in every list (`orig_NAME` for names of the input
that we use too). Every worker opens its own checker; the blacklist it reads is the configured one, so point
`database_url` at a PostgreSQL that the workers reach.

Addresses of one domain are brought to few workers first (`repartition`), so a domain is looked up at most `SALT`
times in the whole run and its facts are cached while its rows pass. Without the salt the rows of the most common
domain would be one task that never ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from validator.bulk.encode import ADDED_COLUMNS, answer_cells, output_header
from validator.bulk.judging import judge_windows
from validator.bulk.processes import OpenChecker
from validator.bulk.rows import RowFault, RowOptions, Rows, windows_of
from validator.checker import CheckOptions
from validator.settings import OnUnknown
from validator.verdict import Verdict

NO_TEXT = RowFault(422, "no text in the column of addresses")
SALT = 16
"""Tasks over which the rows of one domain may be spread."""


def check_frame(frame: Any, column: str, open_checker: OpenChecker, options: CheckOptions = CheckOptions()) -> Any:  # noqa: B008
    """*frame* with our columns; rows come in no particular order. *open_checker* must be picklable.

    For the configured checker: `functools.partial(validator.runtime.open_pipeline, settings)`.
    """
    from pyspark.sql import functions
    from pyspark.sql.types import BooleanType, StringType, StructField, StructType

    domain = functions.lower(functions.substring_index(functions.col(column), "@", -1))
    salt = functions.pmod(functions.hash(functions.col(column)), functions.lit(SALT))
    together = frame.repartition(domain, salt)
    names = output_header(frame.columns)[: len(frame.columns)]
    fields = [
        StructField(name, field.dataType, field.nullable) for name, field in zip(names, frame.schema, strict=True)
    ]
    fields.append(StructField("valid", BooleanType()))
    fields += [StructField(name, StringType()) for name in ADDED_COLUMNS[1:]]
    work = _work_on(frame.columns.index(column), [field.name for field in fields], open_checker, options)
    return together.mapInArrow(work, StructType(fields))


def _work_on(
    index: int, names: list[str], open_checker: OpenChecker, options: CheckOptions
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What a worker does with the record batches of its partition."""

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        loop = asyncio.new_event_loop()
        answered = _answered(batches, index, names, open_checker, RowOptions(options, OnUnknown.ACCEPT))
        try:
            while True:
                try:
                    yield loop.run_until_complete(anext(answered))
                except StopAsyncIteration:
                    return
        finally:
            loop.run_until_complete(answered.aclose())
            loop.close()

    return work


async def _answered(
    batches: Iterator[Any], index: int, names: list[str], open_checker: OpenChecker, options: RowOptions
) -> Any:
    import pyarrow

    async with open_checker() as checker:
        for batch in batches:
            rows = Rows()
            for number, value in enumerate(batch.column(index).to_pylist(), 1):
                if isinstance(value, str):
                    rows.texts.append(value)
                    rows.lines.append(number)
                else:
                    rows.add_fault(number, NO_TEXT)
            answers = [answer async for _, part in judge_windows(checker, _parts(rows), options) for answer in part]
            cells = [answer_cells(answer) for answer in answers]
            ours = [pyarrow.array([answer.valid if isinstance(answer, Verdict) else None for answer in answers])]
            for place in range(1, len(ADDED_COLUMNS)):
                ours.append(pyarrow.array([row[place] or None for row in cells], pyarrow.string()))
            yield pyarrow.RecordBatch.from_arrays([*batch.columns, *ours], names=names)


async def _parts(rows: Rows) -> AsyncIterator[Rows]:
    for part in windows_of(rows):
        yield part
