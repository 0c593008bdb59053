"""`validator serve` in one process: serve until SIGTERM or SIGINT, reload on SIGHUP."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from functools import partial

import structlog
import uvloop

from validator import __version__, metrics
from validator.background import keep_running
from validator.errors import SettingsError, ValidatorError
from validator.server.listener import listening_socket
from validator.server.logs import configure_logging
from validator.server.notify import notify
from validator.server.service import HttpService
from validator.settings import Settings, unknown_variables

log = structlog.get_logger("validator.serving")

Reread = Callable[[], Settings]


def serve(settings: Settings, reread: Reread) -> None:
    """Serve until told to stop; returns after a clean stop. *reread* gives the settings again, for SIGHUP.

    Raises any `ValidatorError` of the start.
    """
    configure_logging(settings.log_level)
    warn_of_unknown_variables()
    sock = bind(settings)
    uvloop.run(_serve(settings, reread, sock))


def warn_of_unknown_variables() -> None:
    """A misspelt setting would otherwise be missed in silence."""
    if names := unknown_variables():
        log.warning("settings.unknown", names=names)


def bind(settings: Settings) -> socket.socket:
    """The listening socket; raises `SettingsError` when the address cannot be had."""
    try:
        return listening_socket(settings.host, settings.port)
    except OSError as error:
        raise SettingsError(f"VALIDATOR_HOST, VALIDATOR_PORT: cannot listen there: {error.strerror}") from error


def address_of(sock: socket.socket) -> str:
    """Where it listens, for people."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _serve(settings: Settings, reread: Reread, sock: socket.socket) -> None:
    stop = asyncio.Event()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop_or_leave, stop)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    service = HttpService(settings, sock)
    await service.start()
    log.info("serving", version=__version__, data=service.runtime.reference.version, address=address_of(sock))
    notify("READY=1")
    reloading = keep_running(partial(_reload_when, reload, service, reread), "reload", again_after_s=0.0)
    await stop.wait()
    reloading.cancel()
    notify("STOPPING=1")
    log.info("draining", seconds=settings.shutdown_delay_s)
    await service.stop(delay_s=settings.shutdown_delay_s)
    log.info("stopped")


def _stop_or_leave(stop: asyncio.Event) -> None:
    """The first signal asks for a clean stop, the second one means now."""
    if stop.is_set():
        os._exit(1)
    stop.set()


async def _reload_when(asked: asyncio.Event, service: HttpService, reread: Reread) -> None:
    while True:
        await asked.wait()
        asked.clear()
        notify("RELOADING=1")
        try:
            await service.reload(reread())
        except (ValidatorError, OSError) as error:  # the latter of a process that may open or fork nothing more
            metrics.RELOADS.labels("failed").inc()
            log.error("reload.failed", why=str(error))
        else:
            metrics.RELOADS.labels("done").inc()
            log.info("reloaded", data=service.runtime.reference.version)
        notify("READY=1")
