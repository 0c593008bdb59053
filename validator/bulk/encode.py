"""Answers -> lines of NDJSON or a table. Pure.

Tables are opened in spreadsheets by people, so a cell that would be taken for a formula is defused; an acceptable
address never is one and stays as it is, because a mark before it would make it another address.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

import orjson

from validator.bulk.answers import Answer
from validator.bulk.rows import RowFault, Rows
from validator.checker import RouteVerdict, Verdicts
from validator.checker.document import verdict_document
from validator.verdict import Verdict

ADDED_COLUMNS = ("valid", "email", "reason", "status", "suggestion")
"""What is added to every row of a list."""
ERROR_COLUMN = "error"
"""Why a row has no verdict; the last column of a table."""

_FORMULA_STARTS = frozenset("=+-@\t\r\n|%")
_HARMLESS = re.compile(
    r"[+-]?[0-9][0-9 .,]*"  # a number or a telephone number
    r"|[A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+"  # a plain address: no call, reference or operator fits in it
    r"|-+"
)


def encode_lines(answers: Sequence[Answer], lines: Sequence[int]) -> bytes:
    """NDJSON: the answer of `POST /check` a line, or an error object with its line number."""
    if not isinstance(answers, Verdicts):
        return b"".join([_line(answer, line) for answer, line in zip(answers, lines, strict=True)])
    frames = [None if route is None else _frame(route) for route in answers.alone]
    return "".join(
        [
            f"{frame[0]}{text}{frame[1]}{text}{frame[2]}"
            if frame is not None
            else _line(answers.others[index], lines[index]).decode()
            for index, (text, frame) in enumerate(zip(answers.texts, frames, strict=True))
        ]
    ).encode()


def _line(answer: Answer, line: int) -> bytes:
    document = verdict_document(answer) if isinstance(answer, Verdict) else {"line": line, "error": answer.document()}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


@cache
def _frame(route: RouteVerdict) -> tuple[str, str, str]:
    """The line of a verdict about which only the route speaks, without its address, which JSON never escapes."""
    line = _line(Verdict("@", route.reason is None, "@", route.reason, route.status, None), 0).decode()
    before, between, after = line.split("@")
    return before, between, after


def defuse(cell: str) -> str:
    """The cell with a `'` before it when a spreadsheet would run it."""
    if cell and cell[0] in _FORMULA_STARTS and not _HARMLESS.fullmatch(cell):
        return f"'{cell}"
    return cell


def output_header(columns: Sequence[str]) -> list[str]:
    """The input's names and ours; an input name that we use too becomes `orig_NAME`."""
    ours = (*ADDED_COLUMNS, ERROR_COLUMN)
    taken = {*columns, *ours}
    renamed = []
    for name in columns:
        shown = name
        if name in ours:
            shown = f"orig_{name}"
            while shown in taken:
                shown = f"orig_{shown}"
            taken.add(shown)
        renamed.append(shown)
    return [*renamed, *ours]


def answer_cells(answer: Answer) -> tuple[str, ...]:
    """The added cells of one row."""
    if isinstance(answer, RowFault):
        return ("", "", "", "", "", answer.detail)
    return (
        "true" if answer.valid else "false",
        answer.email,
        "" if answer.reason is None else answer.reason.value,
        answer.status.value,
        answer.suggestion or "",
        "",
    )


class TableEncoder:
    """Rows with their answers as CSV or TSV, the header first; formulas defused unless *raw*."""

    def __init__(self, *, delimiter: str = ",", raw: bool = False) -> None:
        self._delimiter = delimiter
        self._raw = raw
        self._width: int | None = None

    def header(self, columns: Sequence[str] | None) -> bytes:
        """The header line; for a table without one the columns are numbered; None: only `orig`."""
        names = ["orig"] if columns is None else list(columns)
        self._width = len(names)
        return self._lines([output_header(names)], [()])

    def encode(self, rows: Rows, answers: Sequence[Answer]) -> bytes:
        """One line a row: its own cells (cut or filled to the header), then the added ones."""
        assert self._width is not None
        width = self._width
        added = self._added(answers)
        if rows.records is None:
            return self._lines([(text,) for text in rows.texts], added)
        table: list[Sequence[str]] = []
        for text, record in zip(rows.texts, rows.records, strict=True):
            cells = record if type(record) is list else [*record] if isinstance(record, Sequence) else [text]
            table.append(cells if len(cells) == width else [*cells[:width], *[""] * (width - len(cells))])
        return self._lines(table, added)

    def _added(self, answers: Sequence[Answer]) -> list[Sequence[str]]:
        if not isinstance(answers, Verdicts):
            return [self._defused(answer_cells(answer)) for answer in answers]
        found: list[Sequence[str]] = []
        for index, (text, route) in enumerate(zip(answers.texts, answers.alone, strict=True)):
            if route is None:
                found.append(self._defused(answer_cells(answers.others[index])))
            else:
                valid, others = _cells(route)
                found.append((valid, text, *others))
        return found

    def _defused(self, cells: Sequence[str]) -> Sequence[str]:
        return cells if self._raw else [defuse(cell) for cell in cells]

    def _lines(self, table: Sequence[Sequence[str]], added: Sequence[Sequence[str]]) -> bytes:
        """The lines of *table*, defused here, with the cells of *added*, which are harmless."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self._delimiter, lineterminator="\n")
        if self._raw:
            writer.writerows([(*cells, *ours) for cells, ours in zip(table, added, strict=True)])
        else:
            starts = _FORMULA_STARTS
            writer.writerows(
                [
                    (*[defuse(cell) if cell[:1] in starts else cell for cell in cells], *ours)
                    for cells, ours in zip(table, added, strict=True)
                ]
            )
        return buffer.getvalue().encode()


@cache
def _cells(route: RouteVerdict) -> tuple[str, tuple[str, ...]]:
    """The added cells of a verdict about which only the route speaks, before and after its address."""
    valid, _, *others = answer_cells(_blank(route))
    return valid, tuple(others)


@cache
def _document(route: RouteVerdict) -> dict[str, object]:
    """The same as an object without `orig`, to be copied and given its address."""
    document = verdict_document(_blank(route))
    del document["orig"]
    return document


def _blank(route: RouteVerdict) -> Verdict:
    return Verdict("", route.reason is None, "", route.reason, route.status, None)


def merged_objects(
    records: Sequence[Mapping[str, object]], answers: Sequence[Answer], lines: Sequence[int]
) -> list[dict[str, object]]:
    """The objects of a list: each one's own members, those that we use too as `orig_NAME`, then ours."""
    together = answers if isinstance(answers, Verdicts) else None
    merged = []
    for index, record in enumerate(records):
        route = None if together is None else together.alone[index]
        if together is not None and route is not None and record:
            ours = _document(route) | {"email": together.texts[index]}
        else:
            ours = _ours(answers[index], lines[index], alone=not record)
        merged.append(dict(zip(_shown(tuple(record), tuple(ours)), record.values(), strict=True)) | ours)
    return merged


def _ours(answer: Answer, line: int, *, alone: bool) -> dict[str, object]:
    if isinstance(answer, RowFault):
        return {"line": line, "error": answer.document()}
    document = verdict_document(answer)
    if not alone:
        del document["orig"]
    return document


@lru_cache(maxsize=64)
def _shown(names: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a record's members in the output; the rows of one list mostly have the same."""
    renamed = []
    for name in names:
        shown = name
        while shown in ours or (shown != name and shown in names):
            shown = f"orig_{shown}"
        renamed.append(shown)
    return tuple(renamed)
