"""`validator serve`: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve_command(
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A .env-style file of VALIDATOR_* settings.")
    ] = None,
) -> None:
    """Serve the HTTP API until SIGTERM or SIGINT."""
    from validator.server.serving import serve
    from validator.settings import load_settings

    serve(load_settings(settings_file))
