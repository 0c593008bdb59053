"""What every format becomes and what every answer is made from: a block of rows, column by column. Pure.

A row is an address to judge and the line it stood on; a row that cannot be read is a fault on its own line and never
spoils the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from validator.checker import CheckOptions
from validator.settings import OnUnknown

WINDOW_ROWS = 1_000
"""Rows that are judged together: distinct domains at once, one blacklist query."""
RETRY_AFTER_UNKNOWN_S = 30
"""What a client is told to wait before it asks again about a row that DNS could not decide."""

Record = Mapping[str, object] | Sequence[str]
"""The whole row as it came in: cells of a table, or the fields of an object."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row has no verdict."""

    status: int
    """The HTTP status that the same fault has in `POST /check`."""
    detail: str
    """A sentence for people; never quotes the row."""
    kind: str = "about:blank"
    """Names the kind of problem, as `type` does in a problem document."""
    retry_after_s: int | None = None
    """When to ask again, where that helps."""

    def document(self) -> dict[str, object]:
        """The `error` member of a row: a problem document without the request id."""
        found: dict[str, object] = {"type": self.kind, "status": self.status, "detail": self.detail}
        if self.retry_after_s is not None:
            found["retry_after_s"] = self.retry_after_s
        return found


UNDECIDED = RowFault(
    503, "DNS could not tell whether the domain takes mail", "/problems/unknown", retry_after_s=RETRY_AFTER_UNKNOWN_S
)
"""The row of `on_unknown: error`."""


@dataclass(frozen=True, slots=True)
class RowOptions:
    """How one row is judged, and what is answered when DNS cannot tell."""

    check: CheckOptions
    """What the checker is asked."""
    on_unknown: OnUnknown
    """A verdict of status `unknown`, or an error object."""


@dataclass(slots=True)
class Rows:
    """Some rows in input order; `texts`, `lines` and `records` have the same length."""

    texts: list[str] = field(default_factory=list)
    """What to judge; empty where there is a fault."""
    lines: list[int] = field(default_factory=list)
    """1-based line on which the row begins; the number of the row where the format has no lines."""
    faults: dict[int, RowFault] = field(default_factory=dict)
    """Index -> why there is nothing to judge."""
    options: dict[int, RowOptions] = field(default_factory=dict)
    """Index -> options of its own, where they differ from the caller's."""
    records: list[Record] | None = None
    """The whole rows, when the output repeats them."""

    def __len__(self) -> int:
        return len(self.texts)

    def add_fault(self, line: int, fault: RowFault, record: Record = ()) -> None:
        """Append a row that cannot be judged."""
        self.faults[len(self.texts)] = fault
        self.texts.append("")
        self.lines.append(line)
        if self.records is not None:
            self.records.append(record)

    def extend(self, other: Rows) -> None:
        """Append the rows of *other*."""
        shift = len(self.texts)
        self.texts += other.texts
        self.lines += other.lines
        self.faults.update((index + shift, fault) for index, fault in other.faults.items())
        self.options.update((index + shift, options) for index, options in other.options.items())
        if self.records is not None and other.records is not None:
            self.records += other.records

    def part(self, start: int, stop: int) -> Rows:
        """Rows *start* to *stop* as a block of their own."""
        return Rows(
            self.texts[start:stop],
            self.lines[start:stop],
            {index - start: fault for index, fault in self.faults.items() if start <= index < stop},
            {index - start: options for index, options in self.options.items() if start <= index < stop},
            None if self.records is None else self.records[start:stop],
        )


def windows_of(rows: Rows, size: int = WINDOW_ROWS) -> Iterator[Rows]:
    """The same rows in blocks of at most *size*."""
    if len(rows) <= size:
        if len(rows):
            yield rows
        return
    for start in range(0, len(rows), size):
        yield rows.part(start, start + size)
