"""Starts the HTTP service. Needs no library of command lines: `validator serve` alone is how it is started mostly."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path

from validator.errors import SettingsError
from validator.settings import Settings, load_settings


def start(settings_file: Path | None = None, workers: int | None = None) -> None:
    """Serve until told to stop; *workers* overrules the settings. Raises any `ValidatorError` of the start."""

    def read() -> Settings:
        settings = load_settings(settings_file)
        return settings if workers is None else settings.model_copy(update={"workers": workers})

    settings = read()
    if not 1 <= settings.workers <= 64:
        raise SettingsError("--workers: 1 to 64")
    gc.disable()  # until everything is open: what is made at the start stays
    from validator.server.lean import import_aiohttp

    import_aiohttp()
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
