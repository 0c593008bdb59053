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
MAX_PORT = 65_535
"""Largest number of a port."""


def ping_command(
    url: Annotated[str | None, typer.Option(help="Where it listens; default: this machine at VALIDATOR_PORT.")] = None,
    path: Annotated[str, typer.Option(help="What to ask for.")] = "/readyz",
    timeout_s: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 3.0,
) -> None:
    """Ask whether the service is ready. Exit code: 0 it is, 1 it says that it is not, 3 nobody answers."""
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise typer.BadParameter(f"--timeout-s: more than 0, at most {MAX_TIMEOUT_S}")
    host, port = _place(url)
    if not path.startswith("/") or not path.isascii() or any(letter <= " " for letter in path):
        raise typer.BadParameter("--path: a path such as /readyz is needed")
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
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


def _place(url: str | None) -> tuple[str, int]:
    """Host and port of *url*, else of this machine; raises `typer.BadParameter` for what names no place."""
    if url is None:
        text = os.environ.get("VALIDATOR_PORT") or "8080"
        if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MAX_PORT):
            raise typer.BadParameter(f"VALIDATOR_PORT: a port from 1 to {MAX_PORT} is needed, or --url")
        return "127.0.0.1", int(text)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number, an open bracket
        host, port = None, None
    if host is None or parts.scheme != "http":
        raise typer.BadParameter("--url: a URL such as http://127.0.0.1:8080 is needed")
    return host, 80 if port is None else port
