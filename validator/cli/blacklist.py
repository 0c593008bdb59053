"""`validator blacklist`: the list for people, straight on the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from validator.blacklist.entry import Cause, Kind, State

if TYPE_CHECKING:
    from validator.blacklist.entry import Entry, Event, Rule
    from validator.blacklist.service import Blacklist

app = typer.Typer(help="Whom not to send to, why and since when.", no_args_is_help=True)

SettingsFile = Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")]
ListOption = Annotated[str, typer.Option("--list", help="Named list.")]
Why = Annotated[str, typer.Option("--why", help="For the history.")]
Force = Annotated[bool, typer.Option("--force", help="Also what would hit half the world.")]
_Answer = TypeVar("_Answer")


def actor() -> str:
    """Who works at the terminal, for the history."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user without a name
        return "cli"


@asynccontextmanager
async def opened(settings_file: Path | None) -> AsyncIterator[Blacklist]:
    """The blacklist of the configured store, without the rest of the service."""
    from validator.runtime import open_blacklist
    from validator.settings import load_settings

    async with open_blacklist(load_settings(settings_file)) as blacklist:
        yield blacklist


def on_list(settings_file: Path | None, work: Callable[[Blacklist], Awaitable[_Answer]]) -> _Answer:
    """Run *work* on the configured store."""

    async def run() -> _Answer:
        async with opened(settings_file) as blacklist:
            return await work(blacklist)

    return asyncio.run(run())


def rule_from(value: str, kind: Kind | None = None, *, below: bool = False) -> Rule:
    """A value as a rule; a usage error when it is none."""
    from validator.blacklist.entry import RuleFault
    from validator.blacklist.keys import parse_rule

    rule = parse_rule(value, kind, below=below)
    if isinstance(rule, RuleFault):
        raise typer.BadParameter(f"{printable(value)}: {rule.message}")
    return rule


def printable(text: str) -> str:
    """Control and invisible characters shown as escapes, so that a terminal cannot be told what to do."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@app.command("add")
def add_command(
    values: Annotated[list[str], typer.Argument(help="Addresses, domains (*.x for what is below), hosts, networks.")],
    kind: Annotated[Kind | None, typer.Option(help="What they are; told from the value when missing.")] = None,
    cause: Annotated[Cause, typer.Option(help="Why.")] = Cause.MANUAL,
    name: ListOption = "default",
    note: Annotated[str, typer.Option(help="For people.")] = "",
    force: Force = False,
    settings_file: SettingsFile = None,
) -> None:
    """Enter VALUES."""
    from validator.blacklist.entry import NewEntry

    new = [NewEntry(rule_from(value, kind), cause, "cli", list=name, note=note) for value in values]
    for entry, outcome in on_list(settings_file, lambda found: found.entries.add(new, actor=actor(), force=force)):
        typer.echo(f"{entry.id}\t{outcome}\t{entry.kind}\t{printable(entry.value)}")


@app.command("list")
def list_command(
    kind: Annotated[list[Kind] | None, typer.Option(help="Only this kind.")] = None,
    cause: Annotated[list[Cause] | None, typer.Option(help="Only this cause.")] = None,
    state: Annotated[list[State] | None, typer.Option(help="Only this state; active when none is named.")] = None,
    name: Annotated[list[str] | None, typer.Option("--list", help="Only this list.")] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only addresses at this domain and rules about it.")] = None,
    text: Annotated[str | None, typer.Option("--text", "-q", help="Part of the value or note.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 50,
    settings_file: SettingsFile = None,
) -> None:
    """Search."""
    from validator.blacklist.filter import Filter

    wanted = Filter(
        kinds=kind or (),
        causes=cause or (),
        states=state or (State.ACTIVE,),
        lists=name or (),
        source=source,
        domain=rule_from(domain, Kind.DOMAIN).key if domain else None,
        text=text,
    )
    found = on_list(settings_file, lambda blacklist: blacklist.entries.search(wanted, limit=limit))
    _table(
        ("id", "kind", "value", "list", "cause", "state", "since", "expires", "source"),
        [
            (
                entry.id,
                entry.kind,
                shown(entry),
                entry.list,
                entry.cause,
                entry.state,
                f"{entry.created:%Y-%m-%d %H:%M}",
                f"{entry.expires:%Y-%m-%d %H:%M}" if entry.expires else "",
                entry.source,
            )
            for entry in found.entries
        ],
    )


def shown(entry: Entry) -> str:
    """The value of an entry for people."""
    if not entry.value:
        return "(erased)"
    return f"*.{entry.value}" if entry.below else entry.value


@app.command("show")
def show_command(
    value: Annotated[str, typer.Argument(help="Address, domain, host, network, or the number of an entry.")],
    kind: Annotated[Kind | None, typer.Option(help="What it is; told from the value when missing.")] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Why and since when VALUE is on the list. Exit code 1 when it is not."""

    async def find(blacklist: Blacklist) -> list[tuple[Entry, list[Event]]]:
        if value.isdigit():
            return [await blacklist.entries.get(value)]
        return await blacklist.entries.of_rule(rule_from(value, kind))

    found = on_list(settings_file, find)
    if not found:
        typer.echo("not on the list", err=True)
        raise typer.Exit(1)
    for entry, events in found:
        typer.echo(
            f"{entry.id}  {entry.kind}  {printable(shown(entry))}  on {entry.list}: {entry.state}, {entry.cause}"
        )
        typer.echo(f"  since {entry.created.isoformat()}, from {printable(entry.source)}, by {printable(entry.actor)}")
        if entry.expires:
            typer.echo(f"  expires {entry.expires.isoformat()}")
        if entry.note:
            typer.echo(f"  note: {printable(entry.note)}")
        if entry.last_blocked:
            typer.echo(f"  blocked {entry.times_blocked} times, last {entry.last_blocked.isoformat()}")
        for event in events:
            why = f": {printable(event.why)}" if event.why else ""
            typer.echo(f"  {event.at.isoformat()}  {event.action} by {printable(event.actor)}{why}")


