"""What surrounds every handler: request id, admission, problems, deadline, metrics, sampled log line."""

from __future__ import annotations

import asyncio
import math
import random
import time

import structlog
from aiohttp import web

from validator import metrics
from validator.errors import StorageUnavailable, ValidatorError
from validator.server.answers import JsonAnswer
from validator.server.app_keys import ACTOR, AUTHENTICATOR, LOAD, RUNTIME
from validator.server.load import Flight
from validator.server.problems import ProblemException, from_error
from validator.server.request_id import IDENTIFIER, REQUEST_ID, request_id_of
from validator.server.routes import Route, Scope
from validator.server.seldom import Seldom

log = structlog.get_logger("validator.server")

OVERLOADED = ProblemException(503, "too many requests are under way", headers={"Retry-After": "1"})
TOO_SLOW = ProblemException(503, "the request took too long", headers={"Retry-After": "1"})


class Mounted:
    """The handler of one route with everything around it; what can be looked up once is looked up here."""

    def __init__(self, route: Route, app: web.Application) -> None:
        settings = app[RUNTIME].settings
        self._route = route
        self._runtime = app[RUNTIME]
        self._uses_store = route.scope not in {None, Scope.CHECK}
        self._handler = route.handler
        self._authenticator = app[AUTHENTICATOR]
        self._load = app[LOAD]
        self._flights = app[LOAD].flights
        self._most = app[LOAD].most if route.rate_limited else math.inf
        self._is_watched = route.scope is not None or route.rate_limited
        self._deadline_s = math.inf if route.streams or route.slow else settings.handler_timeout_s
        self._sends_head = route.streams or route.slow
        self._logged_share = settings.access_log_pct / 100
        self._failures = Seldom()
        self._observe = metrics.time_tally(metrics.HTTP_SECONDS.labels(route.path)).observe
        self._counters: dict[int, metrics.Tally] = {}
        self._counters[200] = self._counter(200)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The answer, whatever happens; only a client that is gone and a server that stops leave none."""
        started = time.perf_counter()
        request_id = request_id_of(request)
        flights = self._flights
        if len(flights) >= self._most:
            metrics.HTTP_SHED.labels("in_flight").inc()
            response: web.StreamResponse = OVERLOADED.response(request_id)
        else:
            task = asyncio.current_task(self._load.loop)
            assert task is not None
            flight = flights[task] = Flight(self._route.path, started, self._deadline_s)
            try:
                if self._uses_store:
                    await self._runtime.load_store()
                if self._is_watched:
                    actor = self._authenticator.waves_through(request, self._route)
                    if actor is None:
                        actor = await self._authenticator.authorise(request, self._route)
                    if self._uses_store:  # who it was stands in the history; a check has none
                        request[ACTOR] = actor
                if self._sends_head:
                    request[IDENTIFIER] = request_id
                response = await self._handler(request)
            except asyncio.CancelledError:
                if not flight.timed_out:
                    raise
                task.uncancel()
                metrics.HTTP_SHED.labels("too_slow").inc()
                response = TOO_SLOW.response(request_id)
            except ConnectionError:
                raise
            except Exception as error:  # the outermost place: a bug is logged once and told to nobody
                if _never_had_its_body(request):
                    raise ConnectionResetError("the client went before its request was begun") from error
                response = self._problem(error, request_id).response(request_id)
            finally:
                del flights[task]
        self._account(response.status, time.perf_counter() - started, request_id)
        if type(response) is JsonAnswer:
            response.request_id = request_id
            if self._load.leaving:
                response.force_close()
        elif not response.prepared:
            response.headers[REQUEST_ID] = request_id
            response.headers["Server"] = "validator"
            if self._load.leaving:
                response.force_close()
        return response

    def _problem(self, error: Exception, request_id: str) -> ProblemException:
        match error:
            case ProblemException():
                return error
            case ValidatorError():
                problem = from_error(error)
            case web.HTTPException():
                problem = http_problem(error)
            case _:
                self._log_failure("request.bug", request_id, exc_info=error)
                return ProblemException(500)
        if problem.status >= 500:
            told = {"why": str(error)} if isinstance(error, StorageUnavailable) else {}  # our words, nothing of a row
            self._log_failure("request.failed", request_id, error=type(error).__name__, **told)
        return problem

    def _log_failure(self, event: str, request_id: str, **told: object) -> None:
        more = self._failures.admit()
        if more is not None:
            log.error(event, route=self._route.path, request_id=request_id, **told, **more)

    def _counter(self, status: int) -> metrics.Tally:
        return metrics.tally(metrics.HTTP_REQUESTS.labels(self._route.path, str(status)))

    def _account(self, status: int, seconds: float, request_id: str) -> None:
        self._observe(seconds)
        counter = self._counters.get(status)
        if counter is None:
            counter = self._counters[status] = self._counter(status)
        counter.count += 1
        if self._logged_share and (status >= 500 or random.random() < self._logged_share):  # noqa: S311 - a sample
            milliseconds = round(seconds * 1000, 2)
            log.info("request", route=self._route.path, status=status, ms=milliseconds, request_id=request_id)


def http_problem(error: web.HTTPException) -> ProblemException:
    """An exception of aiohttp's as a problem."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    status = error.status if error.status >= 400 else 500
    return ProblemException(status, headers=headers)


def _never_had_its_body(request: web.Request) -> bool:
    """Whether its client went before the handler's first step: aiohttp tells the body nothing, and blames who reads."""
    body = request.content
    return request.transport is None and not body.is_eof() and body.exception() is None
