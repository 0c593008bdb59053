"""NDJSON as `POST /check/stream` takes it: a JSON string or a check request a line. Pure.

A window is decoded in one call; only when that call cannot prove where each line's value ends is every line decoded
alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from validator.bulk.rows import WINDOW_ROWS, RowFault, RowOptions, Rows
from validator.checker import CheckOptions
from validator.settings import OnUnknown

TOO_LONG = RowFault(413, "a line longer than the limit")
NOT_JSON = RowFault(400, "not JSON")
NOT_A_ROW = RowFault(422, "neither a string nor an object")
_LIST_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FIELDS = frozenset({"email", "sanitize", "explain", "on_unknown", "lists"})
_ONLY_TEXTS = {str}
_TEXTS_AND_OBJECTS = {str, dict}
_BLANK = frozenset({b"", b"\r", b" "})


class NdjsonDecoder:
    """Lines -> rows; blank lines are counted but give no row."""

    def __init__(self, defaults: RowOptions) -> None:
        self._defaults = defaults
        self._line = 0

    def decode(self, lines: Sequence[bytes | None]) -> Rows:
        """The rows of *lines*, which continue where the last call ended."""
        found = Rows()
        for start in range(0, len(lines), WINDOW_ROWS):
            found.extend(self._window(lines[start : start + WINDOW_ROWS]))
        return found

    def finish(self) -> Rows:
        """Nothing is held back."""
        return Rows()

    def _window(self, lines: Sequence[bytes | None]) -> Rows:
        first = self._line + 1
        self._line += len(lines)
        numbers = list(range(first, first + len(lines)))
        kept = [line for line in lines if line is not None]
        if len(kept) == len(lines):
            if not _BLANK.isdisjoint(kept):
                numbers = [number for number, line in zip(numbers, kept, strict=True) if line not in _BLANK]
                kept = [line for line in kept if line not in _BLANK]
            rows = self._together(kept, numbers)
            if rows is not None:
                return rows
        return self._one_by_one(lines, first)

    def _together(self, lines: Sequence[bytes], numbers: list[int]) -> Rows | None:
        """All lines in one call, or None when a value might not end with its line.

        No JSON string holds a raw LF, so with `,LF` between the lines no string spans two of them. As many texts as
        lines then means one a line. An object that is flat, on a line that begins with `{` and ends with `}`, cannot
        go on either: a `}` at the end of a line closes it.
        """
        try:
            values = orjson.loads(b"[" + b",\n".join(lines) + b"]")
        except orjson.JSONDecodeError:
            return None
        if len(values) != len(lines):
            return None
        kinds = set(map(type, values))
        if kinds <= _ONLY_TEXTS:
            return Rows(values, numbers)
        if not kinds <= _TEXTS_AND_OBJECTS:
            return None
        rows = Rows(lines=numbers)
        for index, (line, value) in enumerate(zip(lines, values, strict=True)):
            if type(value) is str:
                if line[0] != 34 or line.rstrip()[-1] != 34:
                    return None
                rows.texts.append(value)
                continue
            if line[0] != 123 or line.rstrip()[-1] != 125 or not _is_flat(line, value):
                return None
            self._add_object(rows, index, value)
        return rows

    def _one_by_one(self, lines: Sequence[bytes | None], first: int) -> Rows:
        rows = Rows()
        for number, line in enumerate(lines, first):
            if line is None:
                rows.add_fault(number, TOO_LONG)
                continue
            stripped = line.strip(b" \t\r")
            if not stripped:
                continue
            try:
                value = orjson.loads(stripped)
            except (orjson.JSONDecodeError, RecursionError):
                rows.add_fault(number, NOT_JSON)
                continue
            if isinstance(value, str):
                rows.texts.append(value)
            elif isinstance(value, dict):
                fault = None if _is_flat(stripped, value) else _duplicate_fault(stripped)
                if fault is not None:
                    rows.add_fault(number, fault)
                    continue
                self._add_object(rows, len(rows.texts), value)
            else:
                rows.add_fault(number, NOT_A_ROW)
                continue
            rows.lines.append(number)
        return rows

    def _add_object(self, rows: Rows, index: int, value: dict[str, Any]) -> None:
        email = value.get("email")
        if len(value) == 1 and type(email) is str:
            rows.texts.append(email)
            return
        options = read_request(value, self._defaults)
        if isinstance(options, RowFault):
            rows.faults[index] = options
            rows.texts.append("")
            return
        rows.texts.append(value["email"])
        if options != self._defaults:
            rows.options[index] = options


def read_request(value: dict[str, Any], defaults: RowOptions) -> RowOptions | RowFault:
    """The options of a check request; the same fields, types and refusals as `POST /check`."""
    if not value.keys() <= _FIELDS:
        return RowFault(422, "there is no such field")
    if type(value.get("email")) is not str:
        return RowFault(422, "email: a string is needed")
    check = defaults.check
    sanitize = value.get("sanitize", check.sanitize)
    explain = value.get("explain", check.explain)
    if type(sanitize) is not bool or type(explain) is not bool:
        return RowFault(422, "sanitize, explain: true or false")
    on_unknown = value.get("on_unknown")
    if on_unknown is not None and on_unknown not in ("accept", "error"):
        return RowFault(422, "on_unknown: accept or error")
    lists = value.get("lists", check.lists)
    if not isinstance(lists, list | tuple) or len(lists) > 16:
        return RowFault(422, "lists: at most 16 names")
    if not all(isinstance(name, str) and _LIST_NAME.fullmatch(name) for name in lists):
        return RowFault(422, "lists: not a name of a list")
    return RowOptions(
        CheckOptions(sanitize=sanitize, explain=explain, lists=tuple(lists)),
        defaults.on_unknown if on_unknown is None else OnUnknown(on_unknown),
    )


def _is_flat(raw: bytes, value: dict[str, Any]) -> bool:
    """No containers inside and no name twice: without escapes every quote delimits a string that is still there."""
    strings = len(value)
    for item in value.values():
        kind = type(item)
        if kind is str:
            strings += 1
        elif kind is dict or kind is list:
            return False
    return b"\\" not in raw and raw.count(b'"') == 2 * strings


def _duplicate_fault(raw: bytes) -> RowFault | None:
    """Why an object cannot be taken: the same name twice, at any depth."""
    try:
        json.loads(raw, object_pairs_hook=_refuse_duplicates)
    except _DuplicateName:
        return RowFault(422, "an object names the same field twice")
    except (RecursionError, ValueError):
        return NOT_JSON
    return None


class _DuplicateName(ValueError):
    """An object names the same field twice."""


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateName
    return found
