"""`validator blacklist allow|disallow|allowlist`: addresses and domains that somebody is sure about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from validator.cli.blacklist import Expires, Force, SettingsFile, Why, actor, expiry_from, on_list, rule_from
from validator.cli.exits import Exit
from validator.cli.terminal import printable, table
from validator.errors import NotFound

if TYPE_CHECKING:
    from validator.blacklist.results import Allowed
    from validator.blacklist.service import Blacklist


def allow_command(
    values: Annotated[list[str], typer.Argument(help="Addresses or domains.")],
    note: Annotated[str, typer.Option(help="How they are known to be good.")],
    expires: Expires = None,
    acknowledge: Annotated[
        bool,
        typer.Option("--acknowledge-complaint", help="Override complaints, unsubscribes and manual entries as well."),
    ] = False,
    force: Force = False,
    settings_file: SettingsFile = None,
) -> None:
    """Have VALUES pass although they bounced. A complaint or a manual entry needs --acknowledge-complaint."""
    rules, until = [rule_from(value) for value in values], expiry_from(expires)

    async def allow(blacklist: Blacklist) -> list[tuple[Allowed, bool]]:
        return [
            await blacklist.allowlist.add(
                rule, note=note, actor=actor(), expires=until, acknowledged=acknowledge, force=force
            )
            for rule in rules
        ]

    for allowed, new in on_list(settings_file, allow):
        typer.echo(f"{allowed.id}\t{'allowed' if new else 'renewed'}\t{allowed.kind}\t{printable(allowed.value)}")


def disallow_command(
    values: Annotated[list[str], typer.Argument(help="Numbers of rules, addresses or domains.")],
    why: Why = "",
    settings_file: SettingsFile = None,
) -> None:
    """Take VALUES off the allow-list. Exit code 1 when one of them is not on it."""
    rules = {value: rule_from(value) for value in values if not value.isdigit()}  # all of them before any goes

    async def disallow(blacklist: Blacklist) -> int:
        missing = 0
        for value in values:
            identifier = value
            if not value.isdigit():
                found = await blacklist.allowlist.of_rule(rules[value])
                identifier = found.id if found is not None else ""
            if not identifier:
                missing += 1
                typer.echo(f"{printable(value)}\tnot on the allow-list", err=True)
                continue
            try:
                gone = await blacklist.allowlist.remove(identifier, actor=actor(), why=why)
            except NotFound as error:  # one value says nothing about the others
                missing += 1
                typer.echo(f"{printable(value)}\t{error}", err=True)
                continue
            typer.echo(f"{gone.id}\tallowed no more\t{printable(gone.value)}")
        return missing

    if on_list(settings_file, disallow):
        raise typer.Exit(Exit.SOME_NOT)


def allowlist_command(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 50,
    settings_file: SettingsFile = None,
) -> None:
    """Show what is allowed."""
    rules, cursor = on_list(settings_file, lambda blacklist: blacklist.allowlist.page(limit=limit))
    table(
        ("id", "value", "note", "overrides", "since", "expires", "by"),
        [
            (
                rule.id,
                rule.value,
                rule.note,
                "everything" if rule.acknowledged else "bounces",
                f"{rule.created:%Y-%m-%d}",
                f"{rule.expires:%Y-%m-%d}" if rule.expires else "",
                rule.actor,
            )
            for rule in rules
        ],
        always=("id", "value", "note"),
    )
    if cursor is not None:
        typer.echo(f"the newest {limit}; there are more: --limit", err=True)


def register(app: typer.Typer) -> None:
    """Add these commands to `validator blacklist`."""
    app.command("allow")(allow_command)
    app.command("disallow")(disallow_command)
    app.command("allowlist")(allowlist_command)
