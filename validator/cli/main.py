"""The command line: finds each command's file."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Final

import typer

from validator import __version__
from validator.cli.exits import end_with

COMMANDS: Final = {
    "serve": "serve:serve_command",
    "ping": "ping:ping_command",
    "check": "check:check_command",
    "dns": "dns:dns_command",
    "explain": "explain:explain_command",
    "demo": "demo:demo_command",
    "settings": "settings:settings_command",
    "openapi": "openapi:openapi_command",
    "classify": "classify:classify_command",
    "data": "data:app",
    "blacklist": "blacklist_group:app",
    "db": "database:app",
    "feedback": "feedback:app",
    "keys": "keys:app",
}
"""Name -> file in this folder and what it exports for the name: one command, or a group of them as `app`."""


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _validator(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Repairs, judges and suppresses email addresses."""


def build(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands; to import and describe all of them takes longer than a short one's work."""
    app = typer.Typer(
        name="validator",
        help="Repairs, judges and suppresses email addresses.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_validator)
    for name in names:
        file, _, exported = COMMANDS[name].partition(":")
        found = getattr(import_module(f"validator.cli.{file}"), exported)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def run() -> None:
    """Entry point: exit codes are in `exits.Exit`."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    app = build([wanted] if wanted in COMMANDS else COMMANDS)
    gc.freeze()
    gc.set_threshold(100_000)  # commands import what they need
    gc.enable()
    end_with(app)
