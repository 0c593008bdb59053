"""`validator db`: look after the tables."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look after the store.", no_args_is_help=True)

SettingsFile = Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")]


@app.command("upgrade")
def upgrade_command(settings_file: SettingsFile = None) -> None:
    """Bring the tables up to date, under a lock. Does nothing when they are, or are newer than this version."""
    from validator.database import Database, revision_of
    from validator.settings import load_settings

    url = load_settings(settings_file).database_url.get_secret_value()

    async def run() -> None:
        await (await Database.open(url)).aclose()

    asyncio.run(run())
    typer.echo(f"tables are at revision {revision_of(url)}")


@app.command("status")
def status_command(settings_file: SettingsFile = None) -> None:
    """Revision of the tables and the one that this version needs."""
    from validator.database import revision_of
    from validator.migrations import head
    from validator.settings import load_settings

    found = revision_of(load_settings(settings_file).database_url.get_secret_value())
    typer.echo(f"tables: {found or 'none'}, needed: {head()}")
    if found is None or found < head():
        raise typer.Exit(1)
