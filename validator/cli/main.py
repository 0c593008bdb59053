"""The command line: registers each command file, turns our errors into a sentence and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from validator import __version__
from validator.cli import (
    allowlist,
    blacklist,
    blacklist_files,
    blacklist_story,
    blacklist_whole,
    check,
    classify,
    data,
    database,
    demo,
    dns,
    explain,
    feedback,
    keys,
    openapi,
    ping,
    serve,
    settings,
)
from validator.cli.exits import Exit, exit_of
from validator.errors import ValidatorError

app = typer.Typer(
    name="validator",
    help="Repairs, judges and suppresses email addresses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def validator(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Repairs, judges and suppresses email addresses."""


app.command("serve")(serve.serve_command)
app.command("ping")(ping.ping_command)
app.command("check")(check.check_command)
app.command("dns")(dns.dns_command)
app.command("explain")(explain.explain_command)
app.command("demo")(demo.demo_command)
app.command("settings")(settings.settings_command)
app.command("openapi")(openapi.openapi_command)
app.command("classify")(classify.classify_command)
app.add_typer(data.app, name="data")
blacklist.app.command("show")(blacklist_story.show_command)
for part in (blacklist_files, blacklist_whole, allowlist):
    part.register(blacklist.app)
app.add_typer(blacklist.app, name="blacklist")
app.add_typer(database.app, name="db")
app.add_typer(feedback.app, name="feedback")
app.add_typer(keys.app, name="keys")


def run() -> None:
    """Entry point: exit codes are in `exits.Exit`."""
    try:
        app()
    except ValidatorError as error:
        typer.echo(f"validator: {error}", err=True)
        sys.exit(exit_of(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Exit.ALL_VALID)
