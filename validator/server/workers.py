"""`validator serve --workers N`: gunicorn looks after N processes that share one listening socket.

gunicorn replaces dead workers and hands signals on. Ours on top: a start or reload that one worker cannot follow is
refused as a whole (nothing changes then), old workers leave only when the new ones answer, and a worker that cannot
start again later (a store that is away) tries on.
Import this module only with `PROMETHEUS_MULTIPROC_DIR` set: counters choose their kind when they are made.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import orjson
import structlog
from aiohttp import GunicornUVLoopWebWorker
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from validator import __version__, metrics
from validator.errors import SettingsError, StorageUnavailable, ValidatorError
from validator.reference import load_reference
from validator.server.app import routes
from validator.server.dead_workers import bury
from validator.server.logs import configure_logging
from validator.server.notify import notify, unnotified
from validator.server.service import HttpService
from validator.server.serving import address_of, bind, warn_of_unknown_variables
from validator.settings import Settings

log = structlog.get_logger("validator.workers")

BOOT_TIMEOUT_S: Final = 30.0
RETRY_S: Final = 1.0
HANG_TIMEOUT_S: Final = 30
"""A worker whose event loop stood still for this long is replaced."""
STOP_EXTRA_S: Final = 1.0


def serve_workers(settings: Settings, reread: Callable[[], Settings]) -> None:
    """Serve with `settings.workers` processes until told to stop; raises any `ValidatorError` of the start."""
    configure_logging(settings.log_level)
    warn_of_unknown_variables()
    listening_fd = bind(settings).detach()  # gunicorn makes a socket of its own of it
    routes()  # imports every handler once, or each worker, and each that a reload makes, would do it under load
    gc.freeze()  # what is loaded now is shared by the workers and not worth looking at again
    gc.enable()
    supervisor = Supervisor(Service(settings, reread, listening_fd))
    try:
        supervisor.run()
    except SystemExit:
        if supervisor.refusal is None:
            raise
    if supervisor.refusal is not None:
        raise supervisor.refusal


class Service(BaseApplication):  # type: ignore[misc]
    """The settings in gunicorn's terms, and what workers tell their supervisor."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings], listening_fd: int) -> None:
        self.settings = settings
        self.reread = reread
        self.listening_fd = listening_fd
        self.on_trial = True
        """Whoever is forked now gives up when it cannot start, instead of trying on."""
        self.serving = False
        """The first workers came to answer; what goes wrong in one that is forked later does not end the service."""
        self.was_closed = False
        """Those who leave for whoever is forked now had keys in their settings."""
        (self._told, self._telling), self._untold = os.pipe(), b""
        super().__init__()

    def load_config(self) -> None:
        """Called at the start and at each reload."""
        settings = self.settings
        values: dict[str, Any] = {
            "bind": f"fd://{self.listening_fd}",
            "workers": settings.workers,
            "worker_class": ServiceWorker,
            "timeout": HANG_TIMEOUT_S,
            "graceful_timeout": math.ceil(settings.shutdown_delay_s + settings.drain_timeout_s + STOP_EXTRA_S),
            "control_socket_disable": True,
            "logger_class": JsonLogger,
            "backlog": 2048,
            "child_exit": _bury,
        }
        if os.path.isdir(memory := "/dev/shm"):  # noqa: S108 - heartbeats must not wait for a disk
            values["worker_tmp_dir"] = memory
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        """The worker asks for an application; it makes its own service instead."""
        return self

    def tell(self, refusal: ValidatorError | None) -> None:
        """Called in a worker: it accepts (None), or why it cannot. Short enough to be written in one piece."""
        why = "" if refusal is None else str(refusal)[:1000]
        line = [os.getpid(), why, isinstance(refusal, StorageUnavailable)]
        os.write(self._telling, orjson.dumps(line) + b"\n")

    def told(self, wait_s: float) -> list[tuple[int, ValidatorError | None]]:
        """What workers said, by process id; waits until one says something, *wait_s* seconds at most."""
        if select.select([self._told], [], [], wait_s)[0]:
            self._untold += os.read(self._told, 65_536)
        *lines, self._untold = self._untold.split(b"\n")
        return [(pid, _refusal(why, of_store=of_store)) for pid, why, of_store in map(orjson.loads, lines)]


def _refusal(why: str, *, of_store: bool) -> ValidatorError | None:
    if not why:
        return None
    return StorageUnavailable(why) if of_store else SettingsError(why)


