"""Lines to entries or faults: text, CSV with a header, NDJSON. Pure; one bad line never spoils the rest."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

import orjson

from validator.blacklist.entry import DEFAULT_LIST, MAX_NOTE_CHARS, Cause, Kind, Rule, RuleFault, State
from validator.blacklist.importing.columns import (
    Column,
    armed,
    cause_of,
    cause_of_code,
    column_of,
    date_of,
    delimiter_of,
    is_not_the_recipient,
    recognise,
)
from validator.blacklist.keys import address_rule, list_name, parse_rule

MAX_RECORD_LINES: Final = 50
"""A quoted cell that runs over more lines was never closed: a fault of its first line."""
_ANGLE = re.compile(r"<\s*+([^<>\s@]++@[^<>\s]++)\s*+>")
_SEPARATORS = re.compile(r"[,;\s]+")
_ODD = re.compile(r"[,;\s<>\"'#]|mailto:", re.IGNORECASE)
_FOR_NOW = re.compile(r"\s*4(?:\d\d\b|\.\d)")
_SOFT = frozenset({Cause.MAILBOX_FULL, Cause.RECIPIENT_FILTERED, Cause.REPEATED_SOFT_BOUNCE})
_DATES = (Column.CREATED, Column.LAST_EVENT, Column.BOUNCED)
_TRUE = frozenset({"1", "true", "yes", "t", "y"})

Classify = Callable[[str], Cause | None]
"""Judges the text of a failure; None when it does not speak against the address (a sender's fault)."""


class Format(StrEnum):
    """What a file turned out to be."""

    TEXT = "text"
    """One or several values a line."""
    CSV = "csv"
    """A header, then records."""
    NDJSON = "ndjson"
    """A JSON object or string a line."""


class Row(NamedTuple):
    """One entry to be made."""

    line: int
    """Line it begins on, from 1."""
    rule: Rule
    """What it matches."""
    list: str
    """Named list."""
    cause: Cause
    """Why."""
    state: State
    """`active`, except in our own exports."""
    source: str | None
    """Where it first came from, in our own exports."""
    note: str | None
    """For people."""
    created: datetime | None
    """Since when."""
    last_event: datetime | None
    """The last failure behind it."""
    expires: datetime | None
    """When it stops blocking."""


class Fault(NamedTuple):
    """A line that makes no entry, or (`WARNINGS`) not with everything that stands in it."""

    line: int
    """Line it begins on, from 1."""
    code: str
    """Machine-readable."""
    detail: str
    """A sentence for people; never quotes the line."""


WARNINGS: Final = frozenset({"unknown_cause", "unreadable_date"})
"""Codes of lines that do make an entry, but not with everything that stands in them."""
NOT_THE_RECIPIENT: Final = "not_the_recipient"
"""Code of a line whose failure does not speak against its address: left out on purpose, not an error."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every line that does not say otherwise."""

    list: str = DEFAULT_LIST
    """Named list."""
    cause: Cause | None = None
    """Overrules whatever the file says, when given."""
    kind: Kind | None = None
    """What values are; None: addresses, domains and networks are told apart."""
    expires: datetime | None = None
    """When entries stop blocking."""
    note: str = ""
    """For people."""
    classify: Classify | None = None
    """Judge of failure texts; None takes every line for a reason to block."""
    judge: bool = True
    """Leave out what other systems' words say does not speak against the address, or only for now."""


def _may_be_rule(token: str) -> bool:
    """Looks like one whole address, domain, host or network, not like a word or a part of one."""
    return "@" not in token[:1] and any(sign in token for sign in "@.:") and not token.endswith("@")


class Rows:
    """Feed it numbered lines; it answers rows and faults in the order of the file."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self.format: Format | None = None
        """Decided by the first line that is not blank."""
        self._columns: Mapping[Column, int] = {}
        self._delimiter = ","
        self._open: list[tuple[int, str]] = []
        self._plain = defaults.kind in {None, Kind.ADDRESS}

    def feed(self, lines: list[tuple[int, str | None]]) -> list[Row | Fault]:
        """Rows and faults of these lines; a quoted cell that is still open waits for more."""
        found: list[Row | Fault] = []
        for number, text in lines:
            if text is None:
                found += self._give_up_open(final=True)
                found.append(Fault(number, "unreadable", "longer than 64 KiB, or not UTF-8 or UTF-16 text"))
            elif self.format is Format.TEXT:
                if self._plain and _ODD.search(text) is None:  # nearly every line of a long file
                    if text:
                        found.append(self._value(number, text))
                else:
                    found += self._text(number, text)
            elif self.format is None:
                found += self._text(number, text)
            elif self.format is Format.CSV:
                found += self._csv(number, text)
            else:
                found += self._json(number, text)
        return found

    def finish(self) -> Iterator[Row | Fault]:
        """What was still waiting at the end."""
        yield from self._give_up_open(final=True)

    def _text(self, number: int, text: str) -> Iterator[Row | Fault]:
        line = text.strip()
        if not line or line.startswith("#"):
            return
        if self.format is None and self._begins(line):
            yield from self._json(number, text) if line.startswith("{") else ()
            return
        line, _, comment = line.partition(" #")
        named = _ANGLE.findall(line)
        tokens = named or [token for token in (_stripped(part) for part in _SEPARATORS.split(line)) if token]
        note = comment.strip()
        if len(tokens) > 1 and not named and not all(_may_be_rule(token) for token in tokens):
            if not _may_be_rule(tokens[0]) or "@" not in tokens[0] or any("@" in token for token in tokens[1:]):
                # `joe smith@x.org` is somebody's slip: half of it would be another person's mailbox
                yield Fault(number, "words", "words and an address in one line: put the address first, or alone")
                return
            note = note or " ".join(tokens[1:])
            tokens = tokens[:1]
        for token in tokens:
            yield self._value(number, token, note=note)

    def _begins(self, line: str) -> bool:
        """Decide what the file is; True when this line holds nothing else."""
        if line.startswith("{"):
            self.format = Format.NDJSON
            return True
        if line.lower().startswith("sep=") and len(line) <= 5:
            return True
        delimiter = delimiter_of(line)
        if delimiter is None:
            self.format = Format.TEXT
            return False
        self.format, self._delimiter = Format.CSV, delimiter
        self._columns = recognise([cell.strip().strip('"') for cell in line.split(delimiter)]) or {}
        return True

    def _csv(self, number: int, text: str) -> Iterator[Row | Fault]:
        if not self._open and '"' not in text:
            if text.strip():
                yield from self._record(number, text.split(self._delimiter))
            return
        self._open.append((number, text))
        record = "\n".join(part for _, part in self._open)
        if record.count('"') % 2 == 0:
            first = self._open[0][0]
            self._open = []
            try:
                [cells] = csv.reader([record], delimiter=self._delimiter)
            except (csv.Error, ValueError):
                yield Fault(first, "csv", "a record that cannot be read")
                return
            yield from self._record(first, cells)
        elif len(self._open) >= MAX_RECORD_LINES:
            yield from self._give_up_open(final=False)

    def _give_up_open(self, *, final: bool) -> Iterator[Row | Fault]:
        """A quote that was never closed costs its own line only: the lines after it are read again on their own."""
        while self._open:
            (first, _), *rest = self._open
            self._open = []
            yield Fault(first, "quote", "a quotation mark that is never closed")
            for number, text in rest:
                yield from self._csv(number, text)
            if not final:
                return

    def _record(self, number: int, cells: list[str]) -> Iterator[Row | Fault]:
        fields = {
            column: armed(cells[position].strip())
            for column, position in self._columns.items()
            if position < len(cells) and cells[position].strip()
        }
        return self._fields(number, fields)

    def _json(self, number: int, text: str) -> Iterator[Row | Fault]:
        line = text.strip().removesuffix(",")
        if not line:
            return
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield Fault(number, "json", "not a JSON object")
            return
        if isinstance(found, str):
            yield self._value(number, _stripped(found))
        elif isinstance(found, dict):
            fields: dict[Column, str] = {}
            for name, value in found.items():
                column = column_of(name)
                if column is not None and value not in (None, "") and not isinstance(value, list | dict):
                    fields.setdefault(column, str(value).strip())
            yield from self._fields(number, fields)
        else:
            yield Fault(number, "json", "neither an object nor a string")

    def _value(self, number: int, value: str, *, note: str = "") -> Row | Fault:
        defaults = self._defaults
        rule = address_rule(value) if self._plain and "@" in value[1:] else parse_rule(value, defaults.kind)
        if isinstance(rule, RuleFault):
            return Fault(number, rule.code, rule.message)
        cause = defaults.cause or Cause.IMPORT
        note = (note or defaults.note)[:MAX_NOTE_CHARS]
        return Row(number, rule, defaults.list, cause, State.ACTIVE, None, note or None, None, None, defaults.expires)

    def _fields(self, number: int, fields: Mapping[Column, str]) -> Iterator[Row | Fault]:
        raw = fields.get(Column.VALUE)
        if raw is None:
            where = "field" if self.format is Format.NDJSON else "column"
            yield Fault(number, "no_value", f"no {where} of this line holds an address")
            return
        kind = _member(Kind, fields.get(Column.KIND, "")) or self._defaults.kind
        named = _ANGLE.search(raw)
        value = named.group(1) if named else _stripped(raw)
        rule = parse_rule(value, kind, below=fields.get(Column.BELOW, "").lower() in _TRUE)
        if isinstance(rule, RuleFault):
            yield Fault(number, rule.code, rule.message)
            return
        lists = list_name(fields[Column.LIST]) if Column.LIST in fields else self._defaults.list
        if lists is None:
            yield Fault(number, "list", "the name of the list cannot be used")
            return
        expires = self._defaults.expires
        if Column.EXPIRES in fields:
            expires = date_of(fields[Column.EXPIRES])
            if expires is None:
                yield Fault(number, "expires", "a time of expiry that cannot be read")
                return
        cause, word = self._cause(fields)
        if cause is None:
            yield Fault(number, NOT_THE_RECIPIENT, "the failure does not speak against the address")
            return
        if cause in _SOFT and expires is None and self._is_foreign(fields):
            yield Fault(number, NOT_THE_RECIPIENT, "a soft failure without a time of expiry would block for ever")
            return
        if word is not None:
            yield Fault(number, "unknown_cause", "entered; its word for the cause is not known and stands in the note")
        dates = {column: date_of(fields[column]) for column in _DATES if column in fields}
        unread = [column.value for column, found in dates.items() if found is None]
        if unread:
            yield Fault(number, "unreadable_date", f"entered without a date that cannot be read: {', '.join(unread)}")
        bounced = dates.get(Column.BOUNCED)
        yield Row(
            number,
            rule,
            lists,
            cause,
            _member(State, fields.get(Column.STATE, "")) or State.ACTIVE,
            fields.get(Column.SOURCE, "")[:MAX_NOTE_CHARS] or None if Column.STATE in fields else None,
            self._note(fields, word),
            dates.get(Column.CREATED) or bounced,
            dates.get(Column.LAST_EVENT) or bounced,
            expires,
        )

    def _is_foreign(self, fields: Mapping[Column, str]) -> bool:
        """Whether the cause is another system's word: not given for the import, not from our own export."""
        defaults = self._defaults
        return defaults.judge and defaults.cause is None and Column.STATE not in fields

    def _note(self, fields: Mapping[Column, str], word: str | None) -> str | None:
        texts = (fields.get(column) for column in (Column.NOTE, Column.DETAIL, Column.TEXT))
        note = next((text for text in texts if text), self._defaults.note)
        if word is not None:
            note = f"{note} ({word})" if note else word
        return note[:MAX_NOTE_CHARS].replace("\x00", "") or None

    def _cause(self, fields: Mapping[Column, str]) -> tuple[Cause | None, str | None]:
        """The cause of a record, None when it does not speak against the address; and a word that is not known."""
        if self._defaults.cause is not None:
            return self._defaults.cause, None
        words = [fields[column] for column in (Column.CAUSE, Column.TEXT) if column in fields]
        if self._defaults.judge and any(is_not_the_recipient(word) for word in words):
            return None, None
        found = next((cause for word in words if (cause := cause_of(word)) is not None), None)
        if found is None and Column.CODE in fields:
            found = cause_of_code(fields[Column.CODE])
        if found is Cause.REPEATED_SOFT_BOUNCE and fields.get(Column.INACTIVE, "").lower() in _TRUE:
            found = Cause.PROVIDER_LIST  # soft or not, the provider has given the address up
        word = fields.get(Column.CAUSE) if found is None else None
        if found in {None, Cause.PROVIDER_LIST}:
            found = self._judged(fields, found)
        return found, word

    def _judged(self, fields: Mapping[Column, str], suspected: Cause | None) -> Cause | None:
        """What the text of a failure says, else what is *suspected*."""
        text = fields.get(Column.DETAIL) or fields.get(Column.TEXT)
        if text is not None and self._defaults.classify is not None and cause_of(text) is None:
            found = self._defaults.classify(" ".join(filter(None, (fields.get(Column.CODE), text))))
            return suspected if found is Cause.IMPORT and suspected is not None else found
        if suspected is None and self._defaults.judge and _FOR_NOW.match(fields.get(Column.CODE, "")):
            return None
        return suspected or Cause.IMPORT


def _stripped(token: str) -> str:
    token = token.strip("\"'<>()[]")
    return token[7:] if token[:7].lower() == "mailto:" else token


_Word = TypeVar("_Word", Kind, State)


def _member(values: type[_Word], word: str) -> _Word | None:
    try:
        return values(word.strip().lower())
    except ValueError:
        return None
