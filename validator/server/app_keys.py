"""Typed keys of what the application and a request carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from validator.runtime import Runtime
from validator.server.auth import KeyAuthenticator
from validator.server.limits import RateLimits
from validator.server.load import Load

RUNTIME = web.AppKey("runtime", Runtime)
AUTHENTICATOR = web.AppKey("authenticator", KeyAuthenticator)
LIMITS = web.AppKey("limits", RateLimits)
LOAD = web.AppKey("load", Load)
ANSWERS = web.AppKey("answers", dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]])
"""What is mounted, by the operation's identifier."""
ACTOR = web.RequestKey("actor", str)
"""Name of the key that the request came with; `local` where there are no keys."""
