"""What the service is and can do: the first page, the description of the API, the page that shows it.

Every file is our own or vendored, none is fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from aiohttp import web
from pydantic import Field

from validator import __version__
from validator.server.routes import Answer, Media, Param, ParamPlace, Route
from validator.server.wire_types import Wire

PIECE_BYTES = 65_536
ASSETS = Path(__file__).parent / "assets"
_FILES = MappingProxyType(
    {
        "docs.js": (ASSETS / "docs.js", "text/javascript"),
        "swagger-ui-bundle.js": (ASSETS / "swagger-ui" / "swagger-ui-bundle.js", "text/javascript"),
        "swagger-ui.css": (ASSETS / "swagger-ui" / "swagger-ui.css", "text/css"),
        "favicon-32x32.png": (ASSETS / "swagger-ui" / "favicon-32x32.png", "image/png"),
    }
)
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)


@lru_cache(maxsize=1)
def openapi_bytes() -> bytes:
    """`openapi.yaml` as generated from the route table."""
    from validator.server.openapi import openapi_yaml

    return openapi_yaml().encode()


@lru_cache(maxsize=1)
def openapi_json_bytes() -> bytes:
    """The same as JSON, for the tools that read nothing else."""
    from validator.server.app import routes
    from validator.server.openapi import openapi_document

    return orjson.dumps(openapi_document(routes()))


FIRST_PAGE = orjson.dumps(
    {
        "name": "Validator",
        "version": __version__,
        "summary": "Repairs, judges and suppresses email addresses.",
        "try": {"method": "POST", "path": "/check", "body": {"email": "ivan@gmial.com"}},
        "links": {
            "check": "/check",
            "blacklist": "/blacklist",
            "reasons": "/reasons",
            "docs": "/docs",
            "openapi": "/openapi.yaml",
            "openapi_json": "/openapi.json",
            "ready": "/readyz",
            "metrics": "/metrics",
            "version": "/version",
        },
    },
    option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
)
"""For whoever opens the address of the service and wonders what answers there."""


@lru_cache(maxsize=8)
def _asset(name: str) -> bytes:
    return _FILES[name][0].read_bytes()


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(body), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]


def _in_pieces(body: bytes, content_type: str, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    """An answer sent piece by piece as its client takes it; of a body of bytes each connection holds its own copy."""
    length = {"Content-Length": str(len(body))}
    return web.Response(body=_pieces(body), content_type=content_type, headers={**headers, **length})


async def get_first_page(_: web.Request) -> web.StreamResponse:
    """What this is and where to go on."""
    return web.Response(body=FIRST_PAGE, content_type="application/json")


async def get_openapi_json(_: web.Request) -> web.StreamResponse:
    """OpenAPI 3.1 as JSON."""
    return _in_pieces(openapi_json_bytes(), "application/json")


async def get_openapi(_: web.Request) -> web.StreamResponse:
    """OpenAPI 3.1."""
    return _in_pieces(openapi_bytes(), "application/yaml")


async def get_docs(_: web.Request) -> web.StreamResponse:
    """Swagger UI over our own description."""
    page = (ASSETS / "docs.html").read_bytes()
    return web.Response(body=page, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": CSP})


async def get_asset(request: web.Request) -> web.StreamResponse:
    """A file of the docs page, from a closed list."""
    name = request.match_info["name"]
    if name not in _FILES:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "max-age=86400", "X-Content-Type-Options": "nosniff"}
    return _in_pieces(_asset(name), _FILES[name][1], headers)


class Links(Wire):
    """Where to go on."""

    name: str = Field(description="Name of the service.")
    version: str = Field(description="Version of the program.")
    summary: str = Field(description="What it does.")
    try_: dict[str, Any] = Field(alias="try", description="A first request.")
    links: dict[str, str] = Field(description="Paths by what is there.")


ROUTES = (
    Route("GET", "/", get_first_page, "What this is", "operation", None, {200: Answer("Where to go on.", Links)}),
    Route(
        "GET",
        "/openapi.json",
        get_openapi_json,
        "This description as JSON",
        "operation",
        None,
        {200: Answer("OpenAPI 3.1.", Media(("application/json",), "OpenAPI 3.1"))},
    ),
    Route(
        "GET",
        "/openapi.yaml",
        get_openapi,
        "This description",
        "operation",
        None,
        {200: Answer("OpenAPI 3.1.", Media(("application/yaml",), "OpenAPI 3.1"))},
    ),
    Route(
        "GET",
        "/docs",
        get_docs,
        "This description as a page",
        "operation",
        None,
        {200: Answer("A page.", Media(("text/html",), "HTML"))},
    ),
    Route(
        "GET",
        "/assets/{name}",
        get_asset,
        "Files of the docs page",
        "operation",
        None,
        {200: Answer("The file.", Media(("text/javascript", "text/css", "image/png"), "a file", binary=True))},
        params=(Param("name", ParamPlace.PATH, "File name.", pattern=r"^[a-z0-9.-]+$"),),
        problems=(404,),
    ),
)
