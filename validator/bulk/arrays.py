"""A JSON array of any length -> rows, one element at a time. Pure.

Elements are strings, or objects with a member that holds the address. Lines are those on which an element begins.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import orjson

from validator.bulk.ndjson import NOT_A_ROW, NOT_JSON, TOO_LONG
from validator.bulk.rows import RowFault, Rows
from validator.bulk.table import column_named
from validator.errors import RequestRefused

NO_MEMBER = RowFault(422, "the object has no text in the member of addresses")
_SPACE = re.compile(r"[ \t\r\n]*")
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
"""What may be a whole number of more than 64 bits, which orjson rounds."""
_CLOSERS = frozenset('"]}')


def member_finder(column: str | None) -> Callable[[dict[str, object]], str | None]:
    """Finds the member that holds the address: the one named, else the first with a usual name."""

    def named(value: dict[str, object]) -> str | None:
        return column if column in value else None

    @lru_cache(maxsize=64)
    def usual_among(names: tuple[str, ...]) -> str | None:
        found = column_named(names)
        return None if found is None else names[found]

    def usual(value: dict[str, object]) -> str | None:
        return usual_among(tuple(value))  # the rows of one list mostly have the same members

    return usual if column is None else named


def add_value(rows: Rows, line: int, value: object, find: Callable[[dict[str, object]], str | None]) -> None:
    """Append one decoded element as a row."""
    if isinstance(value, str):
        rows.texts.append(value)
        rows.lines.append(line)
        if rows.records is not None:
            rows.records.append({})
        return
    if not isinstance(value, dict):
        rows.add_fault(line, NOT_A_ROW, {})
        return
    name = find(value)
    text = value.get(name) if name is not None else None
    if not isinstance(text, str):
        rows.add_fault(line, NO_MEMBER, value)
        return
    rows.texts.append(text)
    rows.lines.append(line)
    if rows.records is not None:
        rows.records.append(value)


def _is_sound(element: str) -> bool:
    """An escape may name half of a character, which no UTF-8 can carry on."""
    if "\\u" not in element:
        return True
    try:
        orjson.loads(element)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    return True


def _exact(line: bytes, rounded: object) -> object:
    """The value of a line with its whole numbers as they stand; *rounded* where Python refuses their length."""
    try:
        return json.loads(line)
    except ValueError:
        return rounded


class ArrayDecoder:
    """Chunks of one JSON array -> rows; holds one unfinished element of at most *max_element_chars*."""

    def __init__(self, *, column: str | None, max_element_chars: int, keep_records: bool = False) -> None:
        self._find = member_finder(column)
        self._max_element_chars = max_element_chars
        self._keep_records = keep_records
        self._decoder = json.JSONDecoder()
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._tried = 0
        self._line = 1
        self._state = "start"

    def feed(self, chunk: bytes) -> Rows:
        """The rows that *chunk* completes. Raises `RequestRefused` where the text is no JSON array."""
        return self._take(chunk, final=False)

    def finish(self) -> Rows:
        """Ends the input; raises `RequestRefused` when the array is not closed."""
        rows = self._take(b"", final=True)
        if self._state != "end":
            raise RequestRefused(f"line {self._line}: the JSON array is not closed")
        return rows

    def _take(self, chunk: bytes, *, final: bool) -> Rows:
        rows = Rows(records=[] if self._keep_records else None)
        try:
            self._text += self._utf8.decode(chunk, final)
        except UnicodeDecodeError:
            raise RequestRefused(f"after line {self._line}: not UTF-8") from None
        # an unfinished element is tried again when there is twice as much, so that a long one costs linear time
        if not final and len(self._text) < self._tried:
            return rows
        at = self._scan(rows, final=final)
        self._text = self._text[at:]
        self._tried = 2 * len(self._text) if self._state == "value" else 0
        if len(self._text) > self._max_element_chars:
            raise RequestRefused(f"line {self._line}: {TOO_LONG.detail}")
        return rows

    def _scan(self, rows: Rows, *, final: bool) -> int:
        text, at = self._text, 0
        while True:
            gap = _SPACE.match(text, at)
            assert gap is not None
            self._line += text.count("\n", at, gap.end())
            at = gap.end()
            if at == len(text):
                return at
            char = text[at]
            if self._state == "end":
                raise RequestRefused(f"line {self._line}: something after the JSON array")
            if self._state == "start":
                self._expect(char == "[", "a JSON array is needed")
                at, self._state = at + 1, "first"
            elif self._state == "after":
                self._expect(char in ",]", "a comma or the end of the array is needed")
                at, self._state = at + 1, "value" if char == "," else "end"
            elif char == "]" and self._state == "first":
                at, self._state = at + 1, "end"
            else:
                self._state = "value"
                try:
                    value, end = self._decoder.raw_decode(text, at)
                except (ValueError, RecursionError) as error:
                    if final or isinstance(error, RecursionError):
                        raise RequestRefused(f"line {self._line}: not JSON") from None
                    return at
                if not final and end == len(text) and text[end - 1] not in _CLOSERS:
                    return at
                if end - at > self._max_element_chars:
                    rows.add_fault(self._line, TOO_LONG, {})
                elif _is_sound(text[at:end]):
                    add_value(rows, self._line, value, self._find)
                else:
                    rows.add_fault(self._line, NOT_JSON, {})
                self._line += text.count("\n", at, end)
                at, self._state = end, "after"

    def _expect(self, true: bool, otherwise: str) -> None:
        if not true:
            raise RequestRefused(f"line {self._line}: {otherwise}")


class ObjectLinesDecoder:
    """NDJSON of a file: a string or an object of any shape a line, whose member of addresses is judged."""

    def __init__(self, *, column: str | None, keep_records: bool = False) -> None:
        self._find = member_finder(column)
        self._keep_records = keep_records
        self._line = 0

    def decode(self, lines: Sequence[bytes | None]) -> Rows:
        """The rows of *lines*, which continue where the last call ended."""
        rows = Rows(records=[] if self._keep_records else None)
        for number, line in enumerate(lines, self._line + 1):
            if line is None:
                rows.add_fault(number, TOO_LONG, {})
                continue
            stripped = line.strip(b" \t\r")
            if not stripped:
                continue
            try:
                value = orjson.loads(stripped)
            except (orjson.JSONDecodeError, RecursionError):
                rows.add_fault(number, NOT_JSON, {})
                continue
            if self._keep_records and _LONG_NUMBER.search(stripped):
                value = _exact(stripped, value)
            add_value(rows, number, value, self._find)
        self._line += len(lines)
        return rows

    def finish(self) -> Rows:
        """Nothing is held back."""
        return Rows()
