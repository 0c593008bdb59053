"""Typed keys of what the application carries."""

from __future__ import annotations

from aiohttp import web

from validator.runtime import Runtime
from validator.server.auth import Authenticator

RUNTIME = web.AppKey("runtime", Runtime)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
