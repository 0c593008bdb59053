"""Who may do what: the decision before every handler.

With no key configured the service is open, which is only allowed on loopback (`serve` refuses any other bind).
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from validator.server.routes import Route


class Authenticator(Protocol):
    """Decides whether a request may reach its handler."""

    async def authorise(self, request: web.Request, route: Route) -> str:
        """The actor's name for history and logs; raises `NotAuthorised`."""
        ...


class OpenAuthenticator:
    """Everybody may do everything: a service on loopback without keys."""

    async def authorise(self, request: web.Request, route: Route) -> str:  # noqa: ARG002
        """Always allows; the actor is `local`."""
        return "local"
