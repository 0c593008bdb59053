"""Run the application in this process until SIGTERM or SIGINT: serve, drain, close."""

from __future__ import annotations

import asyncio
import signal
import socket

import structlog
import uvloop
from aiohttp import web

from validator import __version__
from validator.runtime import Runtime, open_runtime
from validator.server.app import create_app
from validator.server.logs import configure_logging
from validator.settings import Settings

log = structlog.get_logger("validator.serving")

SHUTDOWN_TIMEOUT_S = 8.0
"""How long requests under way may take to finish once a stop was asked for."""


def serve(settings: Settings) -> None:
    """Serve until told to stop; returns after a clean stop. Raises any `ValidatorError` of the start."""
    configure_logging(settings.log_level)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_runtime(settings) as runtime:
        runner = web.AppRunner(create_app(runtime), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
            await site.start()
            log.info("serving", version=__version__, data=runtime.reference.version, address=_bound(runner))
            await stop.wait()
            await _drain(runtime)
        finally:
            await runner.cleanup()
    log.info("stopped")


async def _drain(runtime: Runtime) -> None:
    """Say that we are going, then let the load balancer notice before the socket closes."""
    runtime.draining = True
    log.info("draining", seconds=runtime.settings.shutdown_delay_s)
    await asyncio.sleep(runtime.settings.shutdown_delay_s)


def _bound(runner: web.AppRunner) -> str:
    address = runner.addresses[0] if runner.addresses else ("?", 0)
    if isinstance(address, tuple):
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address)


def is_loopback(host: str) -> bool:
    """True when every address of *host* is loopback, so nobody else can connect."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(str(item[4][0]).startswith("127.") or item[4][0] == "::1" for item in found)
