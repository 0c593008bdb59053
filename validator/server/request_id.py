"""The identifier of a request: the caller's when it is a plain token, else one of ours."""

from __future__ import annotations

import itertools
import os
import re
import secrets
from typing import Final

from aiohttp import web

REQUEST_ID: Final = "X-Request-Id"
IDENTIFIER = web.RequestKey("request_id", str)
"""The id of a request whose handler sends the header of its answer itself."""
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_prefix = secrets.token_hex(6)
_NUMBERS = itertools.count(1)


def _be_another_process() -> None:
    """A worker is forked with this module in it: with the same prefix its identifiers would be its siblings' too."""
    global _prefix  # noqa: PLW0603 - one value per process
    _prefix = secrets.token_hex(6)


os.register_at_fork(after_in_child=_be_another_process)


def next_request_id() -> str:
    """An id of our own; no other process or start gives the same."""
    return f"{_prefix}-{next(_NUMBERS):x}"


def request_id_of(request: web.BaseRequest) -> str:
    """The id that the answer will carry."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and _TOKEN.fullmatch(given):
        return given
    return next_request_id()


def own_headers(request: web.BaseRequest) -> dict[str, str]:
    """What every answer says of itself, for one whose header is sent before its handler returns."""
    return {REQUEST_ID: request[IDENTIFIER], "Server": "validator"}
