"""`validator serve`: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from validator.cli.starting import start


def serve_command(
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A .env-style file of VALIDATOR_* settings.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", help="Processes, one core each; default: VALIDATOR_WORKERS.")
    ] = None,
) -> None:
    """Serve the HTTP API until SIGTERM or SIGINT. SIGHUP reads settings and data again."""
    start(settings_file, workers)
