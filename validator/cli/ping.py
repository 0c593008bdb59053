"""`validator ping`: ask a running service whether it is ready; for container health checks."""

from __future__ import annotations

import http.client
import os
from typing import Annotated
from urllib.parse import urlsplit

import typer

from validator.cli.exits import Exit

MAX_TIMEOUT_S = 3_600
"""Longest wait for an answer."""


def ping_command(
    url: Annotated[str | None, typer.Option(help="Where it listens; default: this machine at VALIDATOR_PORT.")] = None,
    path: Annotated[str, typer.Option(help="What to ask for.")] = "/readyz",
    timeout_s: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 3.0,
) -> None:
    """Exit 0 when the service is ready, 1 when it says that it is not, 3 when nobody answers."""
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise typer.BadParameter(f"--timeout-s: more than 0, at most {MAX_TIMEOUT_S}")
    parts = urlsplit(url or f"http://127.0.0.1:{os.environ.get('VALIDATOR_PORT') or 8080}")
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout_s)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        typer.echo(f"no answer: {type(error).__name__}", err=True)
        raise typer.Exit(Exit.UNDECIDED) from None
    finally:
        connection.close()
    typer.echo(f"{status}")
    if status != 200:
        raise typer.Exit(Exit.SOME_NOT)