def _moved(settings_file: Path | None, values: list[str], step: str, why: str) -> None:
    async def move(blacklist: Blacklist) -> int:
        missing = 0
        for value in values:
            ids = [value]
            if not value.isdigit():
                ids = [entry.id for entry, _ in await blacklist.entries.of_rule(rule_from(value))]
            if not ids:
                missing += 1
                typer.echo(f"{printable(value)}\tnot on the list", err=True)
            for identifier in ids:
                entry = await getattr(blacklist.entries, step)(identifier, actor=actor(), why=why)
                typer.echo(f"{entry.id}\t{entry.state}\t{printable(shown(entry))}")
        return missing

    if on_list(settings_file, move):
        raise typer.Exit(1)


Values = Annotated[list[str], typer.Argument(help="Numbers of entries, addresses, domains or networks.")]


@app.command("remove")
def remove_command(values: Values, why: Why = "", settings_file: SettingsFile = None) -> None:
    """Have VALUES block no more; who, when and why stay."""
    _moved(settings_file, values, "remove", why)


@app.command("restore")
def restore_command(values: Values, why: Why = "", settings_file: SettingsFile = None) -> None:
    """Bring VALUES back with the cause and date they had."""
    _moved(settings_file, values, "restore", why)


@app.command("archive")
def archive_command(values: Values, why: Why = "", settings_file: SettingsFile = None) -> None:
    """Hide VALUES; they block all the same."""
    _moved(settings_file, values, "archive", why)


@app.command("stats")
def stats_command(
    group_by: Annotated[str, typer.Option("--by", help="cause, kind, source, list, state or day.")] = "cause",
    settings_file: SettingsFile = None,
) -> None:
    """Count what blocks."""
    from validator.blacklist.filter import Group

    if group_by not in set(Group):
        raise typer.BadParameter("one of: " + ", ".join(Group))
    found = on_list(settings_file, lambda blacklist: blacklist.counting.statistics(Group(group_by)))
    _table((group_by, "entries"), [*found.groups, ("all", found.total)])


def _table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console.print(table)