class Supervisor(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter with a careful start and reload, and a stop that workers can tell from being replaced."""

    refusal: ValidatorError | None = None
    """Why there was no start."""

    def start(self) -> None:
        """Without gunicorn's own word to systemd, which comes before anybody answers."""
        with unnotified():
            super().start()

    def _start_control_server(self) -> None:
        """No control socket; this is the moment after the first workers were forked."""
        _, self.refusal = self._boot(set(self.WORKERS))
        if self.refusal is not None:
            raise HaltServer(None, 0)
        self.app.on_trial = False
        self.app.serving = True
        log.info("serving", version=__version__, address=address_of(self.LISTENERS[0].sock), workers=self.cfg.workers)
        notify("READY=1")

    def spawn_worker(self) -> int:
        """Fork one; 0 where the machine does not let it, which gunicorn would take for its own end: it tries again."""
        try:
            return int(super().spawn_worker())
        except OSError as error:
            log.error("worker.cannot_start", why=error.strerror)
            return 0

    def reload(self) -> None:
        """Read the settings and data anew; replace every worker, or none when one cannot start with them."""
        notify("RELOADING=1")
        try:
            settings = self.app.reread()
            load_reference(settings.data_dir)
            self._replace_workers(settings)
        except (ValidatorError, OSError) as error:  # the latter of a machine that lets nothing more be opened
            metrics.RELOADS.labels("failed").inc()
            log.error("reload.failed", why=str(error))
        else:
            metrics.RELOADS.labels("done").inc()
            log.info("reloaded")
        notify("READY=1")

    def _replace_workers(self, settings: Settings) -> None:
        """New workers beside the old ones, which leave when all the new ones answer; raises what kept one from it."""
        old = self.app.settings
        last_age = self.worker_age
        self._adopt(settings.model_copy(update={"host": old.host, "port": old.port}))
        self.app.on_trial = True
        self.app.was_closed = bool(old.keys.get_secret_value())
        new = {self.spawn_worker() for _ in range(self.cfg.workers)}
        all_accept, refusal = self._boot(new)
        self.app.on_trial = self.app.was_closed = False
        if not all_accept:
            for number in (signal.SIGTERM, signal.SIGKILL):  # else the oldest would be taken for those too many
                for pid in new & set(self.WORKERS):
                    self.kill_worker(pid, number)
                self._wait_until_gone(lambda worker: worker.age > last_age)
            self._adopt(old)
            raise refusal or StorageUnavailable("a new worker did not come to answer")
        self.manage_workers()
        self._wait_until_gone(lambda worker: worker.age <= last_age)

    def _adopt(self, settings: Settings) -> None:
        self.app.settings = settings
        self.app.reload()
        self.setup(self.app)
        self.num_workers = self.cfg.workers

    def stop(self, graceful: bool = True) -> None:
        """Tell the workers that the service goes, not only they, then stop them; a second SIGTERM means at once."""
        notify("STOPPING=1")
        if self.app.serving:
            log.info("draining", seconds=self.app.settings.shutdown_delay_s)
        signal.signal(signal.SIGTERM, self._stop_at_once)
        self.kill_workers(signal.SIGWINCH)
        with suppress(HaltServer):  # one that could not start is found while stopping
            super().stop(graceful)
        if self.app.serving:
            log.info("stopped")
        self.app.serving = False

    def _stop_at_once(self, _number: int, _frame: FrameType | None) -> None:
        self.kill_workers(signal.SIGKILL)
        raise SystemExit(1)

    def _boot(self, expected: set[int]) -> tuple[bool, ValidatorError | None]:
        """Wait until all of *expected* accept: whether they do, and why one refused, unless it ended without a word."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        waiting = set(expected)
        while waiting and time.monotonic() < deadline:
            lost = not waiting <= set(self.WORKERS)
            for pid, refusal in self.app.told(0.1):
                if refusal is not None and pid in waiting:
                    return False, refusal
                waiting.discard(pid)
            if lost and not waiting <= set(self.WORKERS):
                return False, None
            self.reap_workers()
        return not waiting, None

    def _wait_until_gone(self, leaving: Callable[[Any], bool]) -> None:
        """Until the workers that were told to leave did, or the time that they have is over."""
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < deadline and any(map(leaving, self.WORKERS.values())):
            self.reap_workers()
            time.sleep(0.05)


class ServiceWorker(GunicornUVLoopWebWorker):
    """aiohttp's uvloop worker around our own service."""

    service_leaves = False

    async def _run(self) -> None:
        self.booted = self.app.serving  # else an unexpected error would end the service, not only this worker
        beating = asyncio.create_task(self._beat())  # tables of millions of entries may be made anew meanwhile
        service = await self._start()
        beating.cancel()
        if service is None:
            return
        self.booted = True
        if self.app.on_trial:  # else nobody listens, and a pipe that is never emptied would stop a worker at last
            self.app.tell(None)
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
            service = HttpService(settings, self.sockets[0].sock, was_closed=self.app.was_closed)
            try:
                await service.start()
            except ValidatorError as error:
                if self.app.on_trial:
                    self.app.tell(error)
                    return None
                log.error("worker.cannot_start", why=str(error))
                self.notify()
                await asyncio.sleep(RETRY_S)
            else:
                return service
        return None

    async def _beat(self) -> None:
        """A worker that starts or drains is not a hanging one."""
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


def _bury(_: Arbiter, worker: Any) -> None:
    """What a dead worker counted stays, its files do not."""
    bury(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), worker.pid)
