"""`validator settings`: what is in force, secrets hidden."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


def settings_command(
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A .env-style file of VALIDATOR_* settings.")
    ] = None,
) -> None:
    """Print every setting that is in force; secrets are hidden."""
    from pydantic import SecretStr

    from validator.settings import Settings, hide_password, load_settings

    settings = load_settings(settings_file)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name == "database_url":
            shown = hide_password(value.get_secret_value())
        elif isinstance(value, SecretStr):
            shown = "(set)" if value.get_secret_value() else ""
        elif isinstance(value, tuple):
            shown = ",".join(str(part) for part in value)
        elif isinstance(value, Enum):
            shown = str(value.value)
        elif value is None:
            shown = ""
        else:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
        mark = "" if value == field.get_default(call_default_factory=True) else "   # changed"
        typer.echo(f"VALIDATOR_{name.upper()}={shown}{mark}")
