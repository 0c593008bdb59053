"""`validator blacklist`: the list for people, straight on the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from validator.blacklist.entry import DEFAULT_LIST, Cause, Kind, State
from validator.cli.logs import log_to_stderr
from validator.cli.store import tell_of_new_store
from validator.cli.terminal import counted, printable, table
from validator.errors import Conflict, NotFound

if TYPE_CHECKING:
    from validator.blacklist.entry import Entry, Rule
    from validator.blacklist.filter import Filter
    from validator.blacklist.service import Blacklist

app = typer.Typer(help="Whom not to send to, why and since when.", no_args_is_help=True)

SettingsFile = Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")]
CAUSES: Final = f"One of {', '.join(Cause)}."
ListOption = Annotated[str, typer.Option("--list", help="Named list.")]
Why = Annotated[str, typer.Option("--why", help="For the history.")]
Force = Annotated[bool, typer.Option("--force", help="Also what would hit half the world.")]
Expires = Annotated[str | None, typer.Option(help="When it ends; a plain date means the end of that day, UTC.")]
Kinds = Annotated[list[Kind] | None, typer.Option("--kind", help="Only this kind.")]
Causes = Annotated[list[Cause] | None, typer.Option("--cause", metavar="<cause>", help=f"Only this cause. {CAUSES}")]
Lists = Annotated[list[str] | None, typer.Option("--list", help="Only this list.")]
Source = Annotated[str | None, typer.Option(help="Only this source.")]
Domain = Annotated[str | None, typer.Option(help="Only addresses at this domain and rules about it.")]
Words = Annotated[str | None, typer.Option("--text", "-q", help="Part of the value or note.")]
OfImport = Annotated[str | None, typer.Option("--import", help="Only what the import with this number entered.")]
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

    log_to_stderr()
    settings = load_settings(settings_file)
    tell_of_new_store(settings)
    async with open_blacklist(settings) as blacklist:
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


def expiry_from(text: str | None) -> datetime | None:
    """A moment to come, as the HTTP interface reads it; a usage error when it is none."""
    from pydantic import TypeAdapter, ValidationError

    from validator.server.wire_types import Expiry

    if text is None:
        return None
    try:
        return TypeAdapter[datetime](Expiry).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"--expires: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def filter_from(
    *,
    kind: list[Kind] | None = None,
    cause: list[Cause] | None = None,
    state: list[State] | None = None,
    name: list[str] | None = None,
    source: str | None = None,
    domain: str | None = None,
    text: str | None = None,
    of_import: str | None = None,
) -> Filter:
    """A filter from the options of a command; active entries when no state is named."""
    from validator.blacklist.filter import SEEN, Filter

    return Filter(
        kinds=kind or (),
        causes=cause or (),
        states=state or SEEN,
        lists=name or (),
        source=source,
        batch=of_import,
        domain=rule_from(domain, Kind.DOMAIN).key if domain else None,
        text=text,
    )


@app.command("add")
def add_command(
    values: Annotated[list[str], typer.Argument(help="Addresses, domains (*.x for what is below), hosts, networks.")],
    kind: Annotated[Kind | None, typer.Option(help="What they are; told from the value when missing.")] = None,
    cause: Annotated[Cause, typer.Option(metavar="<cause>", help=f"Why. {CAUSES}")] = Cause.MANUAL,
    name: ListOption = DEFAULT_LIST,
    note: Annotated[str, typer.Option(help="For people.")] = "",
    expires: Expires = None,
    force: Force = False,
    settings_file: SettingsFile = None,
) -> None:
    """Enter VALUES."""
    from validator.blacklist.entry import NewEntry

    until = expiry_from(expires)
    new = [NewEntry(rule_from(value, kind), cause, "cli", list=name, note=note, expires=until) for value in values]
    for entry, outcome in on_list(settings_file, lambda found: found.entries.add(new, actor=actor(), force=force)):
        typer.echo(f"{entry.id}\t{outcome}\t{entry.kind}\t{printable(shown(entry))}")


@app.command("list")
def list_command(
    kind: Kinds = None,
    cause: Causes = None,
    state: Annotated[list[State] | None, typer.Option(help="Only this state; active when none is named.")] = None,
    name: Lists = None,
    source: Source = None,
    domain: Domain = None,
    text: Words = None,
    of_import: OfImport = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 50,
    settings_file: SettingsFile = None,
) -> None:
    """Search. Columns that say the same of every entry are left out."""
    wanted = filter_from(
        kind=kind, cause=cause, state=state, name=name, source=source, domain=domain, text=text, of_import=of_import
    )

    async def search(blacklist: Blacklist) -> tuple[tuple[Entry, ...], bool]:
        await blacklist.require_lists(name or ())
        found = await blacklist.entries.search(wanted, limit=limit)
        return found.entries, found.cursor is not None

    entries, more = on_list(settings_file, search)
    show_entries(entries)
    if more:
        typer.echo(f"the newest {limit}; there are more: --limit, or narrow it", err=True)
    elif not entries:
        typer.echo("nothing found", err=True)


def show_entries(entries: tuple[Entry, ...]) -> None:
    """Entries as a table."""
    table(
        ("id", "kind", "value", "list", "cause", "state", "since", "expires", "source"),
        [
            (
                entry.id,
                "" if entry.kind is Kind.ADDRESS else entry.kind,
                shown(entry),
                "" if entry.list == DEFAULT_LIST else entry.list,
                entry.cause,
                "" if entry.state is State.ACTIVE else entry.state,
                f"{entry.created:%Y-%m-%d}",
                f"{entry.expires:%Y-%m-%d}" if entry.expires else "",
                entry.source,
            )
            for entry in entries
        ],
        always=("id", "value", "cause", "since"),
    )


def shown(entry: Entry) -> str:
    """The value of an entry for people."""
    if not entry.value:
        return "(erased)"
    return f"*.{entry.value}" if entry.below else entry.value


Values = Annotated[list[str], typer.Argument(help="Numbers of entries, addresses, domains or networks.")]


def _moved(settings_file: Path | None, values: list[str], step: str, why: str) -> None:
    rules = {value: rule_from(value) for value in values if not value.isdigit()}  # all of them before any is moved

    async def move(blacklist: Blacklist) -> int:
        missing = 0
        for value in values:
            ids = [value]
            if not value.isdigit():
                ids = [entry.id for entry, _ in await blacklist.entries.of_rule(rules[value])]
            if not ids:
                missing += 1
                typer.echo(f"{printable(value)}\tnot on the list", err=True)
            for identifier in ids:
                try:
                    entry = await getattr(blacklist.entries, step)(identifier, actor=actor(), why=why)
                except (NotFound, Conflict) as error:  # one value says nothing about the others
                    missing += 1
                    typer.echo(f"{printable(value)}\t{error}", err=True)
                    continue
                typer.echo(f"{entry.id}\t{entry.state}\t{printable(shown(entry))}")
        return missing

    if on_list(settings_file, move):
        raise typer.Exit(1)


@app.command("remove")
def remove_command(
    values: Annotated[list[str] | None, typer.Argument(help="Numbers of entries, addresses, domains.")] = None,
    kind: Kinds = None,
    cause: Causes = None,
    name: Lists = None,
    source: Source = None,
    domain: Domain = None,
    text: Words = None,
    of_import: OfImport = None,
    why: Why = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Have VALUES, or all that the options find, block no more. Who, when and why stay.

    What the options find is shown first, and `validator blacklist undo` brings it all back at once.
    """
    wanted = filter_from(
        kind=kind, cause=cause, name=name, source=source, domain=domain, text=text, of_import=of_import
    )
    narrowed = wanted != filter_from()
    if bool(values) == narrowed:
        raise typer.BadParameter("name VALUES, or say by options which entries")
    if values:
        _moved(settings_file, values, "remove", why)
        return

    async def preview(blacklist: Blacklist) -> tuple[int, tuple[Entry, ...]]:
        await blacklist.require_lists(name or ())
        found = await blacklist.removal.preview(wanted)
        return found.number, found.sample

    number, sample = on_list(settings_file, preview)
    if not number:
        typer.echo("nothing found", err=True)
        raise typer.Exit(1)
    if not yes:
        show_entries(sample)
        if number > len(sample):
            typer.echo(f"… and {number - len(sample):,} more")
        typer.confirm(f"remove {counted(number, 'entry', 'entries')}?", abort=True)
    batch = on_list(settings_file, lambda found: found.removal.remove(wanted, why=why, actor=actor(), expected=number))
    typer.echo(f"removed {counted(number, 'entry', 'entries')}; validator blacklist undo {batch.id} brings them back")


@app.command("restore")
def restore_command(values: Values, why: Why = "", settings_file: SettingsFile = None) -> None:
    """Bring VALUES back with the cause and date they had."""
    _moved(settings_file, values, "restore", why)


@app.command("archive")
def archive_command(values: Values, why: Why = "", settings_file: SettingsFile = None) -> None:
    """Hide VALUES; they block all the same."""
    _moved(settings_file, values, "archive", why)
