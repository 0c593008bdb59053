"""Tables: CSV and TSV lines -> rows, with the column of addresses chosen by name or number. Pure.

A record may span lines inside quotes (RFC 4180); a quote that is never closed spoils one line, not the rest.
"""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from validator.bulk.ndjson import TOO_LONG
from validator.bulk.rows import RowFault, Rows
from validator.errors import RequestRefused

EMAIL_NAMES = frozenset({"email", "e-mail", "mail", "emails", "email address", "email_address", "emailaddress"})
"""Header names that mostly stand over the column of addresses; `column_named` knows more. In lower case."""

_QUOTED = re.compile(r'"[^"]*(?:"|$)')
NOT_UTF8 = RowFault(400, "not UTF-8")
NO_CELL = RowFault(422, "the row has no cell in the column of addresses")
OPEN_QUOTE = RowFault(422, "a quote that is not closed")


@dataclass(frozen=True, slots=True)
class TableShape:
    """How a table is read."""

    delimiter: str | None = None
    """One character; None finds out from the first line: tab, semicolon or comma."""
    column: str | None = None
    """Name, pattern (`*mail*`) or 1-based number of the column; None finds out from the header."""
    header: bool | None = None
    """Whether the first record names the columns; None finds out."""


def sniff_delimiter(line: str) -> str:
    """The character that cuts *line* into most cells; a comma when none does. What is quoted is not cut."""
    bare = _QUOTED.sub("", line) if '"' in line else line
    return max(",;\t", key=lambda mark: (bare.count(mark), mark == ","))


def column_named(names: Sequence[str]) -> int | None:
    """Which of the columns or members called *names* holds addresses, when none was asked for; None when unclear."""
    for index, name in enumerate(names):
        if name.strip().lower() in EMAIL_NAMES:
            return index
    from validator.blacklist.importing.columns import address_column

    return address_column(names)


class TableDecoder:
    """Lines -> rows; the first record decides delimiter, header and column. Blank lines give no row."""

    def __init__(self, shape: TableShape, *, max_record_bytes: int, keep_records: bool = False) -> None:
        self._shape = shape
        self._max_record_bytes = max_record_bytes
        self._keep_records = keep_records
        self._line = 0
        self._pending: list[str] = []
        self._pending_line = 0
        self._pending_bytes = 0
        self._index: int | None = None
        self.delimiter = shape.delimiter or ","
        self.header: list[str] | None = None
        """Names of the columns, once the first record was read and if it has them."""

    @property
    def started(self) -> bool:
        """The first record was read, so `header` and `delimiter` are decided."""
        return self._index is not None

    def decode(self, lines: Sequence[bytes | None]) -> Rows:
        """The rows of *lines*. Raises `RequestRefused` when the first record shows no column of addresses."""
        rows = Rows(records=[] if self._keep_records else None)
        for line in lines:
            self._line += 1
            if line is None:
                self._give_up_pending(rows)
                rows.add_fault(self._line, TOO_LONG)
                continue
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self._give_up_pending(rows)
                rows.add_fault(self._line, NOT_UTF8)
                continue
            self._add_line(rows, text.removesuffix("\r"))
        return rows

    def finish(self) -> Rows:
        """A record that was still open at the end of the input."""
        rows = Rows(records=[] if self._keep_records else None)
        self._give_up_pending(rows)
        return rows

    def _add_line(self, rows: Rows, text: str) -> None:
        if not self._pending:
            if self._index is None and not self._shape.delimiter:
                self.delimiter = sniff_delimiter(text)
            if '"' not in text:
                if text and not text.isspace():
                    self._add_record(rows, text.split(self.delimiter), self._line)
                return
            self._pending_line, self._pending_bytes = self._line, 0
        self._pending.append(text)
        self._pending_bytes += len(text) + 1
        # an open field is closed by a line with an odd number of quotes: only then is it worth looking
        if len(self._pending) == 1 or text.count('"') % 2:
            cells = split_record("\n".join(self._pending), self.delimiter)
            if cells is not None:
                self._pending = []
                self._add_record(rows, cells, self._pending_line)
                return
        if self._pending_bytes > self._max_record_bytes:
            self._give_up_pending(rows)

    def _give_up_pending(self, rows: Rows) -> None:
        """The line that opened the quote is at fault; those after it are read again, each for itself."""
        held, self._pending = self._pending, []
        for number, text in enumerate(held, self._pending_line):
            cells = split_record(text, self.delimiter)
            if cells is None:
                rows.add_fault(number, OPEN_QUOTE)
            elif text and not text.isspace():
                self._add_record(rows, cells, number)

    def _add_record(self, rows: Rows, cells: list[str], line: int) -> None:
        if self._index is None:
            self._index, named = choose_column(cells, self._shape)
            if named:
                self.header = cells
                return
        if self._index >= len(cells):
            rows.add_fault(line, NO_CELL, cells)
            return
        rows.texts.append(cells[self._index])
        rows.lines.append(line)
        if rows.records is not None:
            rows.records.append(cells)


