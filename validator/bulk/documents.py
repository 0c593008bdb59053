"""Addresses in documents, each with the line and column it stands at: JSON, NDJSON, YAML. Pure.

Positions come from the scanner that reads the value, never from searching for it again. Lines and columns count
from 1, columns in characters; a quoted value begins at its quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import yaml

from validator.bulk.fields import Component, FieldMatcher, State, show_path
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


_WORD = re.compile(
    r"[ \t\r\n]*(?:"
    r'(?P<string>"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")'
    r"|(?P<mark>[{}\[\],:])"
    r'|(?P<scalar>[^\s{}\[\],:"]+))'
)
_LITERAL = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity")
_MAX_DEPTH = 200


@dataclass(slots=True)
class _Level:
    """One open container."""

    is_array: bool
    state: State
    component: Component
    """The member or place that is being read."""
    expects_name: bool


class _Levels:
    """The containers that are open, and what the value that is being read would be."""

    def __init__(self, matcher: FieldMatcher) -> None:
        self._matcher = matcher
        self.open: list[_Level] = []

    def value_state(self) -> State:
        """How far the value that is being read has followed the field paths."""
        if not self.open:
            return self._matcher.start
        level = self.open[-1]
        if isinstance(level.component, int):
            return self._matcher.below_index(level.state, level.component)
        return self._matcher.below(level.state, level.component)

    def enter(self, line: int, *, is_array: bool) -> None:
        """A container begins; raises `RequestRefused` when too many are open."""
        if len(self.open) >= _MAX_DEPTH:
            raise RequestRefused(f"line {line}: nested too deeply")
        self.open.append(_Level(is_array, self.value_state(), 0 if is_array else "", expects_name=not is_array))

    def is_wanted(self) -> bool:
        """The value that is being read is an address."""
        state = self.value_state()
        return bool(state) and self._matcher.is_wanted(state)

    def path(self) -> str:
        """Where the value that is being read stands."""
        return show_path([level.component for level in self.open])


def scan_json(text: str, matcher: FieldMatcher, *, lines: bool = False) -> Iterator[Cell]:
    """Addresses of a JSON document, or of several after one another (NDJSON: each is a document of its own).

    Raises `RequestRefused` with the line where the text is not JSON; checks no more than it needs to follow it. With
    *lines* (NDJSON) a bare word is a line that would be passed over in silence; elsewhere it may be a comment.
    """
    levels = _Levels(matcher)
    line = 1
    for kind, word, line, column in _words(text):
        level = levels.open[-1] if levels.open else None
        if kind == "mark":
            _follow_mark(levels, word, line)
        elif kind == "string":
            if level is not None and level.expects_name:
                level.component = _unquoted(word, line)
            elif levels.is_wanted():
                yield Cell(_unquoted(word, line), line, column, levels.path())
        elif lines and _LITERAL.fullmatch(word) is None:
            raise RequestRefused(f"line {line}: not JSON")
    if levels.open:
        raise RequestRefused(f"line {line}: the document is not closed")


def _words(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Kind, text, line and column of every mark, string and other scalar."""
    at = line_start = 0
    line = 1
    while True:
        found = _WORD.match(text, at)
        if found is None:
            if text[at:].strip(" \t\r\n"):
                raise RequestRefused(f"line {line}: not JSON")
            return
        kind = found.lastgroup
        assert kind is not None
        begin = found.start(kind)
        newlines = text.count("\n", at, begin)
        if newlines:
            line += newlines
            line_start = text.rindex("\n", at, begin) + 1
        at = found.end()
        yield kind, found[kind], line, begin - line_start + 1


def _follow_mark(levels: _Levels, mark: str, line: int) -> None:
    level = levels.open[-1] if levels.open else None
    if mark in "{[":
        levels.enter(line, is_array=mark == "[")
    elif level is None:
        raise RequestRefused(f"line {line}: not JSON")
    elif mark in "}]":
        if level.is_array is not (mark == "]"):
            raise RequestRefused(f"line {line}: not JSON")
        levels.open.pop()
    elif mark == ":":
        level.expects_name = False
    elif isinstance(level.component, int):
        level.component += 1
    else:
        level.expects_name = True


def _unquoted(word: str, line: int) -> str:
    if "\\" not in word:
        return word[1:-1]
    try:
        return str(orjson.loads(word))
    except orjson.JSONDecodeError:
        raise RequestRefused(f"line {line}: not a JSON string") from None


def scan_yaml(text: str, matcher: FieldMatcher) -> Iterator[Cell]:
    """Addresses of every document of a YAML stream; an alias is not followed. Raises `RequestRefused`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    levels = _Levels(matcher)
    try:
        for event in yaml.parse(text, Loader=loader):
            level = levels.open[-1] if levels.open else None
            mark = event.start_mark
            assert mark is not None
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if level is not None and level.expects_name:
                    level.component = _NO_NAME
                levels.enter(mark.line + 1, is_array=isinstance(event, yaml.SequenceStartEvent))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                levels.open.pop()
                _value_ended(levels)
            elif isinstance(event, yaml.AliasEvent):
                if level is not None and level.expects_name:
                    level.component = _NO_NAME
                _value_ended(levels)
            elif isinstance(event, yaml.ScalarEvent):
                if level is not None and level.expects_name:
                    level.component, level.expects_name = event.value, False
                    continue
                if _is_text(event) and levels.is_wanted():
                    yield Cell(event.value, mark.line + 1, mark.column + 1, levels.path())
                _value_ended(levels)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem_mark", None)
        where = f"line {problem.line + 1}: " if problem is not None else ""
        raise RequestRefused(f"{where}not YAML") from None


def _is_text(event: yaml.ScalarEvent) -> bool:
    """Quoted, tagged as text, or none of the plain words that mean something else."""
    if event.tag is not None:
        return str(event.tag) == "tag:yaml.org,2002:str"
    return event.style not in {None, ""} or not _NO_TEXT.fullmatch(event.value)


_NO_TEXT = re.compile(r"~?|(?i:null|true|false|yes|no|on|off)|[-+]?[0-9][0-9_.eE+-]*")


_NO_NAME = "?"
"""Stands for the name of a member that is a container or an alias (YAML 1.2, 8.2.2)."""


def _value_ended(levels: _Levels) -> None:
    """A value was read whole; in an object it may have been the name of the next one."""
    if not levels.open:
        return
    level = levels.open[-1]
    if isinstance(level.component, int):
        level.component += 1
    else:
        level.expects_name = not level.expects_name
