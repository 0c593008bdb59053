"""The application: every route mounted with its limits, auth, metrics, request id and problems.

`HANDLERS` is the one list of handler files. A handler only does its own work; what surrounds it is in `mounted`, once.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import Final

from aiohttp import web

from validator import metrics
from validator.runtime import Runtime
from validator.server.app_keys import ANSWERS, AUTHENTICATOR, LIMITS, LOAD, RUNTIME
from validator.server.auth import KeyAuthenticator
from validator.server.limits import RateLimits
from validator.server.load import Load
from validator.server.mounted import Mounted, http_problem
from validator.server.request_id import REQUEST_ID, request_id_of
from validator.server.routes import Route
from validator.server.traces import Answering, open_tracer, traced

HANDLERS: Final = (
    "check", "batch", "stream", "imports", "blacklist_whole", "blacklist", "allowlist", "classify", "events", "policy",
    "probes", "docs",
)  # fmt: skip
"""The handler files, in the order of the docs page."""
EARLY: Final = ("check", "probes")
"""Those that a service answers with from its first moment. The others and their models take a tenth of a start."""


def routes(handlers: tuple[str, ...] = HANDLERS) -> tuple[Route, ...]:
    """Every operation of these handler files, which are imported for it."""
    files = [import_module(f"validator.server.{name}") for name in handlers]
    return tuple(route for file in files for route in file.ROUTES)


def is_imported() -> bool:
    """Whether every handler file is there already, so that nothing is won by leaving any out."""
    return all(f"validator.server.{name}" in sys.modules for name in HANDLERS)


def _dispatched(route: Route) -> str:
    """The path as the router matches it: numbers only where an identifier is one, so that names beside it are free."""
    path = route.path
    for param in route.params:
        if param.pattern == r"^[0-9]{1,18}$":
            path = path.replace(f"{{{param.name}}}", f"{{{param.name}:[0-9]+}}")
    return path


def create_app(runtime: Runtime, *, handlers: tuple[str, ...] = HANDLERS) -> web.Application:
    """An application over an open runtime; the caller owns the runtime and closes it afterwards."""
    settings = runtime.settings
    app = web.Application(middlewares=[_outermost], client_max_size=0)
    app[RUNTIME] = runtime
    app[LOAD] = Load(most=settings.max_in_flight)
    limits = RateLimits(
        per_key=settings.rate_limit_per_key,
        per_address=settings.rate_limit_per_address,
        rows_per_key=settings.rate_limit_rows_per_key,
        redis_url=settings.redis_url.get_secret_value(),
        workers=settings.workers,
    )
    app[LIMITS] = limits
    app[AUTHENTICATOR] = KeyAuthenticator(runtime.keys, limits, trusted_proxies=settings.trusted_proxies)
    app[ANSWERS] = {}
    app.on_cleanup.append(lambda _: limits.aclose())
    _mount(app, routes(handlers))
    app.cleanup_ctx.append(_keep_deadlines)
    return app


def whole_app(app: web.Application) -> web.Application:
    """The same application with every route: same runtime, limits, load and answers. *app* is to be closed after it."""
    whole = web.Application(middlewares=[_outermost], client_max_size=0)
    whole[RUNTIME] = app[RUNTIME]
    whole[LOAD] = app[LOAD]
    whole[LIMITS] = app[LIMITS]
    whole[AUTHENTICATOR] = app[AUTHENTICATOR]
    whole[ANSWERS] = app[ANSWERS]
    _mount(whole, routes())
    return whole


def _mount(app: web.Application, mounted: tuple[Route, ...]) -> None:
    tracer = open_tracer() if app[RUNTIME].settings.otel else None
    answers = app[ANSWERS]
    for route in mounted:
        answer: Answering | None = answers.get(route.operation_id)
        if answer is None:
            answer = Mounted(route, app).answer
            if tracer is not None:
                answer = traced(tracer, route.method, route.path, answer)
            answers[route.operation_id] = answer
        app.router.add_route(route.method, _dispatched(route), answer)
        if route.answers_head:
            app.router.add_route("HEAD", _dispatched(route), answer)


async def _keep_deadlines(app: web.Application) -> AsyncIterator[None]:
    """Deadlines are kept as long as the application runs."""
    app[LOAD].start()
    yield
    app[LOAD].stop()


@web.middleware
async def _outermost(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What is not a route's own: unknown paths and methods, expectations that are not met."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        problem = http_problem(error)
    metrics.HTTP_REQUESTS.labels("(none)", str(problem.status)).inc()
    request_id = request_id_of(request)
    response = problem.response(request_id)
    response.headers[REQUEST_ID] = request_id
    response.headers["Server"] = "validator"
    return response
