"""Lists in files: which format, which encoding, rows in windows; read a piece at a time, compressed or not."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Protocol

from validator.bulk.arrays import ArrayDecoder, ObjectLinesDecoder
from validator.bulk.encoding import LineEnds, ToUtf8
from validator.bulk.gzipped import MAGIC, Gunzip, plain
from validator.bulk.lines import LineSplitter
from validator.bulk.rows import Rows
from validator.bulk.table import TableDecoder, TableShape, TextDecoder
from validator.errors import RequestRefused

CHUNK_BYTES = 256 * 1024
STDIN = Path("-")


class ListFormat(StrEnum):
    """How a list or a fixture is written."""

    TXT = "txt"
    """One address a line."""
    CSV = "csv"
    """Comma or semicolon between cells."""
    TSV = "tsv"
    """Tab between cells."""
    NDJSON = "ndjson"
    """A string or an object a line."""
    JSON = "json"
    """An array of strings or objects; with field paths any document."""
    YAML = "yaml"
    """Any document; fixtures only."""
    PARQUET = "parquet"
    """A table with types (extra `parquet`)."""


_SUFFIXES = {
    ".txt": ListFormat.TXT, ".lst": ListFormat.TXT, ".csv": ListFormat.CSV, ".tsv": ListFormat.TSV,
    ".tab": ListFormat.TSV, ".ndjson": ListFormat.NDJSON, ".jsonl": ListFormat.NDJSON, ".json": ListFormat.JSON,
    ".yaml": ListFormat.YAML, ".yml": ListFormat.YAML, ".parquet": ListFormat.PARQUET, ".pq": ListFormat.PARQUET,
}  # fmt: skip


UNREADABLE_ENDINGS = frozenset(
    {".xlsx", ".xlsm", ".xls", ".ods", ".numbers", ".zip", ".7z", ".bz2", ".xz", ".zst", ".pdf"}
)
"""Endings of files that are neither read nor written."""
_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or a zip archive", b"\xd0\xcf\x11\xe0": "a spreadsheet", b"%PDF-": "a PDF",
    b"7z\xbc\xaf": "an archive", b"\xfd7zXZ": "compressed with xz", b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"SQLite format 3\x00": "a database",
}  # fmt: skip
"""First bytes of files that hold lists for people, but are no text."""
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
"""How a bzip2 file begins, or an empty one; its first three letters alone also begin `BZhang@example.com`."""


def foreign_kind(head: bytes) -> str | None:
    """What a file is that begins so, where it is no text; None where it may be a list."""
    if _BZIP2.match(head):
        return "compressed with bzip2"
    return next((name for start, name in _FOREIGN.items() if head.startswith(start)), None)


def refuse_foreign(path: Path, head: bytes) -> None:
    """Raise `RequestRefused` when the first bytes are those of a file that is no text."""
    name = foreign_kind(head)
    if name is not None:
        raise RequestRefused(f"{path}: is {name}, which is not read; save the list as CSV in UTF-8")


def require_format(word: str, option: str) -> ListFormat:
    """The format that *option* names; raises `RequestRefused`."""
    try:
        return ListFormat(word)
    except ValueError:
        raise RequestRefused(f"{option}: one of {', '.join(ListFormat)}") from None


def format_of_name(path: Path) -> ListFormat | None:
    """The format that the name of a file tells, a final `.gz` left aside."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def format_of_content(head: bytes) -> ListFormat:
    """The format that the first bytes look like: JSON by its brackets, a table by its delimiters, else text."""
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith(b"["):
        return ListFormat.JSON
    if text.startswith((b"{", b'"{')) or (text.startswith(b'"') and b'"\n' in text and b"," not in text):
        return ListFormat.NDJSON
    line = text.partition(b"\n")[0]
    if b"\t" in line:
        return ListFormat.TSV
    return ListFormat.CSV if b"," in line or b";" in line else ListFormat.TXT


class LineDecoder(Protocol):
    """Lines to rows, in pieces."""

    def decode(self, lines: list[bytes | None]) -> Rows:
        """The rows of some lines, which continue where the last call ended."""
        ...

    def finish(self) -> Rows:
        """What is left at the end."""
        ...


