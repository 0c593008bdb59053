"""JSON documents, as providers answer with -> one line for each of their records. Pure; holds one record at a time.

A list of objects or of strings (SendGrid); an object that holds a list of them beside counts and links (Amazon SES,
Mailgun, Mailjet, Postmark, SparkPost), of which the first such list counts; objects that run over several lines (`jq`).
Several documents may follow one another, as pages do. A line here is a record: the first is number 1.
"""

from __future__ import annotations

import contextlib
import re
from enum import Enum, auto
from typing import Final

import orjson

from validator.blacklist.importing.columns import Column, column_of

_STRING = rb'"(?>(?:[^"\\]|\\.)*)"'
_TOKEN: Final = re.compile(_STRING + rb'|[{}\[\]"]', re.DOTALL)
_SIMPLE = rb"(?:" + _STRING + rb"|[-+.\w]+|\{[^{}]*\})"
_ENVELOPE: Final = re.compile(
    rb"\{(?:\s*" + _STRING + rb"\s*:\s*" + _SIMPLE + rb"\s*,)*\s*" + _STRING + rb"\s*:\s*\[\s*\{", re.DOTALL
)
_LIST: Final = re.compile(rb'\[\s*(?:[{"\]]|\Z)')
_SPACED: Final = re.compile(rb"\{[ \t]*\r?\n")
_BLANK = b" \t\r\n,"


class Shape(Enum):
    """Where the records of a document are."""

    LIST = auto()
    """The elements of the document."""
    ENVELOPE = auto()
    """The elements of the first list of objects in it."""
    OBJECT = auto()
    """It is one."""


class _List(Enum):
    """How far an envelope has come to with its list."""

    NONE = auto()
    SEEN = auto()
    TAKEN = auto()
    CLOSED = auto()


def shape_of(head: bytes) -> Shape | None:
    """What the first bytes of a text in UTF-8 begin; None for anything else, such as one object a line."""
    head = head.lstrip()
    if _LIST.match(head):
        return Shape.LIST
    envelope = _ENVELOPE.match(head)
    if envelope is not None and b"@" not in envelope[0]:
        return None if _is_record(head.split(b"\n", 1)[0]) else Shape.ENVELOPE
    return Shape.OBJECT if _SPACED.match(head) else None


def _is_record(line: bytes) -> bool:
    """Whether this line is an object that has an address of its own beside its list."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and any(
        isinstance(value, str) and column_of(name) is Column.VALUE for name, value in found.items()
    )


class Documents:
    """Feed it text as it comes; it answers whole lines. A record of more than *most_bytes* becomes a longer line."""

    def __init__(self, shape: Shape, most_bytes: int) -> None:
        self._shape = shape
        self._too_long = b"." * (most_bytes + 1)
        self._rest = b""
        """What is not done with: from the beginning of the open record, or behind the last token."""
        self._scanned = 0
        """How much of the rest has been looked at."""
        self._open = bytearray()
        """The brackets that are open."""
        self._around: int | None = None
        """How many of them are open around the record, when one is open itself."""
        self._is_long = False
        """Part of the record that is open was dropped."""
        self._list = _List.NONE
        """How far an envelope has come to."""

    def feed(self, text: bytes) -> bytes:
        """The records that this text completes, a line each; what else stands between records is a line as well."""
        data = self._rest + text
        lines: list[bytes] = []
        begun, place = 0, self._scanned
        for token in _TOKEN.finditer(data, place):
            if token[0] == b'"':
                break  # its end is yet to come
            if self._around is None:
                lines += self._between(data[place : token.start()])
                begun = token.start()
            place = token.end()
            if self._completes(token[0]):
                lines.append(self._too_long if self._is_long else _line(data[begun:place]))
                self._is_long = False
        if self._around is None:
            begun = place
        self._rest, self._scanned = data[begun:], place - begun
        if len(self._rest) >= len(self._too_long):
            self._shorten(lines)
        return b"".join(line + b"\n" for line in lines)

    def finish(self) -> bytes:
        """What was not closed, as a line that is no record."""
        left = self._rest.strip(_BLANK)
        return (left or b"{") + b"\n" if left or self._open else b""

    def _completes(self, sign: bytes) -> bool:
        """Take one token; True when it is a record, or ends one."""
        if sign[:1] == b'"':
            return self._around is None and self._shape is Shape.LIST and self._open == b"["
        if sign in b"{[":
            if self._around is None and self._is_record(sign):
                self._around = len(self._open)
            self._open += sign
            return False
        del self._open[-1:]
        if self._around is not None:
            is_complete = len(self._open) == self._around
            self._around = None if is_complete else self._around
            return is_complete
        if self._shape is not Shape.ENVELOPE:
            return False
        if self._open == b"{" and self._list is _List.TAKEN:
            self._list = _List.CLOSED
        is_none = not self._open and self._list is _List.NONE
        self._list = self._list if self._open else _List.NONE
        return is_none

    def _is_record(self, sign: bytes) -> bool:
        match self._shape:
            case Shape.LIST:
                return self._open == b"[" or (not self._open and sign == b"{")
            case Shape.OBJECT:
                return not self._open
            case Shape.ENVELOPE:
                if self._open == b"{" and sign == b"[" and self._list is _List.NONE:
                    self._list = _List.SEEN
                is_record = self._open == b"{[" and sign == b"{" and self._list is not _List.CLOSED
                self._list = _List.TAKEN if is_record else self._list
                return is_record

    def _between(self, text: bytes) -> list[bytes]:
        """What is neither a record nor a separator, where only those should be."""
        is_inside = self._open == b"[" if self._shape is Shape.LIST else self._list is _List.TAKEN
        left = text.strip(_BLANK)
        return [_line(left)] if left and (not self._open or is_inside) else []

    def _shorten(self, lines: list[bytes]) -> None:
        """Drop what is too long: what was looked at of an open record, the inside of a string that does not end."""
        left = self._rest[self._scanned :]
        if len(left) >= len(self._too_long):
            if left[:1] == b'"':
                slashes = len(left) - len(left.rstrip(b"\\"))
                left = b'"' + b"\\" * (slashes % 2)
            else:
                left = b""
            if self._around is None:
                lines.append(self._too_long)
        self._is_long = self._around is not None
        self._rest, self._scanned = left, 0


def _line(text: bytes) -> bytes:
    """A record in one line; a string without its quotes. Line ends inside of JSON separate nothing."""
    if text[:1] == b'"':
        with contextlib.suppress(orjson.JSONDecodeError):
            text = str(orjson.loads(text)).encode()
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
