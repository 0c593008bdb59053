"""What machines and newcomers ask a service: is it alive, can it work, what is it, what do its words mean."""

from __future__ import annotations

import platform

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from validator import __version__
from validator.server.app_keys import RUNTIME
from validator.server.bodies import json_response
from validator.server.exposition import exposition
from validator.server.routes import Answer, Media, Route, Scope
from validator.server.schemas import HealthResponse, ReasonsResponse, VersionResponse
from validator.verdict import Reason

MEANINGS: dict[Reason, str] = {
    Reason.INVALID: "not an address that ordinary mail can be sent to",
    Reason.MX_RECORD: "the domain takes no mail: no MX, null MX, or no MX host that can be reached",
    Reason.APPLICATION: "the address belongs to an application, not to a person's mailbox",
    Reason.SYSTEM: "a system mailbox such as postmaster@, noreply@, mailer-daemon@, test@",
    Reason.BLACKLISTED: "the address or its domain is on the blacklist",
    Reason.MX_RECORD_BLACKLISTED: "a mail host of the domain is on the blacklist",
    Reason.MX_IP_BLACKLISTED: "an address of a mail host is on the blacklist",
}


async def get_livez(_: web.Request) -> web.StreamResponse:
    """The process turns its event loop; touches nothing else."""
    return json_response({"status": "ok", "checks": {}})


async def get_readyz(request: web.Request) -> web.StreamResponse:
    """Store and data are usable and no drain has begun; a sick resolver is named but does not count."""
    health = await request.app[RUNTIME].health()
    return json_response(health, status=200 if health["status"] == "ok" else 503)


async def get_metrics(_: web.Request) -> web.StreamResponse:
    """Prometheus text format."""
    return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def get_version(request: web.Request) -> web.StreamResponse:
    """Versions of program, data and interpreter."""
    return json_response(
        {
            "version": __version__,
            "data_version": request.app[RUNTIME].reference.version,
            "python": platform.python_version(),
        }
    )


async def get_reasons(_: web.Request) -> web.StreamResponse:
    """The seven reasons in order of precedence."""
    return json_response(
        {
            "reasons": [
                {"reason": reason, "precedence": number, "meaning": MEANINGS[reason]}
                for number, reason in enumerate(Reason, start=1)
            ]
        }
    )


_HEALTH = {200: Answer("Able to work.", HealthResponse), 503: Answer("Not able to work now.", HealthResponse)}

ROUTES = (
    Route(
        "GET",
        "/livez",
        get_livez,
        "Is the process alive",
        "operation",
        None,
        {200: Answer("Alive.", HealthResponse)},
        rate_limited=False,
    ),
    Route("GET", "/readyz", get_readyz, "Can the service work", "operation", None, _HEALTH, rate_limited=False),
    Route("GET", "/healthz", get_readyz, "Alias of /readyz", "operation", None, _HEALTH, rate_limited=False),
    Route(
        "GET",
        "/metrics",
        get_metrics,
        "Prometheus metrics",
        "operation",
        Scope.METRICS,
        {200: Answer("Text format.", Media(("text/plain",), "Prometheus text format"))},
        rate_limited=False,
    ),
    Route(
        "GET",
        "/version",
        get_version,
        "What is running",
        "operation",
        None,
        {200: Answer("Versions.", VersionResponse)},
    ),
    Route(
        "GET",
        "/reasons",
        get_reasons,
        "What the reasons mean",
        "check",
        None,
        {200: Answer("The seven.", ReasonsResponse)},
    ),
)
