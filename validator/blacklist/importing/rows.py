"""Lines to entries or faults: text, CSV with a header, NDJSON. Pure; one bad line never spoils the rest."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Final

import orjson

from validator.blacklist.entry import MAX_NOTE_CHARS, Cause, Kind, RuleFault, State
from validator.blacklist.importing.columns import Column, armed, cause_of_header, column_of, delimiter_of, recognise
from validator.blacklist.importing.record import ANGLE, Records, stripped
from validator.blacklist.importing.row import Defaults, Fault, Format, Row
from validator.blacklist.keys import address_rule, parse_rule

UNREADABLE: Final = "not UTF-8 or UTF-16 text: name its encoding, such as cp1251; or longer than 64 KiB"
"""What is said of a line that is no text."""
MAX_RECORD_LINES: Final = 50
"""A quoted cell that runs over more lines was never closed: a fault of its first line."""
MAX_OWN_LINES: Final = 2 * MAX_NOTE_CHARS
"""The same in our own export, whose note and source may be of as many lines as they have characters."""
_MAX_OPEN_CHARS = 3_000_000
_SEPARATORS = re.compile(r"[,;\s]+")
_ODD = re.compile(r"[,;\s<>\"'#]|mailto:", re.IGNORECASE)


def _may_be_rule(token: str) -> bool:
    """Looks like one whole address, domain, host or network, not like a word or a part of one."""
    return "@" not in token[:1] and any(sign in token for sign in "@.:") and not token.endswith("@")


class Rows:
    """Feed it numbered lines; it answers rows and faults in the order of the file."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._records = Records(defaults)
        self.format: Format | None = None
        """Decided by the first line that is not blank."""
        self._columns: Mapping[Column, int] = {}
        self._delimiter = ","
        self._cells = 0
        self._most_lines = MAX_RECORD_LINES
        self._open: list[tuple[int, str]] = []
        self._open_quotes = 0
        self._open_chars = 0
        self._plain = defaults.kind in {None, Kind.ADDRESS}

    @property
    def by_line(self) -> bool:
        """Lines that hold nothing but an address may follow, as far as anybody knows."""
        return self._plain and (self.format in {None, Format.TEXT} or self._cells == 1)

    @property
    def may_run(self) -> bool:
        """The next line, if it holds nothing but a plain address, is an entry like all others of its kind."""
        return self.by_line and self.format is not None and not self._open

    def feed(self, lines: list[tuple[int, str | None]]) -> list[Row | Fault]:
        """Rows and faults of these lines; a quoted cell that is still open waits for more."""
        found: list[Row | Fault] = []
        for number, text in lines:
            if text is None:
                found += self._give_up_open(final=True)
                found.append(Fault(number, "unreadable", UNREADABLE))
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
        named = ANGLE.findall(line)
        tokens = named or [token for token in (stripped(part) for part in _SEPARATORS.split(line)) if token]
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
        cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
        self._columns, self._cells = recognise(cells) or {}, len(cells)
        self._most_lines = MAX_OWN_LINES if Column.STATE in self._columns else MAX_RECORD_LINES
        self._records.told = cause_of_header(cells)
        return True

    def _csv(self, number: int, text: str) -> Iterator[Row | Fault]:
        if not self._open and '"' not in text:
            if text.strip():
                yield from self._record(number, text.split(self._delimiter))
            return
        self._open.append((number, text))
        self._open_quotes += text.count('"')
        self._open_chars += len(text)
        if self._open_quotes % 2 == 0:
            first = self._open[0][0]
            record = "\n".join(part for _, part in self._taken())
            try:
                [cells] = csv.reader([record], delimiter=self._delimiter)
            except (csv.Error, ValueError):
                yield Fault(first, "csv", "a record that cannot be read")
                return
            yield from self._record(first, cells)
        elif len(self._open) >= self._most_lines or self._open_chars > _MAX_OPEN_CHARS:
            yield from self._give_up_open(final=False)

    def _taken(self) -> list[tuple[int, str]]:
        """The lines of the record that was open; none is any more."""
        lines, self._open, self._open_quotes, self._open_chars = self._open, [], 0, 0
        return lines

    def _give_up_open(self, *, final: bool) -> Iterator[Row | Fault]:
        """A quote that was never closed costs its own line only: the lines after it are read again on their own."""
        while self._open:
            (first, _), *rest = self._taken()
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
        return self._records.entered(number, fields)

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
            yield self._value(number, stripped(found))
        elif isinstance(found, dict):
            fields: dict[Column, str] = {}
            for name, value in found.items():
                column = column_of(name)
                if column is not None and value not in (None, "") and not isinstance(value, list | dict):
                    fields.setdefault(column, str(value).strip())
            yield from self._records.entered(number, fields)
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
