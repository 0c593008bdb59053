"""`validator feedback`: replay the stored events, see and retry notices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from validator.cli.logs import log_to_stderr

if TYPE_CHECKING:
    from validator.feedback.service import Feedback

app = typer.Typer(help="Events and what they do to the blacklist.", no_args_is_help=True, rich_markup_mode=None)
Result = TypeVar("Result")
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="A .env-style file of VALIDATOR_* settings.")]


@app.command("replay")
def replay_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    rejudge: Annotated[bool, typer.Option(help="Judge the stored texts by the rules of today.")] = True,
    show: Annotated[int, typer.Option(min=0, max=10_000, help="Most addresses to name on each side.")] = 20,
    settings_file: SettingsFile = None,
) -> None:
    """Make the blacklist what the stored events say. Entries of people and imports are left alone."""
    from validator.feedback.replaying import replay

    found = _with_feedback(
        lambda feedback: replay(feedback, dry_run=dry_run, rejudge=rejudge, shown=show), settings_file
    )
    would = "would be " if dry_run else ""
    typer.echo(f"{found.addresses} addresses with events, {found.rejudged} events judged otherwise", err=True)
    typer.echo(f"{found.added_count} {would}blacklisted, {found.lifted_count} {would}lifted", err=True)
    for sign, addresses in (("+", found.added), ("-", found.lifted)):
        for address in addresses:
            typer.echo(f"{sign} {address}")


@app.command("recheck-domains")
def recheck_command(settings_file: SettingsFile = None) -> None:
    """Ask DNS about domains that failures called dead. Entries of those that work again are lifted."""
    asked = _with_feedback(lambda feedback: feedback.recheck_domains(), settings_file)
    typer.echo(f"{asked} addresses looked at", err=True)


@app.command("notices")
def notices_command(
    retry: Annotated[bool, typer.Option("--retry", help="Try those that were given up once more.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Count outgoing notices: pending, sent, dead."""
    counts = _with_feedback(lambda feedback: feedback.notices(retry=retry), settings_file)
    for state in ("pending", "sent", "dead"):
        typer.echo(f"{state} {counts.get(state, 0)}")


def _with_feedback(work: Callable[[Feedback], Awaitable[Result]], settings_file: Path | None) -> Result:
    from validator.runtime import open_runtime
    from validator.settings import load_settings

    log_to_stderr()

    async def run() -> Result:
        async with open_runtime(load_settings(settings_file)) as runtime:
            return await work(runtime.feedback)

    return asyncio.run(run())
