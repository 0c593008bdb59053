"""`validator serve`: the HTTP service."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from validator.errors import SettingsError
from validator.settings import Settings, load_settings


def serve_command(
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A .env-style file of VALIDATOR_* settings.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", help="Processes, one core each; default: VALIDATOR_WORKERS.")
    ] = None,
) -> None:
    """Serve the HTTP API until SIGTERM or SIGINT; SIGHUP reloads settings and data."""

    def read() -> Settings:
        settings = load_settings(settings_file)
        return settings if workers is None else settings.model_copy(update={"workers": workers})

    settings = read()
    if not 1 <= settings.workers <= 64:
        raise SettingsError("--workers: 1 to 64")
    gc.disable()  # until everything is open: what is made at the start stays
    if settings.workers == 1:
        from validator.server.serving import serve

        serve(settings, read)
        return
    _serve_workers(settings, read)


def _serve_workers(settings: Settings, read: object) -> None:
    """Several processes add their metrics up through files, in memory where the system has such a place."""
    shared_memory = Path("/dev/shm")  # noqa: S108
    parent = shared_memory if shared_memory.is_dir() and os.access(shared_memory, os.W_OK) else None
    owner = os.getpid()
    folder = tempfile.mkdtemp(prefix="validator-metrics-", dir=parent)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        try:
            from validator.server.workers import serve_workers
        except ModuleNotFoundError as error:
            if error.name != "gunicorn":
                raise
            raise SettingsError("--workers: install the extra `serve` for more than one") from None
        serve_workers(settings, read)  # type: ignore[arg-type]
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
