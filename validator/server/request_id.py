"""The identifier of a request: the caller's when it is a plain token, else one of ours."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Final

from aiohttp import web

REQUEST_ID: Final = "X-Request-Id"
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_PREFIX = secrets.token_hex(6)
_NUMBERS = itertools.count(1)


def next_request_id() -> str:
    """An id of our own."""
    return f"{_PREFIX}-{next(_NUMBERS):x}"


def request_id_of(request: web.BaseRequest) -> str:
    """The id that the answer will carry."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and _TOKEN.fullmatch(given):
        return given
    return f"{_PREFIX}-{next(_NUMBERS):x}"
