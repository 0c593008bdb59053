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
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of docs/settings.md instead: names, defaults, meanings.")
    ] = False,
) -> None:
    """Print every setting that is in force; secrets are hidden."""
    from validator.settings import Settings, hide_password, load_settings

    if markdown:
        typer.echo(settings_markdown(), nl=False)
        return
    settings = load_settings(settings_file)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = hide_password(value.get_secret_value()) if name == "database_url" else _shown(value)
        mark = "" if value == field.get_default(call_default_factory=True) else "   # changed"
        typer.echo(f"VALIDATOR_{name.upper()}={shown}{mark}")


def settings_markdown() -> str:
    """`docs/settings.md`: every setting with its default and meaning, in the order of the code."""
    from pydantic import SecretStr

    from validator.settings import Settings

    lines = [
        "# Settings",
        "",
        "Environment variables; or a `.env`-style file named by `VALIDATOR_SETTINGS_FILE`; or, for secrets, one file",
        "each in the folder named by `VALIDATOR_SECRETS_DIR`. `validator settings` prints what is in force.",
        "Made by `validator settings --markdown`.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = default.get_secret_value() if isinstance(default, SecretStr) else _shown(default)
        lines.append(f"| `VALIDATOR_{name.upper()}` | {f'`{shown}`' if shown else ''} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(_shown(part) for part in value)
    if isinstance(value, Enum):
        return str(value.value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
