"""The application: every route mounted with its limits, auth, metrics, request id and problems.

`ROUTES` is the one list of operations. A handler only does its own work; what surrounds it is in `mounted`, once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from validator import metrics
from validator.runtime import Runtime
from validator.server import (
    allowlist,
    batch,
    blacklist,
    blacklist_whole,
    check,
    classify,
    docs,
    events,
    imports,
    policy,
    probes,
)
from validator.server.app_keys import AUTHENTICATOR, LIMITS, LOAD, RUNTIME
from validator.server.auth import Authenticator, KeyAuthenticator
from validator.server.limits import RateLimits
from validator.server.load import Load
from validator.server.mounted import Mounted, http_problem
from validator.server.request_id import REQUEST_ID, request_id_of
from validator.server.routes import Route
from validator.server.traces import Answering, open_tracer, traced

ROUTES: tuple[Route, ...] = (
    *check.ROUTES,
    *batch.ROUTES,
    *imports.ROUTES,
    *blacklist_whole.ROUTES,
    *blacklist.ROUTES,
    *allowlist.ROUTES,
    *classify.ROUTES,
    *events.ROUTES,
    *policy.ROUTES,
    *probes.ROUTES,
    *docs.ROUTES,
)
"""Every operation of the service."""


def _dispatched(route: Route) -> str:
    """The path as the router matches it: numbers only where an identifier is one, so that names beside it are free."""
    path = route.path
    for param in route.params:
        if param.pattern == r"^[0-9]{1,18}$":
            path = path.replace(f"{{{param.name}}}", f"{{{param.name}:[0-9]+}}")
    return path


def create_app(runtime: Runtime, *, authenticator: Authenticator | None = None) -> web.Application:
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
    app[AUTHENTICATOR] = authenticator or KeyAuthenticator(
        runtime.keys, limits, trusted_proxies=settings.trusted_proxies
    )
    app.on_cleanup.append(lambda _: limits.aclose())
    tracer = open_tracer() if settings.otel else None
    for route in ROUTES:
        answer: Answering = Mounted(route, app).answer
        if tracer is not None:
            answer = traced(tracer, route.method, route.path, answer)
        app.router.add_route(route.method, _dispatched(route), answer)
        if route.answers_head:
            app.router.add_route("HEAD", _dispatched(route), answer)
    app.cleanup_ctx.append(_keep_deadlines)
    return app


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