def split_record(text: str, delimiter: str) -> list[str] | None:
    """The cells of one record, or None when a quote is still open. A stray quote inside a cell is kept as text."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        return next(csv.reader([text], delimiter=delimiter))


def choose_column(cells: Sequence[str], shape: TableShape) -> tuple[int, bool]:
    """Index of the column of addresses, and whether *cells* is a header; raises `RequestRefused` when unclear."""
    names = [cell.strip().lower() for cell in cells]
    column = shape.column
    if column is not None and column.isdecimal() and (shape.header is False or column not in names):
        index = int(column) - 1
        if index < 0 or (shape.header is not False and index >= len(cells)):
            raise RequestRefused("column: the table has fewer columns")
        has_header = shape.header if shape.header is not None else "@" not in cells[index]
        return index, has_header
    if column is not None:
        if shape.header is False:
            raise RequestRefused("column: a table without a header needs the number of the column")
        for index, name in enumerate(names):
            if name == column.lower() or fnmatch.fnmatchcase(name, column.lower()):
                return index, True
        raise RequestRefused("column: there is no such column in the header")
    if shape.header is not False:
        named = column_named(cells)
        is_sure = bool(shape.header) or not any("@" in cell for cell in cells)
        if named is not None and (is_sure or names[named] in EMAIL_NAMES):
            return named, True
    if len(cells) == 1:
        return 0, bool(shape.header)
    if not shape.header:
        for index, cell in enumerate(cells):
            if "@" in cell:
                return index, False
    raise RequestRefused("column: none is known to hold addresses; name it (column=NAME, --column NAME)")


def choose_columns(cells: Sequence[str], shape: TableShape, columns: Sequence[str]) -> tuple[list[int], bool]:
    """The same for several columns, each named, numbered or given as a pattern that may fit many."""
    if not columns:
        index, has_header = choose_column(cells, shape)
        return [index], has_header
    found: dict[int, None] = {}
    has_header = False
    for column in columns:
        index, has_header = choose_column(cells, TableShape(shape.delimiter, column, shape.header))
        found[index] = None
        if has_header and not column.isdecimal():
            matching = (fnmatch.fnmatchcase(cell.strip().lower(), column.lower()) for cell in cells)
            found.update((place, None) for place, fits in enumerate(matching) if fits)
    return sorted(found), has_header


class TextDecoder:
    """One address a line; blank lines give no row."""

    def __init__(self) -> None:
        self._line = 0

    def decode(self, lines: Sequence[bytes | None]) -> Rows:
        """The rows of *lines*, which continue where the last call ended."""
        first = self._line + 1
        self._line += len(lines)
        whole = [line for line in lines if line is not None]
        if len(whole) == len(lines):
            with contextlib.suppress(UnicodeDecodeError):
                return _rows_of_texts(b"\n".join(whole).decode().split("\n") if whole else [], first)
        rows = Rows()
        for number, line in enumerate(lines, first):
            if line is None:
                rows.add_fault(number, TOO_LONG)
                continue
            try:
                rows.extend(_rows_of_texts([line.decode()], number))
            except UnicodeDecodeError:
                rows.add_fault(number, NOT_UTF8)
        return rows

    def finish(self) -> Rows:
        """Nothing is held back."""
        return Rows()


def _rows_of_texts(texts: list[str], first: int) -> Rows:
    """Lines that were decoded, the first of them on line *first*, without the blank ones."""
    texts = [text.removesuffix("\r") for text in texts]
    if all(map(str.strip, texts)):
        return Rows(texts, [*range(first, first + len(texts))])
    kept = [(text, number) for number, text in enumerate(texts, first) if text.strip()]
    return Rows([text for text, _ in kept], [number for _, number in kept])
