"""`validator check`: judge addresses from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from validator.cli.exits import Exit

if TYPE_CHECKING:
    from validator.settings import Settings
    from validator.verdict import Verdict


WIDTH_OF_A_PIPE = 160
"""Columns of a table that is not printed on a terminal, where wrapping would only hurt."""


class OutputFormat(StrEnum):
    """How verdicts are printed."""

    TEXT = "text"
    """A table for people."""
    JSON = "json"
    """One JSON object a line, as `POST /check` answers."""


def check_command(
    addresses: Annotated[list[str], typer.Argument(help="Addresses to judge.")],
    sanitize: Annotated[bool, typer.Option(help="Repair before judging.")] = True,
    explain: Annotated[bool, typer.Option("--explain", help="Show the evidence.")] = False,
    output: Annotated[OutputFormat, typer.Option("--format", help="text or json.")] = OutputFormat.TEXT,
    zone: Annotated[Path | None, typer.Option("--zone", help="Answer DNS from this zone file; no network.")] = None,
    settings_file: Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")] = None,
) -> None:
    """Judge ADDRESSES. Exit code: 0 all valid, 1 some not, 2 usage, 3 could not decide."""
    from validator.settings import load_settings

    settings = load_settings(settings_file)
    if zone is not None:
        settings = settings.model_copy(update={"dns_zone_file": zone})
    verdicts = asyncio.run(judge(settings, addresses, sanitize=sanitize, explain=explain))
    show(verdicts, output)
    raise typer.Exit(exit_for(verdicts))


async def judge(settings: Settings, addresses: Sequence[str], *, sanitize: bool, explain: bool) -> list[Verdict]:
    """Verdicts in the order of *addresses*."""
    from validator.checker import CheckOptions
    from validator.runtime import open_runtime

    async with open_runtime(settings) as runtime:
        return await runtime.checker.check_many(addresses, CheckOptions(sanitize=sanitize, explain=explain))


def exit_for(verdicts: Sequence[Verdict]) -> Exit:
    """Some not valid weighs more than could not decide."""
    from validator.verdict import Status

    if any(verdict.status is Status.INVALID for verdict in verdicts):
        return Exit.SOME_NOT
    return Exit.UNDECIDED if any(verdict.status is Status.UNKNOWN for verdict in verdicts) else Exit.ALL_VALID


def show(verdicts: Sequence[Verdict], output: OutputFormat) -> None:
    """Print verdicts."""
    if output is OutputFormat.JSON:
        import orjson

        from validator.checker.document import verdict_document

        for verdict in verdicts:
            typer.echo(orjson.dumps(verdict_document(verdict)).decode())
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_PIPE
    console.print(verdict_table(verdicts))
    for verdict in verdicts:
        if verdict.explain is not None:
            console.print(_evidence_lines(verdict), soft_wrap=True)


def verdict_table(verdicts: Sequence[Verdict]) -> Any:
    """Verdicts as a table for people: what came in, the word, what to store, why, what was probably meant."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from validator.verdict import Status

    colours = {Status.VALID: "green", Status.INVALID: "red", Status.UNKNOWN: "yellow"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("orig", "valid", "email", "reason", "suggestion"):
        table.add_column(title, overflow="fold")
    for verdict in verdicts:
        word = "unknown" if verdict.status is Status.UNKNOWN else str(verdict.valid).lower()
        same = verdict.email == verdict.orig
        table.add_row(
            Text(_printable(verdict.orig)),
            Text(word, colours[verdict.status]),
            Text(_printable(verdict.email), "" if same else "bold"),
            Text(verdict.reason or ""),
            Text(verdict.suggestion or ""),
        )
    return table


def _printable(text: str) -> str:
    """Control and invisible characters shown as escapes, so that a terminal cannot be told what to do."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _evidence_lines(verdict: Verdict) -> str:
    explain = verdict.explain
    assert explain is not None
    lines = [f"\n{_printable(verdict.orig)}"]
    lines += [
        f"  {change.rule}: {_printable(change.before)!r} -> {_printable(change.after)!r} ({change.confidence:.2f})"
        for change in explain.changes
    ]
    lines += [f"  {finding.reason:22} {finding.outcome:8} {finding.detail}" for finding in explain.findings]
    if explain.dns is not None:
        lines.append(f"  dns {explain.dns}")
    if explain.provider is not None:
        lines.append(f"  provider {explain.provider['vendor']}")
    if explain.flags:
        lines.append(f"  flags {', '.join(explain.flags)}")
    return "\n".join(lines)
