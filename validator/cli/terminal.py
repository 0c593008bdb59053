"""What people see in a terminal: tables that fit, plurals that are right, text that cannot command the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

PIPE_WIDTH: Final = 200
"""Columns of a table that goes to a file or another program."""


def printable(text: str) -> str:
    """Control and invisible characters shown as escapes, so that a terminal cannot be told what to do."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 line`, `2,000 lines`; *many* where it is not *one* with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(value: datetime | None) -> str:
    """To the minute, UTC; empty for none."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]], *, always: Sequence[str] = ()) -> None:
    """Print *rows* under *titles*; a column without a word in it is left out, unless it is among *always*."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    cells = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    kept = [place for place, title in enumerate(titles) if title in always or any(row[place] for row in cells)]
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for place in kept or range(len(titles)):
        numbers = bool(cells) and all(row[place].replace(",", "").isdigit() for row in cells)
        shown.add_column(titles[place], overflow="fold", justify="right" if numbers else "left")
    for row in cells:
        shown.add_row(*(Text(row[place]) for place in kept))
    console.print(shown)
