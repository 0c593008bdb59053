"""What `--help` shows on a terminal of 80 columns: whole sentences, and nothing beyond the edge."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from validator.cli.main import build


def every_command() -> list[tuple[str, ...]]:
    """The words of each group and command."""
    found: list[tuple[str, ...]] = [()]
    for name, command in get_command(build()).commands.items():  # type: ignore[attr-defined]
        found.append((name,))
        found += [(name, inner) for inner in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_help_fits_a_terminal_and_cuts_no_sentence(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(build(), [*words, "--help"], terminal_width=80, env={"COLUMNS": "80"}).output
    lines = shown.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage")] == []
