"""`validator serve --workers N`: gunicorn looks after N processes that share one listening socket.

gunicorn replaces dead workers and hands signals on. Ours on top: a reload with unusable settings changes nothing, old
workers leave only when the new ones answer, and a worker that cannot start again (a store that is away) tries on.
Import this module only with `PROMETHEUS_MULTIPROC_DIR` set: counters choose their kind when they are made.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import structlog
from aiohttp import GunicornUVLoopWebWorker
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from prometheus_client import multiprocess

from validator.errors import ValidatorError
from validator.reference import load_reference
from validator.server.logs import configure_logging
from validator.server.notify import notify
from validator.server.service import HttpService
from validator.settings import Settings

log = structlog.get_logger("validator.workers")

BOOT_TIMEOUT_S: Final = 30.0
RETRY_S: Final = 1.0
HANG_TIMEOUT_S: Final = 30
"""A worker whose event loop stood still for this long is replaced."""
STOP_EXTRA_S: Final = 1.0


def serve_workers(settings: Settings, reread: Callable[[], Settings]) -> None:
    """Serve with `settings.workers` processes until told to stop."""
    configure_logging(settings.log_level)
    gc.freeze()  # what is loaded now is shared by the workers and not worth looking at again
    gc.enable()
    Supervisor(Service(settings, reread)).run()


class Service(BaseApplication):  # type: ignore[misc]
    """The settings in gunicorn's terms."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self.settings = settings
        self.reread = reread
        self.booted_read, self.booted_write = os.pipe()
        super().__init__()

    def load_config(self) -> None:
        """Called at the start and at each reload."""
        settings = self.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        values: dict[str, Any] = {
            "bind": f"{host}:{settings.port}",
            "workers": settings.workers,
            "worker_class": ServiceWorker,
            "timeout": HANG_TIMEOUT_S,
            "graceful_timeout": math.ceil(settings.shutdown_delay_s + settings.drain_timeout_s + STOP_EXTRA_S),
            "control_socket_disable": True,
            "logger_class": JsonLogger,
            "backlog": 2048,
            "child_exit": _forget_gauges,
        }
        if os.path.isdir("/dev/shm"):  # noqa: S108 - heartbeats must not wait for a disk
            values["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        """The worker asks for an application; it makes its own service instead."""
        return self


class Supervisor(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter with a careful reload and a stop that workers can tell from being replaced."""

    def _start_control_server(self) -> None:
        """No control socket; this is the moment after the first workers were forked."""
        self._wait_for_boot(self.cfg.workers)
        notify("READY=1")

    def reload(self) -> None:
        """Read the settings and data anew; replace every worker, or none when they cannot be used."""
        notify("RELOADING=1")
        try:
            settings = self.app.reread()
            load_reference(settings.data_dir)
        except ValidatorError as error:
            log.error("reload.failed", why=str(error))
            notify("READY=1")
            return
        self.app.settings = settings.model_copy(update={"host": self.app.settings.host, "port": self.app.settings.port})
        self.app.reload()
        self.setup(self.app)
        self.num_workers = self.cfg.workers
        last_age = self.worker_age
        for _ in range(self.cfg.workers):
            self.spawn_worker()
        self._wait_for_boot(self.cfg.workers)
        self.manage_workers()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < deadline and any(worker.age <= last_age for worker in self.WORKERS.values()):
            self.reap_workers()
            time.sleep(0.05)
        log.info("reloaded")
        notify("READY=1")

    def stop(self, graceful: bool = True) -> None:
        """Tell the workers that the service goes, not only they, then stop them."""
        notify("STOPPING=1")
        self.kill_workers(signal.SIGWINCH)
        super().stop(graceful)

    def _wait_for_boot(self, number: int) -> None:
        """Until *number* workers have said that they accept; a worker that dies meanwhile ends the wait early."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        born = set(self.WORKERS)
        while number > 0 and born <= set(self.WORKERS) and time.monotonic() < deadline:
            readable, _, _ = select.select([self.app.booted_read], [], [], 0.1)
            if readable:
                number -= len(os.read(self.app.booted_read, number))
            self.reap_workers()


class ServiceWorker(GunicornUVLoopWebWorker):
    """aiohttp's uvloop worker around our own service."""

    service_leaves = False

    async def _run(self) -> None:
        service = await self._start()
        if service is None:
            return
        self.booted = True
        os.write(self.app.booted_write, b"1")
        while self.alive and self.ppid == os.getppid():
            self.notify()
            await self._wait_next_notify()
        self.alive = False
        beating = asyncio.create_task(self._beat())
        await service.stop(
            delay_s=self.app.settings.shutdown_delay_s if self.service_leaves else 0.0, unready=self.service_leaves
        )
        beating.cancel()

    async def _start(self) -> HttpService | None:
        """The service, at once or, for a worker that replaces a dead one, as soon as the store lets it."""
        settings: Settings = self.app.settings
        while self.alive:
            service = HttpService(settings, self.sockets[0].sock)
            try:
                await service.start()
            except ValidatorError as error:
                if self.age <= settings.workers:
                    print(f"validator: {error}", file=sys.stderr)
                    raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
                log.error("worker.cannot_start", why=str(error))
                self.notify()
                await asyncio.sleep(RETRY_S)
            else:
                return service
        return None

    async def _beat(self) -> None:
        """A draining worker is not a hanging one."""
        while True:
            self.notify()
            await asyncio.sleep(1.0)

    def init_signals(self) -> None:
        """Through the event loop; SIGWINCH is how the supervisor says that the service goes."""
        super().init_signals()
        self.loop.add_signal_handler(signal.SIGWINCH, self._note_leaving)

    def _note_leaving(self) -> None:
        self.service_leaves = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGTERM: stop, without waiting for the next heartbeat."""
        self.alive = False
        self._notify_waiter_done()


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's words through the root logger, as JSON; its routine ones only when debugging."""

    def setup(self, cfg: Any) -> None:  # noqa: ARG002
        """No handlers of its own."""
        self.error_log.handlers[:] = []
        self.error_log.propagate = True
        self.access_log.propagate = False


def _forget_gauges(_: Arbiter, worker: Any) -> None:
    """Live gauges of a dead worker no longer count."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
