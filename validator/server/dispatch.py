"""From a parsed request to its handler: exact paths by one look-up, everything else through aiohttp's router."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

from validator import metrics
from validator.server.problems import ProblemException
from validator.server.request_id import REQUEST_ID, request_id_of


class Dispatcher:
    """Answers requests of one started application; about 15 µs cheaper than the router and its middleware chain."""

    def __init__(
        self,
        app: web.Application,
        otherwise: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    ) -> None:
        """*app* is frozen: its routes are all there; *otherwise* answers what is not simply one of them."""
        self._otherwise = otherwise or app._handle
        self._exact: dict[tuple[str, str], UrlMappingMatchInfo] = {}
        for route in app.router.routes():
            info = route.get_info()
            if "path" in info and route.method != hdrs.METH_ANY:
                match = UrlMappingMatchInfo({}, route)
                match.add_app(app)
                match.freeze()
                self._exact[route.method, str(info["path"])] = match

    def __call__(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        """The answer to come."""
        if request.version.major != 1:
            return _refuse(request, 505)
        if hdrs.TRANSFER_ENCODING in request.headers:
            codings = request.headers.getall(hdrs.TRANSFER_ENCODING)
            if [coding.strip().lower() for coding in codings] != ["chunked"]:
                return _refuse(request, 501)  # RFC 9112 6.1; the next hop could find another end of this body
        if request._message.upgrade:
            return self._answer_and_close(request)
        match = self._exact.get((request.method, request.raw_path))
        if hdrs.EXPECT in request.headers:
            if request.headers[hdrs.EXPECT].strip().lower() != "100-continue":
                return _refuse(request, 417)
            return self._otherwise(request)
        if match is None:
            return self._otherwise(request)
        request._match_info = match
        return match.handler(request)

    async def _answer_and_close(self, request: web.Request) -> web.StreamResponse:
        """Nobody here changes protocols, but what follows such a request may be of another one already."""
        response = await self._otherwise(request)
        response.force_close()
        return response


async def _refuse(request: web.Request, status: int) -> web.StreamResponse:
    """What no handler should see: another HTTP than 1.x, transfer codings but chunked, expectations nobody meets."""
    request_id = request_id_of(request)
    metrics.HTTP_REQUESTS.labels("(none)", str(status)).inc()
    response = ProblemException(status).response(request_id)
    response.headers[REQUEST_ID] = request_id
    response.headers["Server"] = "validator"
    response.force_close()
    return response
