"""Lists in Parquet (extra `parquet`): row groups in, the same columns with ours out, a window at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from validator.bulk.answers import Answer
from validator.bulk.encode import ADDED_COLUMNS, ERROR_COLUMN, answer_cells, output_header
from validator.bulk.partial import as_before, open_alone, partial_of
from validator.bulk.rows import WINDOW_ROWS, RowFault, Rows
from validator.bulk.table import TableShape, choose_column
from validator.errors import RequestRefused
from validator.verdict import Verdict

NO_TEXT = RowFault(422, "no text in the column of addresses")


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise RequestRefused("Parquet needs the extra `parquet`: pip install 'validator-service[parquet]'") from error
    return parquet


class ParquetList:
    """One Parquet file as windows of rows."""

    def __init__(self, path: Path, column: str | None) -> None:
        """Open it; raises `RequestRefused` when it is no Parquet file or has no column of addresses."""
        parquet = _pyarrow()
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise RequestRefused(f"{path}: not a Parquet file") from error
        self._path = path
        self.schema = self._file.schema_arrow
        self.total_rows = int(self._file.metadata.num_rows)
        self._index, _ = choose_column(self.schema.names, TableShape(None, column, header=True))

    def windows(self) -> Iterator[tuple[Any, Rows]]:
        """Every record batch with its rows."""
        line = 1
        for batch in self._batches():
            rows = Rows()
            for number, value in enumerate(batch.column(self._index).to_pylist(), line):
                if isinstance(value, str):
                    rows.texts.append(value)
                    rows.lines.append(number)
                else:
                    rows.add_fault(number, NO_TEXT)
            line += len(rows)
            yield batch, rows

    def _batches(self) -> Iterator[Any]:
        """Every record batch; raises `RequestRefused` where the file is damaged."""
        batches = self._file.iter_batches(batch_size=WINDOW_ROWS)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, ValueError) as error:
                raise RequestRefused(f"{self._path}: damaged or cut off") from error
            if batch is None:
                return
            yield batch


class ParquetOutput:
    """The same table with our columns; `valid` is a boolean, empty where there is no verdict."""

    def __init__(self, path: Path, schema: Any) -> None:
        """Raises `RequestRefused` while another command writes to it. A link stays one."""
        import pyarrow

        self._path = path.resolve() if path.is_symlink() else path
        self._partial = partial_of(self._path)
        self._arrow = pyarrow
        fields = [
            field.with_name(name)
            for field, name in zip(schema, output_header(schema.names)[: len(schema)], strict=True)
        ]
        types = {"valid": pyarrow.bool_()}
        ours = (*ADDED_COLUMNS, ERROR_COLUMN)
        fields += [pyarrow.field(name, types.get(name, pyarrow.string())) for name in ours]
        self._schema = pyarrow.schema(fields)
        self._file = open_alone(self._partial)
        self._file.truncate()
        as_before(self._file, self._path)
        self._writer = _pyarrow().ParquetWriter(self._file, self._schema)

    def write(self, batch: Any, answers: Sequence[Answer]) -> None:
        """One record batch with its answers."""
        cells = [answer_cells(answer) for answer in answers]
        ours: list[list[object]] = [[answer.valid if isinstance(answer, Verdict) else None for answer in answers]]
        ours += [[row[place] or None for row in cells] for place in range(1, len(ADDED_COLUMNS) + 1)]
        columns = [*batch.columns]
        for values, field in zip(ours, list(self._schema)[len(columns) :], strict=True):
            columns.append(self._arrow.array(values, field.type))
        self._writer.write_batch(self._arrow.RecordBatch.from_arrays(columns, schema=self._schema))

    def finish(self) -> None:
        """Close and give the file its name."""
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.replace(self._path)
        self._file.close()

    def abandon(self) -> None:
        """Leave nothing: what was cut off cannot be continued."""
        if not self._file.closed:
            self._partial.unlink(missing_ok=True)
            with contextlib.suppress(OSError), self._file:  # a disk that is full was told already
                self._writer.close()
