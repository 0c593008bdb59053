"""Starts the HTTP service. Needs no library of command lines: `validator serve` alone is how it is started mostly."""

from __future__ import annotations

import gc
from collections.abc import Callable
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


def _serve_workers(settings: Settings, reread: Callable[[], Settings]) -> None:
    """Several processes add their metrics up through files, in memory where the system has such a place."""
    from validator.server.metric_folder import metric_folder

    with metric_folder():
        from validator.server.metric_files import install

        install()
        try:
            from validator.server.workers import serve_workers
        except ModuleNotFoundError as error:
            if error.name != "gunicorn":
                raise
            raise SettingsError("--workers: install the extra `serve` for more than one") from None
        serve_workers(settings, reread)
