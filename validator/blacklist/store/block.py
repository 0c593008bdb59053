"""What an import hands to the store at once: staged rows, and what they come to. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

Staged = tuple[Any, ...]
"""kind, key, list_id, value, below, cause, state, source, note, created, last_event, expires, erased_key."""


STAGE_COLUMNS: Final = (
    "kind", "key", "list_id", "value", "below", "cause", "state", "source", "note", "created", "last_event", "expires",
    "erased_key",
)  # fmt: skip
_KIND, _KEY = STAGE_COLUMNS.index("kind"), STAGE_COLUMNS.index("key")


@dataclass(slots=True)
class StagedRun:
    """Rows that differ in their key only."""

    row: Staged
    """Any of them."""
    text: list[str] = field(default_factory=list)
    """Their keys, each with a line feed after it, in pieces. ASCII letters, digits and `. _ - + @`, nothing else."""

    def rows(self) -> Iterator[Staged]:
        """Them one by one."""
        for key in "".join(self.text).splitlines():
            yield (*self.row[:_KEY], key, *self.row[_KEY + 1 :])


Part = list[Staged] | StagedRun
"""Some rows of a block."""

_JUDGED = itemgetter(*(STAGE_COLUMNS.index(name) for name in ("cause", "state", "expires")))


@dataclass(slots=True)
class Counts:
    """What an import has come to so far."""

    lines: int = 0
    """Lines read."""
    added: int = 0
    """Entries that were not there."""
    changed: int = 0
    """Entries whose cause, expiry or last event changed."""
    found_again: int = 0
    """Archived entries that are seen again."""
    revived: int = 0
    """Removed entries that block again."""
    unchanged: int = 0
    """Entries that were there already."""
    kept_removed: int = 0
    """Removed entries that stay removed."""
    duplicates: int = 0
    """Values that stood in the file before."""
    warnings: int = 0
    """Lines that made an entry without something that stood in them."""
    faults: int = 0
    """Lines or values that make no entry."""
    left_out: int = 0
    """Failures that do not speak against their address."""

    def add(self, other: Counts) -> None:
        """Add *other*, except `lines`, which is absolute."""
        for name in self.__slots__:
            if name != "lines":
                setattr(self, name, getattr(self, name) + getattr(other, name))

    def document(self) -> dict[str, int]:
        """JSON-ready."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Block:
    """Some lines of an import, to be entered in one transaction."""

    parts: list[Part] = field(default_factory=list)
    """Staged rows in the order of the file."""
    size: int = 0
    """How many; keys may stand among them more than once."""
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    """Line, code and sentence."""
    counts: Counts = field(default_factory=Counts)
    """What is known without the store: faults, warnings, left out."""
    widths: set[tuple[int, int]] = field(default_factory=set)
    """Prefix lengths of its networks."""
    rules: bool = False
    """It holds something else than addresses."""
    sorts: set[object] = field(default_factory=set)
    """Cause, state and expiry of its rows: what decides which of several rows for one key is taken."""
    erased: bool = False
    """Its addresses are to be looked for among the erased ones."""
    lines: int = 0
    """Last line it covers."""
    bytes: int = 0
    """Bytes read when it was closed."""

    @property
    def is_uniform(self) -> bool:
        """Whether of several rows for one key any is as good as the others."""
        return len(self.sorts) <= 1 and not self.rules

    def add(self, row: Staged) -> None:
        """Append one row."""
        self.sorts.add(_JUDGED(row))
        if not self.parts or isinstance(self.parts[-1], StagedRun):
            self.parts.append([])
        last = self.parts[-1]
        assert isinstance(last, list)
        last.append(row)
        self.size += 1

    def look_for_erased(self, hash_of: Callable[[str], str]) -> None:
        """Have its addresses looked for among the erased ones as well, by what *hash_of* makes of their keys."""
        rows = (part.rows() if isinstance(part, StagedRun) else part for part in self.parts)
        self.parts = [[(*row[:-1], hash_of(row[_KEY]) if row[_KIND] == 0 else None) for row in part] for part in rows]
        self.erased = True

    def add_run(self, row: Staged, text: str, count: int) -> None:
        """Append *count* rows like *row*, with these keys."""
        self.sorts.add(_JUDGED(row))
        last = self.parts[-1] if self.parts else None
        if not isinstance(last, StagedRun) or last.row[2:] != row[2:]:
            last = StagedRun(row)
            self.parts.append(last)
        last.text.append(text)
        self.size += count
