"""`validator openapi`: the description of the API, printed, written or compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from validator.cli.exits import Exit


def openapi_command(
    check: Annotated[
        Path | None, typer.Option("--check", help="Compare with this file; exit 1 when it differs.")
    ] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Write to this file.")] = None,
) -> None:
    """Print the OpenAPI description, as the routes make it."""
    from validator.server.openapi import openapi_yaml

    text = openapi_yaml()
    if check is not None:
        if check.read_text("utf-8") != text:
            typer.echo(f"{check} differs from the routes: run `validator openapi --write {check}`", err=True)
            raise typer.Exit(Exit.SOME_NOT)
        typer.echo(f"{check} agrees with the routes")
    elif write is not None:
        write.write_text(text, "utf-8")
    else:
        typer.echo(text, nl=False)
