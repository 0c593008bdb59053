"""What a Spark worker does with its record batches; with pyspark and Java also on a local cluster."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pyarrow as pa
import pytest

from tests.bulk.test_resume import Fake
from validator.bulk.spark import _work_on, check_frame
from validator.checker import CheckOptions


@asynccontextmanager
async def fake_checker() -> AsyncIterator[Fake]:
    yield Fake()


def test_a_worker_adds_our_columns_to_every_batch() -> None:
    names = ["id", "orig_email", "valid", "email", "reason", "status", "suggestion"]
    work = _work_on(1, names, fake_checker, CheckOptions())
    batches = [
        pa.RecordBatch.from_pydict({"id": [1, 2, 3], "email": ["Ab@b.c", None, "abc@b.c"]}),
        pa.RecordBatch.from_pydict({"id": [4], "email": ["x@b.c"]}),
    ]
    rows = [row for batch in work(iter(batches)) for row in batch.to_pylist()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["orig_email"] == "Ab@b.c"
    assert [row["status"] for row in rows] == ["invalid", None, "valid", "valid"]
    assert [row["valid"] for row in rows] == [False, None, True, True]


def test_on_a_local_cluster() -> None:
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    session = sql.SparkSession.builder.master("local[2]").getOrCreate()
    frame = session.createDataFrame([(number, f"user{number}@b.c") for number in range(100)], ["id", "email"])
    rows = check_frame(frame, "email", fake_checker).collect()
    assert sorted(row["id"] for row in rows) == list(range(100))
    session.stop()
