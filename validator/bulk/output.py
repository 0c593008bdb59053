"""Answers of a list in the format of the list: the same rows with our columns. Pure.

What a window becomes depends on nothing but the window, so that processes may share the work and a run that was cut
off continues byte for byte.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson

from validator.bulk.answers import Answer
from validator.bulk.encode import TableEncoder, encode_lines, merged_objects
from validator.bulk.files import ListFormat
from validator.bulk.rows import Rows


@dataclass(frozen=True, slots=True)
class OutputShape:
    """How answers are written; small and picklable, so that every process has the same."""

    format: ListFormat
    """How they are written."""
    columns: tuple[str, ...] | None = None
    """The input's column names, where it is a table; None: only `orig`."""
    delimiter: str = ","
    """Between cells of a table."""
    raw: bool = False
    """Leave cells as they are, even when a spreadsheet would run them."""
    gzip: bool = False
    """Compress; every piece is a gzip member of its own."""

    def start(self) -> bytes:
        """What comes before the first row."""
        return self._packed(self._start())

    def _start(self) -> bytes:
        match self.format:
            case ListFormat.CSV | ListFormat.TSV | ListFormat.TXT:
                return self._table().header(self.columns)
            case ListFormat.JSON:
                return b"[\n"
            case _:
                return b""

    def rows(self, rows: Rows, answers: Sequence[Answer], *, first: bool) -> bytes:
        """The lines of one window; *first* when nothing was written before but `start`."""
        match self.format:
            case ListFormat.CSV | ListFormat.TSV | ListFormat.TXT:
                table = self._table()
                table.header(self.columns)
                return self._packed(table.encode(rows, answers))
            case ListFormat.JSON:
                joined = b",\n".join(_dumped(item) for item in self._objects(rows, answers))
                return self._packed(joined if first else b",\n" + joined)
            case _ if rows.records is None:
                return self._packed(encode_lines(answers, rows.lines))
            case _:
                joined = b"\n".join([*(_dumped(item) for item in self._objects(rows, answers)), b""])
                return self._packed(joined)

    def end(self) -> bytes:
        """What comes after the last row."""
        return self._packed(b"\n]\n" if self.format is ListFormat.JSON else b"")

    def _table(self) -> TableEncoder:
        tabs = self.format in {ListFormat.TSV, ListFormat.TXT}
        return TableEncoder(delimiter="\t" if tabs else self.delimiter, raw=self.raw)

    def _objects(self, rows: Rows, answers: Sequence[Answer]) -> list[dict[str, object]]:
        records = rows.records if rows.records is not None else [{}] * len(rows)
        return merged_objects([self._named(record) for record in records], answers, rows.lines)

    def _named(self, record: Mapping[str, object] | Sequence[str]) -> Mapping[str, object]:
        """A record of a table as an object."""
        if isinstance(record, Mapping):
            return record
        return dict(zip(_distinct(self.columns or ()), record, strict=False))

    def _packed(self, piece: bytes) -> bytes:
        if not self.gzip or not piece:
            return piece
        deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
        return deflate.compress(piece) + deflate.flush()


@lru_cache(maxsize=16)
def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names for the members of an object: the second `note` of a header is `note_2`."""
    found: dict[str, None] = {}
    for name in names:
        shown, number = name, 1
        while shown in found or (number > 1 and shown in names):
            number += 1
            shown = f"{name}_{number}"
        found[shown] = None
    return tuple(found)


def _dumped(item: Mapping[str, object]) -> bytes:
    """JSON of one row; whole numbers of any length, which orjson does not write."""
    try:
        return orjson.dumps(item)
    except orjson.JSONEncodeError:
        return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
