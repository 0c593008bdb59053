"""The store that a command works on, named when it is one that was not there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from validator.settings import Settings


def tell_of_new_store(settings: Settings) -> None:
    """Say on standard error that an SQLite file is about to be made.

    The usual URL names a file of the folder that somebody stands in: a key or an entry that is made in another folder
    than the service's is nothing to it. Raises `SettingsError` for a URL that names no store.
    """
    from validator.database import locate

    path = locate(settings.database_url.get_secret_value()).path
    if path is not None and path.parent.is_dir() and not path.exists():
        typer.echo(f"a new store: {path.resolve()} (VALIDATOR_DATABASE_URL names another one)", err=True)
