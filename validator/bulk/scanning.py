"""Addresses in fixtures, each with the line and column it stands at: JSON, NDJSON, YAML, CSV, TSV, text. Pure.

Positions come from the scanner that reads the value, never from searching for it again. Lines and columns count
from 1, columns in characters; a quoted value begins at its quote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from validator.bulk.fields import Component, FieldMatcher, State, show_path
from validator.bulk.table import TableShape, choose_columns, sniff_delimiter
from validator.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class Cell:
    """One text that should be an address, and where it stands."""

    text: str
    """The value, unquoted and unescaped."""
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""
    field: str
    """Path in a document, name or number of a column; empty in plain text."""


_TOKEN = re.compile(
    r'[ \t\r\n]*(?:(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")|(?P<mark>[{}\[\],:])|(?P<scalar>[^\s{}\[\],:"]+))'
)
_MAX_DEPTH = 200


@dataclass(slots=True)
class _Level:
    """One open container."""

    is_array: bool
    state: State
    component: Component
    """The member or place that is being read."""
    expects_name: bool


def scan_json(text: str, matcher: FieldMatcher) -> Iterator[Cell]:
    """Addresses of a JSON document, or of several after one another (NDJSON: each is a document of its own).

    Raises `RequestRefused` with the line where the text is not JSON; checks no more than it needs to follow it.
    """
    levels: list[_Level] = []
    at = line_start = 0
    line = 1
    name_state: State = matcher.start
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            if text[at:].strip(" \t\r\n"):
                raise RequestRefused(f"line {line + text.count(chr(10), at)}: not JSON")
            break
        kind = found.lastgroup
        assert kind is not None
        begin = found.start(kind)
        newlines = text.count("\n", at, begin)
        if newlines:
            line += newlines
            line_start = text.rindex("\n", at, begin) + 1
        at = found.end()
        token = found[kind]
        level = levels[-1] if levels else None
        if kind == "mark":
            if token in "{[":
                if len(levels) >= _MAX_DEPTH:
                    raise RequestRefused(f"line {line}: nested too deeply")
                state = _value_state(matcher, level, name_state)
                levels.append(_Level(token == "[", state, 0 if token == "[" else "", token == "{"))
            elif token in "}]":
                if level is None or level.is_array is not (token == "]"):
                    raise RequestRefused(f"line {line}: not JSON")
                levels.pop()
            elif level is None:
                raise RequestRefused(f"line {line}: not JSON")
            elif token == ",":
                if level.is_array:
                    assert isinstance(level.component, int)
                    level.component += 1
                else:
                    level.expects_name = True
            else:
                level.expects_name = False
        elif kind == "string":
            if level is not None and level.expects_name:
                level.component = _unquoted(token, line)
                name_state = matcher.below(level.state, level.component)
                continue
            state = _value_state(matcher, level, name_state)
            if state and matcher.is_wanted(state):
                path = show_path([item.component for item in levels])
                yield Cell(_unquoted(token, line), line, begin - line_start + 1, path)
    if levels:
        raise RequestRefused(f"line {line}: the document is not closed")


def _value_state(matcher: FieldMatcher, level: _Level | None, name_state: State) -> State:
    if level is None:
        return matcher.start
    if level.is_array:
        assert isinstance(level.component, int)
        return matcher.below_index(level.state, level.component)
    return name_state


def _unquoted(token: str, line: int) -> str:
    if "\\" not in token:
        return token[1:-1]
    try:
        value = orjson.loads(token)
    except orjson.JSONDecodeError:
        raise RequestRefused(f"line {line}: not a JSON string") from None
    assert isinstance(value, str)
    return value


def scan_yaml(text: str, matcher: FieldMatcher) -> Iterator[Cell]:
    """Addresses of every document of a YAML stream; an alias is not followed. Raises `RequestRefused`."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    levels: list[_Level] = []
    try:
        for event in yaml.parse(text, Loader=loader):
            level = levels[-1] if levels else None
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                state = _yaml_state(matcher, level)
                is_array = isinstance(event, yaml.SequenceStartEvent)
                levels.append(_Level(is_array, state, 0 if is_array else "", not is_array))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                levels.pop()
                _yaml_value_ended(levels[-1] if levels else None)
            elif isinstance(event, yaml.AliasEvent):
                _yaml_value_ended(level)
            elif isinstance(event, yaml.ScalarEvent):
                if level is not None and level.expects_name:
                    level.component = event.value
                    level.expects_name = False
                    continue
                is_text = event.tag == "tag:yaml.org,2002:str" or (event.tag is None and _is_text(event))
                if is_text and matcher.is_wanted(_yaml_state(matcher, level)):
                    mark = event.start_mark
                    path = show_path([item.component for item in levels])
                    yield Cell(event.value, mark.line + 1, mark.column + 1, path)
                _yaml_value_ended(level)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise RequestRefused(f"{where}not YAML") from None
    except RecursionError:
        raise RequestRefused("nested too deeply") from None


def _is_text(event: object) -> bool:
    """Unquoted `null`, `true` and numbers are no texts."""
    if getattr(event, "style", None) is not None:
        return True
    value = getattr(event, "value", "")
    return value.lower() not in {"", "~", "null", "true", "false", "yes", "no", "on", "off"} and not re.fullmatch(
        r"[-+]?[0-9][0-9_.eE+-]*", value
    )


def _yaml_state(matcher: FieldMatcher, level: _Level | None) -> State:
    if level is None:
        return matcher.start
    if level.is_array:
        assert isinstance(level.component, int)
        return matcher.below_index(level.state, level.component)
    return matcher.below(level.state, str(level.component))


def _yaml_value_ended(level: _Level | None) -> None:
    if level is None:
        return
    if level.is_array:
        assert isinstance(level.component, int)
        level.component += 1
    elif level.expects_name:
        level.component, level.expects_name = "", False
    else:
        level.expects_name = True


def scan_table(text: str, shape: TableShape, columns: Sequence[str] = ()) -> Iterator[Cell]:
    """Addresses of the columns of a table; empty cells are left out. Raises `RequestRefused` without a column."""
    delimiter = shape.delimiter or sniff_delimiter(text.partition("\n")[0])
    chosen: list[int] | None = None
    names: dict[int, str] = {}
    for record in _records(text, delimiter):
        cells = [cell.text for cell in record]
        if not any(cells):
            continue
        if chosen is None:
            chosen, has_header = choose_columns(cells, shape, columns)
            names = {index: cells[index] if has_header else str(index + 1) for index in chosen}
            if has_header:
                continue
        for index in chosen:
            if index < len(record) and record[index].text:
                cell = record[index]
                yield Cell(cell.text, cell.line, cell.column, names[index])


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


def scan_all(
    text: str, kind: str, *, fields: Sequence[str] = (), columns: Sequence[str] = (), shape: TableShape | None = None
) -> Iterable[Cell]:
    """Addresses of a text of *kind* (`json`, `ndjson`, `yaml`, `csv`, `tsv`, `txt`)."""
    scan: Callable[[str, FieldMatcher], Iterator[Cell]]
    match kind:
        case "json" | "ndjson" | "yaml":
            scan = scan_yaml if kind == "yaml" else scan_json
            paths = [*fields, *columns]
            return scan(text, FieldMatcher(paths) if paths else FieldMatcher())
        case "csv" | "tsv":
            shape = shape or TableShape("\t" if kind == "tsv" else None)
            return scan_table(text, shape, [*columns, *(path.removeprefix("$").lstrip(".") for path in fields)])
        case "txt":
            return scan_text(text)
        case _:
            raise RequestRefused(f"{kind}: no such format of fixtures")