@dataclass(frozen=True, slots=True)
class ListShape:
    """How a list is read."""

    format: ListFormat
    """How it is written."""
    column: str | None = None
    """Column or member of the address, by name or number; None finds out."""
    max_line_bytes: int = 65_536
    """Longest line, record or array element."""


class ListFile:
    """One list that is being read; `rows()` once."""

    def __init__(self, path: Path, shape: ListShape) -> None:
        self.path = path
        self.shape = shape
        self.read_bytes = 0
        """Bytes of the file that were read, for a progress bar."""
        self.total_bytes: int | None = path.stat().st_size if path != STDIN and path.is_file() else None
        self.header: list[str] | None = None
        """Names of the columns of a table, once its first rows were read."""
        self.delimiter = ","
        """Delimiter of a table, once its first rows were read."""
        self.is_table = shape.format in {ListFormat.CSV, ListFormat.TSV}

    def rows(self) -> Iterator[Rows]:
        """Rows in blocks of any size. Raises `RequestRefused` where the file is not what its format says."""
        with _opened(self.path) as file:
            yield from self._decoded(self._text(file))

    def _decoded(self, chunks: Iterator[bytes]) -> Iterator[Rows]:
        shape = self.shape
        if shape.format is ListFormat.JSON:
            array = ArrayDecoder(column=shape.column, max_element_chars=shape.max_line_bytes, keep_records=True)
            for chunk in chunks:
                yield array.feed(chunk)
            yield array.finish()
            return
        table: TableDecoder | None = None
        decoder: LineDecoder
        if self.is_table:
            delimiter = "\t" if shape.format is ListFormat.TSV else None
            decoder = table = TableDecoder(
                TableShape(delimiter, shape.column), max_record_bytes=shape.max_line_bytes, keep_records=True
            )
        elif shape.format is ListFormat.NDJSON:
            decoder = ObjectLinesDecoder(column=shape.column, keep_records=True)
        else:
            decoder = TextDecoder()
        splitter = LineSplitter(shape.max_line_bytes)
        for chunk in chunks:
            yield self._noted(decoder.decode(splitter.feed(chunk)), table)
        yield self._noted(decoder.decode(splitter.finish()), table)
        yield self._noted(decoder.finish(), table)

    def _noted(self, rows: Rows, table: TableDecoder | None) -> Rows:
        if table is not None and self.header is None and table.started:
            self.delimiter = table.delimiter
            self.header = table.header
            if self.header is None and len(rows):
                first = next(filter(None, rows.records or ()), ())  # lines before it may be unreadable
                self.header = [f"column_{number}" for number in range(1, len(first) + 1)]
        return rows

    def _text(self, file: IO[bytes]) -> Iterator[bytes]:
        """The file as UTF-8, decompressed."""
        to_utf8 = ToUtf8()
        line_ends = LineEnds()
        for chunk in plain(self._read(file)):
            yield line_ends.feed(to_utf8.feed(chunk))

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            self.read_bytes += len(chunk)
            yield chunk


def _opened(path: Path) -> IO[bytes]:
    if path == STDIN:
        return sys.stdin.buffer
    try:
        return path.open("rb")
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror}") from error


def head_of(path: Path) -> bytes:
    """The first bytes of a file, decompressed and as UTF-8, to tell its format by."""
    with _opened(path) as file:
        chunk = file.read(4_096)
    if chunk.startswith(MAGIC):
        chunk = next(Gunzip().feed(chunk), b"")
    return ToUtf8().feed(chunk)


def windows(blocks: Iterator[Rows], size: int, *, skip: int = 0) -> Iterator[Rows]:
    """The same rows in windows of exactly *size* (the last one may be smaller), the first *skip* rows left out."""
    held: Rows | None = None
    for found in blocks:
        rows = found
        if skip:
            taken = min(skip, len(rows))
            skip -= taken
            rows = rows.part(taken, len(rows))
        if not len(rows):
            continue
        if held is not None:
            held.extend(rows)
            rows = held
        start = 0
        while len(rows) - start >= size:
            yield rows.part(start, start + size)
            start += size
        held = rows.part(start, len(rows)) if start < len(rows) else None
    if held is not None:
        yield held
