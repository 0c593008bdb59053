"""Addresses on the command line: a table for people, or a JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from validator.bulk.findings import printable
from validator.cli.check_engine import Engine, run
from validator.cli.exits import Exit
from validator.verdict import Status, Verdict

WIDTH_OF_A_PIPE = 160
"""Columns of a table that is not printed on a terminal, where wrapping would only hurt."""


def check_addresses(engine: Engine, addresses: Sequence[str], *, as_json: bool) -> Exit:
    """Judge and print; what it came to."""
    verdicts = run(_judge(engine, addresses))
    show(verdicts, as_json=as_json)
    return exit_for(verdicts, may_be_unknown=engine.no_dns)


async def _judge(engine: Engine, addresses: Sequence[str]) -> list[Verdict]:
    async with engine.open_checker() as checker:
        return [*await checker.check_many(addresses, engine.options)]


def exit_for(verdicts: Sequence[Verdict], *, may_be_unknown: bool = False) -> Exit:
    """Some not valid weighs more than could not decide, which is no fault where nobody was to be asked."""
    if any(verdict.status is Status.INVALID for verdict in verdicts):
        return Exit.SOME_NOT
    undecided = not may_be_unknown and any(verdict.status is Status.UNKNOWN for verdict in verdicts)
    return Exit.UNDECIDED if undecided else Exit.ALL_VALID


def show(verdicts: Sequence[Verdict], *, as_json: bool = False) -> None:
    """Print verdicts."""
    if as_json:
        import orjson

        from validator.checker.document import verdict_document

        for verdict in verdicts:
            typer.echo(orjson.dumps(verdict_document(verdict)))  # UTF-8 whatever the terminal has
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

    colours = {Status.VALID: "green", Status.INVALID: "red", Status.UNKNOWN: "yellow"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("orig", "valid", "email", "reason", "suggestion"):
        table.add_column(title, overflow="fold")
    for verdict in verdicts:
        word = "unknown" if verdict.status is Status.UNKNOWN else str(verdict.valid).lower()
        same = verdict.email == verdict.orig
        table.add_row(
            Text(printable(verdict.orig)),
            Text(word, colours[verdict.status]),
            Text(printable(verdict.email), "" if same else "bold"),
            Text(verdict.reason or ""),
            Text(verdict.suggestion or ""),
        )
    return table


def _evidence_lines(verdict: Verdict) -> str:
    explain = verdict.explain
    assert explain is not None
    lines = [f"\n{printable(verdict.orig)}"]
    lines += [
        f"  {change.rule}: {printable(change.before)!r} -> {printable(change.after)!r} ({change.confidence:.2f})"
        for change in explain.changes
    ]
    lines += [f"  {finding.reason:22} {finding.outcome:8} {finding.detail}" for finding in explain.findings]
    if explain.dns is not None:
        lines.append(f"  mail hosts             {hosts_text(explain.dns)}")
    if explain.provider is not None:
        lines.append(f"  provider               {explain.provider['vendor']}")
    if explain.flags:
        lines.append(f"  remarks                {', '.join(explain.flags)}")
    return "\n".join(lines)


def hosts_text(dns: Any) -> str:
    """The mail hosts of the DNS evidence with their addresses, or what became of them, on one line."""
    hosts = dns.get("hosts") or ()
    shown = [f"{host['name']} ({', '.join(host['addresses']) or host['outcome']})" for host in hosts[:4]]
    more = f" and {len(hosts) - 4} more" if len(hosts) > 4 else ""
    stale = "; stale, DNS does not answer" if dns.get("stale") else ""
    return (", ".join(shown) or "none") + more + stale
