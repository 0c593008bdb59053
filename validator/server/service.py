"""The running service of one process: application, connections and listener, replaceable as a whole while it serves."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

import structlog
from aiohttp import web

from validator import __version__, metrics
from validator.runtime import Runtime, open_runtime, settle_memory
from validator.server.app import EARLY, HANDLERS, create_app, is_imported, whole_app
from validator.server.app_keys import LOAD
from validator.server.auth import check_binding, check_still_closed
from validator.server.connections import ConnectionLimits, GuardedServer
from validator.server.dispatch import Dispatcher
from validator.server.listener import Listener
from validator.server.request_id import next_request_id
from validator.settings import Settings

log = structlog.get_logger("validator.service")

LINGER_S: Final = 1.0
"""How long the rest of a refused body is read before the connection is closed."""
POLL_S: Final = 0.02
REST_AFTER_S: Final = 1.0
"""From the first accepted connection to the import of the other handlers and of what changes the store."""


class Generation:
    """One set of settings, data, store and resolver with the application over it."""

    def __init__(self, settings: Settings, *, was_closed: bool = False) -> None:
        """*was_closed*: the one that it replaces had keys."""
        self.settings: Final = settings
        self._was_closed: Final = was_closed
        self.runtime: Runtime
        self.app: web.Application
        self.dispatch: Dispatcher
        self._stack = AsyncExitStack()
        self._completing = asyncio.Lock()
        self._is_whole = False

    async def open(self) -> Generation:
        """Open everything; raises any `ValidatorError` of the start and leaves nothing open then.

        In a process that has just begun, handlers other than `EARLY` are left to `complete`.
        """
        async with AsyncExitStack() as stack:
            self.runtime = await stack.enter_async_context(open_runtime(self.settings))
            check_binding(self.settings, has_keys=not self.runtime.keys.is_empty)
            if self._was_closed:
                check_still_closed(self.settings, has_keys=not self.runtime.keys.is_empty)
            self._is_whole = is_imported()
            self.app = create_app(self.runtime, handlers=HANDLERS if self._is_whole else EARLY)
            await _started(self.app, stack)
            self.dispatch = Dispatcher(self.app, None if self._is_whole else self._when_whole)
            self._stack = stack.pop_all()
        if self.runtime.database.made:  # no surprise at a first start, and every surprise at another
            log.warning("store.new", blacklist="empty")
        return self

    async def complete(self) -> None:
        """Mount every route; whoever asks for one before waits for it."""
        async with self._completing:
            if not self._is_whole:
                await self.runtime.import_beside([f"validator.server.{name}" for name in HANDLERS])
                app = whole_app(self.app)
                await _started(app, self._stack)
                self.dispatch = Dispatcher(app)
                self._is_whole = True

    async def _when_whole(self, request: web.Request) -> web.StreamResponse:
        await self.complete()
        return await self.dispatch(request)

    async def close(self) -> None:
        """Let the requests under way finish, then close everything in reverse order."""
        flights = self.app[LOAD].flights
        if flights:
            await asyncio.wait(tuple(flights), timeout=self.settings.drain_timeout_s)
        await self._stack.aclose()


async def _started(app: web.Application, stack: AsyncExitStack) -> None:
    """Freeze and start *app*, to be stopped with *stack*."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)


class HttpService:
    """Serves the newest generation on one socket."""

    def __init__(self, settings: Settings, sock: socket.socket, *, was_closed: bool = False) -> None:
        """*was_closed*: the one that it replaces had keys."""
        self._was_closed = was_closed
        self._settings = settings
        self._sock = sock
        self._generation: Generation
        self._server: GuardedServer
        self._listener: Listener
        self._retiring: set[asyncio.Task[None]] = set()
        self._loading: asyncio.Task[None] | None = None

    @property
    def runtime(self) -> Runtime:
        """What is open now."""
        return self._generation.runtime

    async def start(self) -> None:
        """Open and accept; raises any `ValidatorError` of the start."""
        settings = self._settings
        self._generation = await Generation(settings, was_closed=self._was_closed).open()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_error)
        self._server = GuardedServer(
            self._dispatch,
            ConnectionLimits(settings.max_connections, settings.receive_timeout_s, settings.send_timeout_s),
            request_factory=partial(web.Request, loop=loop, client_max_size=0),
            request_id=next_request_id,
            loop=loop,
            access_log=None,
            keepalive_timeout=settings.keepalive_timeout_s,
            max_line_size=settings.max_header_line_bytes,
            max_field_size=settings.max_header_line_bytes,
            max_headers=settings.max_headers,
            lingering_time=LINGER_S,
            auto_decompress=False,  # aiohttp takes a gzip body that was cut off for a whole one; `batch` does it itself
        )
        self._server.start_sweeping()
        self._listener = Listener(self._sock, self._server, lambda: self._server.is_refusing)
        self._listener.start()
        metrics.STARTED.set_to_current_time()
        self._note_generation()
        self._loading = asyncio.create_task(self._load_rest(), name="load-rest")

    async def _load_rest(self) -> None:
        """Fetch the rest once the start is over: the first write would wait a second for the import of the store."""
        await asyncio.sleep(REST_AFTER_S)
        await self._generation.complete()
        if self._settings.workers == 1:  # several would each pay for it in memory, whether they come to need it or not
            await self.runtime.load_store()

    def _dispatch(self, request: Any) -> Awaitable[web.StreamResponse]:
        return self._generation.dispatch(request)

    async def reload(self, settings: Settings) -> None:
        """Replace settings, data, store and resolver under the running service; keeps the old ones when that fails.

        Raises any `ValidatorError` of the start. Address and port cannot change; limits of connections do not either.
        """
        old = self._generation
        self._generation = await Generation(settings, was_closed=not old.runtime.keys.is_empty).open()
        self._note_generation()
        task = asyncio.create_task(_retire(old), name="retire")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def stop(self, *, delay_s: float = 0.0, unready: bool = True) -> None:
        """Turn not ready, wait for the load balancer, accept no more, finish what was accepted, close.

        Every connection is told with its last answer that it ends, so a busy client moves on without losing anything.
        Without *unready* only this process goes, the service stays: probes need not know.
        """
        self.runtime.draining = unready
        metrics.READY.set(0)
        await asyncio.sleep(delay_s)
        self._generation.app[LOAD].leaving = True
        await self._listener.leave()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.drain_timeout_s
        idle_until = loop.time() + min(1.0, self._settings.drain_timeout_s / 4)
        while self._server.open and loop.time() < deadline:
            if not self._server.busy and loop.time() >= idle_until:
                break
            await asyncio.sleep(POLL_S)
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait((self._loading,))
        self._server.stop_sweeping()
        self._server.pre_shutdown()
        await self._server.shutdown(max(0.1, deadline - loop.time()))
        await self._generation.close()
        if self._retiring:
            await asyncio.wait(self._retiring)

    def _note_generation(self) -> None:
        settle_memory()
        metrics.READY.set(1)
        metrics.BUILD.labels(__version__).set(1)
        metrics.DATA_DATE.set(self.runtime.reference.timestamp())


async def _retire(old: Generation) -> None:
    """Close a generation that was replaced, and have it collected: it was left out of that when it was new."""
    await old.close()
    del old
    gc.unfreeze()
    gc.collect()
    settle_memory()


def _log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaited: its kind and where, never its words, which can hold what was sent."""
    error = context.get("exception")
    log.error("loop.error", what=str(context.get("message", ""))[:80].partition("<")[0], exc_info=error)
