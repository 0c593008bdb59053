"""A file of addresses, domains and networks -> entries or faults, as a stream. Pure; chunk borders do not matter."""

from __future__ import annotations

from collections.abc import Iterator

from validator.blacklist.importing.columns import delimiter_of
from validator.blacklist.importing.lines import Lines
from validator.blacklist.importing.row import NOT_THE_RECIPIENT, WARNINGS, Classify, Defaults, Fault, Row
from validator.blacklist.importing.rows import Rows
from validator.blacklist.importing.runs import Run, end_of_run

__all__ = [
    "NOT_THE_RECIPIENT",
    "WARNINGS",
    "Classify",
    "Defaults",
    "Fault",
    "Reader",
    "Row",
    "Run",
]


class Reader:
    """Feed it bytes; it answers rows and faults in the order of the file. Holds one line, never the file."""

    def __init__(self, defaults: Defaults) -> None:
        self._lines = Lines(defaults.encoding, is_header=_is_header)
        self._rows = Rows(defaults)

    @property
    def lines(self) -> int:
        """Lines read so far."""
        return self._lines.number

    def feed(self, chunk: bytes) -> list[Row | Fault]:
        """What this chunk completes."""
        return self._rows.feed(self._lines.feed(chunk))

    def feed_runs(self, chunk: bytes) -> list[Row | Fault | Run]:
        """The same, with runs of plain addresses in one piece each."""
        data = self._lines.complete(chunk)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # CR CR LF is two line ends, as line by line
        found: list[Row | Fault | Run] = []
        place = 0
        while place < len(data):
            if self._rows.may_run and not self._lines.broken:
                end = end_of_run(data, place)
                if end > place:
                    found.append(self._run(data[place:end].decode("ascii")))
                    place = end
                    continue
            end = data.find(b"\n", place) + 1 if self._rows.by_line else 0
            found += self._rows.feed(self._lines.numbered(data[place : end or len(data)]))
            place = end or len(data)
        return found

    def _run(self, text: str) -> Run:
        count = text.count("\n")
        number = self._lines.skip(count)
        [first] = self._rows.feed([(number, text[: text.index("\n")])])
        assert isinstance(first, Row), "the pattern lets only addresses through"
        return Run(first, count, text)

    def finish(self) -> Iterator[Row | Fault]:
        """What the end of the file completes."""
        yield from self._rows.feed(self._lines.finish())
        yield from self._rows.finish()


def _is_header(line: str) -> bool:
    return delimiter_of(line.strip()) is not None
