"""The application: every route mounted with its auth, metrics, request id and problems.

`ROUTE_FILES` is the one list of handler files. A handler only does its own work; everything around it is here, once.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from validator import metrics
from validator.errors import ValidatorError
from validator.runtime import Runtime
from validator.server import check, docs, probes
from validator.server.app_keys import AUTHENTICATOR, RUNTIME
from validator.server.auth import Authenticator, OpenAuthenticator
from validator.server.problems import ProblemException, from_error
from validator.server.routes import Route

log = structlog.get_logger("validator.server")

ROUTES: tuple[Route, ...] = (*check.ROUTES, *probes.ROUTES, *docs.ROUTES)
"""Every operation of the service."""

REQUEST_ID = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_PREFIX = secrets.token_hex(6)
_NUMBERS = itertools.count(1)
Middleware = Callable[[web.Request], Awaitable[web.StreamResponse]]


def request_id_of(request: web.Request) -> str:
    """The caller's id when it is a plain token, else one of ours."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{_PREFIX}-{next(_NUMBERS):x}"


def create_app(runtime: Runtime, *, authenticator: Authenticator | None = None) -> web.Application:
    """An application over an open runtime; the caller owns the runtime and closes it afterwards."""
    app = web.Application(middlewares=[_outermost], client_max_size=0)
    app[RUNTIME] = runtime
    app[AUTHENTICATOR] = authenticator or OpenAuthenticator()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _mounted(route, app[AUTHENTICATOR]))
    return app


def _mounted(route: Route, authenticator: Authenticator) -> Middleware:
    """The handler of *route* with everything that surrounds it."""
    handler = route.handler
    is_open = route.scope is None
    seconds = metrics.HTTP_SECONDS.labels(route.path)
    counters = {status: metrics.HTTP_REQUESTS.labels(route.path, str(status)) for status in (200,)}
    in_flight = metrics.HTTP_IN_FLIGHT

    async def answer(request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        in_flight.inc()
        request_id = request_id_of(request)
        try:
            if not is_open:
                await authenticator.authorise(request, route)
            response = await handler(request)
        except ProblemException as problem:
            response = problem.response(request_id)
        except ValidatorError as error:
            response = from_error(error).response(request_id)
            if response.status >= 500:
                log.error("request.failed", route=route.path, request_id=request_id, error=type(error).__name__)
        except web.HTTPException as error:
            response = _http_problem(error).response(request_id)
        finally:
            in_flight.dec()
            seconds.observe(time.perf_counter() - started)
        counter = counters.get(response.status)
        if counter is None:
            counter = counters[response.status] = metrics.HTTP_REQUESTS.labels(route.path, str(response.status))
        counter.inc()
        if not response.prepared:
            response.headers[REQUEST_ID] = request_id
        return response

    return answer


@web.middleware
async def _outermost(request: web.Request, handler: Middleware) -> web.StreamResponse:
    """What is not a route's own: unknown paths and methods, and bugs, which are logged once and told to nobody."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        problem = _http_problem(error)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        log.exception("request.bug", error=type(error).__name__)
        problem = ProblemException(500)
    metrics.HTTP_REQUESTS.labels("(none)", str(problem.status)).inc()
    request_id = request_id_of(request)
    response = problem.response(request_id)
    response.headers[REQUEST_ID] = request_id
    return response


def _http_problem(error: web.HTTPException) -> ProblemException:
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    status = error.status if error.status >= 400 else 500
    return ProblemException(status, headers=headers)
