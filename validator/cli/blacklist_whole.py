"""`validator blacklist stats|lists|imports|faults|erase`: the list as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from validator.blacklist.entry import Kind
from validator.cli.blacklist import Lists, SettingsFile, actor, on_list, rule_from
from validator.cli.exits import Exit
from validator.cli.terminal import counted, moment, table

if TYPE_CHECKING:
    from validator.blacklist.counting import Statistics
    from validator.blacklist.import_options import LineFault
    from validator.blacklist.service import Blacklist


def stats_command(
    group_by: Annotated[str, typer.Option("--by", help="cause, kind, source, list, state or day.")] = "cause",
    name: Lists = None,
    settings_file: SettingsFile = None,
) -> None:
    """Count what blocks now, on every list unless some are named."""
    from dataclasses import replace

    from validator.blacklist.filter import NOW_BLOCKING, Group

    if group_by not in set(Group):
        raise typer.BadParameter("one of: " + ", ".join(Group))

    async def count(blacklist: Blacklist) -> Statistics:
        await blacklist.require_lists(name or ())
        return await blacklist.counting.statistics(Group(group_by), replace(NOW_BLOCKING, lists=name or ()))

    found = on_list(settings_file, count)
    rows = [(title, f"{number:,}") for title, number in found.groups]
    table((group_by, "entries"), [*rows, ("all", f"{found.total:,}")])
    if found.soft_bounced:
        typer.echo(f"besides, {counted(found.soft_bounced, 'address', 'addresses')} bounced softly and still pass")


def lists_command(
    make: Annotated[str | None, typer.Option(help="Make a list of this name, or change its --note.")] = None,
    delete: Annotated[str | None, typer.Option(help="Delete the list of this name, on which nothing stands.")] = None,
    note: Annotated[str, typer.Option(help="For people, with --make.")] = "",
    settings_file: SettingsFile = None,
) -> None:
    """Show the named lists, make or delete one."""
    if make is not None and delete is not None:
        raise typer.BadParameter("--make and --delete: choose one")
    if note and make is None:
        raise typer.BadParameter("--note: goes with --make")
    if make is not None:
        name = make
        _, new = on_list(settings_file, lambda found: found.counting.put_list(name, note=note, actor=actor()))
        typer.echo(f"{name}: {'made' if new else 'changed'}")
    elif delete is not None:
        gone = delete
        on_list(settings_file, lambda found: found.counting.delete_list(gone))
        typer.echo(f"{gone}: deleted")
    else:
        found = on_list(settings_file, lambda blacklist: blacklist.counting.lists())
        rows = [(info.name, f"{number:,}", info.note, f"{info.created:%Y-%m-%d}", info.actor) for info, number in found]
        table(("list", "entries", "note", "made", "by"), rows)


def imports_command(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 20,
    settings_file: SettingsFile = None,
) -> None:
    """Show the imports. Their numbers are what `undo`, `faults` and `list --import` take."""
    batches, _ = on_list(settings_file, lambda blacklist: blacklist.imports.page(limit=limit))
    rows = [
        (
            batch.id,
            batch.name,
            batch.status,
            *(f"{number:,}" if (number := batch.counts.get(part, 0)) else "" for part in ("lines", "added", "faults")),
            moment(batch.created),
            batch.actor,
        )
        for batch in batches
    ]
    table(("id", "file", "status", "lines", "new", "faults", "begun", "by"), rows, always=("id", "file", "status"))


def faults_command(
    identifier: Annotated[str, typer.Argument(help="Number of the import.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    settings_file: SettingsFile = None,
) -> None:
    """Show the faulty lines of an import. They made no entry, or not a whole one. Exit code 1 when there are some."""

    async def find(blacklist: Blacklist) -> tuple[list[LineFault], bool]:
        faults, cursor = await blacklist.imports.faults(identifier, limit=limit)
        return faults, cursor is not None

    faults, more = on_list(settings_file, find)
    if not faults:
        typer.echo("every line made an entry", err=True)
        return
    table(("line", "what", "detail"), [(fault.line, fault.code, fault.detail) for fault in faults])
    if more:
        typer.echo(f"the first {limit}; there are more: --limit", err=True)
    raise typer.Exit(Exit.SOME_NOT)


def erase_command(
    addresses: Annotated[list[str], typer.Argument(help="Exact addresses.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Wipe ADDRESSES wherever they stand, for good.

    That is in entries, history, allow-list and reported failures. A keyed hash keeps those blocked that were.
    """
    rules = {rule.key: rule for rule in (rule_from(address, Kind.ADDRESS) for address in addresses)}
    what = counted(len(rules), "address", "addresses")
    if not yes:
        typer.confirm(f"erase {what}? This cannot be undone", abort=True)
    erased = on_list(settings_file, lambda found: found.erasing.erase(list(rules.values()), actor=actor()))
    typer.echo(f"erased {erased:,}, not known {len(rules) - erased:,}")


def register(app: typer.Typer) -> None:
    """Add these commands to `validator blacklist`."""
    app.command("stats")(stats_command)
    app.command("lists")(lists_command)
    app.command("imports")(imports_command)
    app.command("faults")(faults_command)
    app.command("erase")(erase_command)
