"""Answers -> lines of NDJSON or a table. Pure.

Tables are opened in spreadsheets by people, so a cell that would be taken for a formula is defused; an acceptable
address never is one and stays as it is, because a mark before it would make it another address.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from functools import cache

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
        return self._lines([output_header(names)])

    def encode(self, rows: Rows, answers: Sequence[Answer]) -> bytes:
        """One line a row: its own cells (cut or filled to the header), then the added ones."""
        assert self._width is not None
        width = self._width
        table = []
        if rows.records is None:
            table = [(text, *answer_cells(answer)) for text, answer in zip(rows.texts, answers, strict=True)]
        else:
            for text, record, answer in zip(rows.texts, rows.records, answers, strict=True):
                cells = [*record] if isinstance(record, Sequence) else [text]
                if len(cells) != width:
                    cells = cells[:width] + [""] * (width - len(cells))
                table.append((*cells, *answer_cells(answer)))
        return self._lines(table)

    def _lines(self, table: Sequence[Sequence[str]]) -> bytes:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self._delimiter, lineterminator="\n")
        if self._raw:
            writer.writerows(table)
        else:
            writer.writerows([[defuse(cell) for cell in cells] for cells in table])
        return buffer.getvalue().encode()


def merged_object(record: Mapping[str, object], answer: Answer, line: int) -> dict[str, object]:
    """One object of a list: its own members, those that we use too as `orig_NAME`, then ours."""
    if isinstance(answer, RowFault):
        ours: dict[str, object] = {"line": line, "error": answer.document()}
    else:
        ours = verdict_document(answer)
        if record:
            del ours["orig"]
    merged: dict[str, object] = {}
    for name, value in record.items():
        shown = name
        while shown in ours or (shown != name and shown in record):
            shown = f"orig_{shown}"
        merged[shown] = value
    return merged | ours
