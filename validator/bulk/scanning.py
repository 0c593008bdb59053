"""Addresses in fixtures of any format, each with the line and column it stands at. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from validator.bulk.documents import Cell, scan_json, scan_yaml
from validator.bulk.fields import FieldMatcher
from validator.bulk.table import TableShape, choose_columns, sniff_delimiter
from validator.errors import RequestRefused

_NOT_BLANK = re.compile(r"\S[^\n]*")


def scan_table(text: str, shape: TableShape, columns: Sequence[str] = (), *, required: bool = True) -> Iterator[Cell]:
    """Addresses of the columns of a table, but for empty cells; without such a column none, or `RequestRefused`."""
    delimiter = shape.delimiter or sniff_delimiter(_first_line(text))
    chosen: list[int] | None = None
    names: dict[int, str] = {}
    for record in _records(text, delimiter):
        cells = [cell.text for cell in record]
        if not any(map(str.strip, cells)):
            continue
        if chosen is None:
            try:
                chosen, has_header = choose_columns(cells, shape, columns)
            except RequestRefused:
                if required:
                    raise
                return
            names = {index: cells[index] if has_header else str(index + 1) for index in chosen}
            if has_header:
                continue
        for index in chosen:
            if index < len(record) and record[index].text:
                cell = record[index]
                yield Cell(cell.text, cell.line, cell.column, names[index])


def _first_line(text: str) -> str:
    """The first line that is not blank; empty where there is none."""
    found = _NOT_BLANK.search(text)
    return "" if found is None else found[0]


def _records(text: str, delimiter: str) -> Iterator[list[Cell]]:
    """Every record as cells with their positions (RFC 4180; a quote inside an unquoted cell is text)."""
    mark = re.escape(delimiter)
    cell = re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^{mark}\r\n]*))[^{mark}\r\n]*(\r?\n|\r|{mark}|\Z)')
    at = line_start = 0
    line = 1
    record: list[Cell] = []
    while at < len(text) or record:
        found = cell.match(text, at)
        assert found is not None
        quoted = found[1]
        value = found[2] if quoted is None else quoted.replace('""', '"')
        record.append(Cell(value or "", line, at - line_start + 1, ""))
        newlines = text.count("\n", at, found.end())
        if newlines:
            line += newlines
            line_start = text.rindex("\n", at, found.end()) + 1
        at = found.end()
        if found[3] != delimiter:
            yield record
            record = []


def scan_text(text: str) -> Iterator[Cell]:
    """One address a line; blank lines and lines that begin with `#` are left out."""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield Cell(stripped, number, len(line) - len(line.lstrip()) + 1, "")


def scan_all(text: str, kind: str, *, fields: Sequence[str] = (), columns: Sequence[str] = ()) -> Iterator[Cell]:
    """Addresses of a text of *kind* (`json`, `ndjson`, `yaml`, `csv`, `tsv`, `txt`); raises `RequestRefused`."""
    match kind:
        case "json" | "ndjson" | "yaml":
            paths = [*fields, *columns]
            matcher = FieldMatcher(paths) if paths else FieldMatcher()
            return scan_yaml(text, matcher) if kind == "yaml" else scan_json(text, matcher, lines=kind == "ndjson")
        case "csv" | "tsv":
            names = [*columns, *(path.removeprefix("$").lstrip(".") for path in fields)]
            shape = TableShape("\t" if kind == "tsv" else None)
            # a field path is meant for many files, not all of which have it; a column is meant to be there
            return scan_table(text, shape, names, required=bool(columns) or not fields)
        case "txt":
            return scan_text(text)
        case _:
            raise RequestRefused(f"{kind}: no such format of fixtures")
