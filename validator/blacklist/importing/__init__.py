"""A file of addresses, domains and networks -> entries or faults, as a stream. Pure; chunk borders do not matter."""

from __future__ import annotations

from collections.abc import Iterator

from validator.blacklist.importing.lines import Lines
from validator.blacklist.importing.row import NOT_THE_RECIPIENT, WARNINGS, Classify, Defaults, Fault, Format, Row
from validator.blacklist.importing.rows import Rows

__all__ = ["NOT_THE_RECIPIENT", "WARNINGS", "Classify", "Defaults", "Fault", "Format", "Reader", "Row"]


class Reader:
    """Feed it bytes; it answers rows and faults in the order of the file. Holds one line, never the file."""

    def __init__(self, defaults: Defaults) -> None:
        self._lines = Lines()
        self._rows = Rows(defaults)

    @property
    def format(self) -> Format | None:
        """What the file is; None before its first line."""
        return self._rows.format

    @property
    def lines(self) -> int:
        """Lines read so far."""
        return self._lines.number

    def feed(self, chunk: bytes) -> list[Row | Fault]:
        """What this chunk completes."""
        return self._rows.feed(self._lines.feed(chunk))

    def finish(self) -> Iterator[Row | Fault]:
        """What the end of the file completes."""
        yield from self._rows.feed(self._lines.finish())
        yield from self._rows.finish()
