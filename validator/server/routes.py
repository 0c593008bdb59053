"""What a route is: one declaration from which dispatch, limits, auth, metrics and OpenAPI are made.

A handler file exports `ROUTES`, a tuple of `Route`; `app.py` lists the handler files. A route cannot be mounted
without its scope, limits and models, so none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web
from pydantic import BaseModel

from validator.keys.key import Scope

__all__ = ["Answer", "Body", "Handler", "Media", "Param", "ParamPlace", "Route", "Scope"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ParamPlace(StrEnum):
    """Where a parameter stands."""

    PATH = "path"
    """A `{name}` of the path."""
    QUERY = "query"
    """After the question mark; all at once as one pydantic model."""
    HEADER = "header"
    """A request header."""


@dataclass(frozen=True, slots=True)
class Param:
    """One path or header parameter; query parameters are the fields of `Route.query`."""

    name: str
    """Name as it stands in the request."""
    place: ParamPlace
    """Path or header."""
    description: str
    """One sentence."""
    pattern: str | None = None
    """Regular expression of acceptable values."""
    required: bool = True
    """A path parameter always is."""


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is not one JSON object: a stream, a file, a raw message."""

    content_types: tuple[str, ...]
    """Accepted or produced content types, first one preferred."""
    description: str = ""
    """What the bytes are."""
    item: type[BaseModel] | None = None
    """Model of one line or element, where there is one."""
    binary: bool = False
    """True for bytes, False for text."""
    may_be_empty: bool = False
    """No body at all is as good as an empty one: a list without rows."""


Body = type[BaseModel] | Media | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One possible answer."""

    description: str
    """One sentence."""
    body: Body = None
    """Model, media, or nothing."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header name -> description."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    method: str
    """Upper-case HTTP method."""
    path: str
    """aiohttp path template, `{name}` parameters; also the metric label."""
    handler: Handler
    """The coroutine that answers."""
    summary: str
    """One line for the docs page."""
    tag: str
    """Group on the docs page."""
    scope: Scope | None
    """What a key needs; None is open to everybody and must be argued in `tests/guard`."""
    answers: Mapping[int, Answer]
    """Answers by status besides the problems every route can give."""
    body: Body = None
    """Request body."""
    max_body_bytes: int = 0
    """Largest request body; 0 for none. Streams count bytes themselves against their own setting."""
    query: type[BaseModel] | None = None
    """Query parameters as one model."""
    params: tuple[Param, ...] = ()
    """Path and header parameters."""
    problems: tuple[int, ...] = ()
    """Statuses of problems that this route gives beyond 400/401/403/404/405/413/422/429/500/503 of its shape."""
    rate_limited: bool = True
    """False only for probes and metrics, which a limiter must never silence."""
    description: str = ""
    """More for the docs page, Markdown."""
    cost: int = 1
    """Tokens that one request takes from the rate limit."""
    examples: Mapping[str, object] = field(default_factory=dict)
    """Request body examples by name."""

    slow: bool = False
    """May take minutes on purpose (an import, an undo): no handler deadline."""

    @property
    def streams(self) -> bool:
        """Reads or writes a stream, which is bounded by its progress instead of by the handler deadline."""
        bodies = (self.body, *(answer.body for answer in self.answers.values()))
        return any(isinstance(body, Media) and body.item is not None for body in bodies) or isinstance(self.body, Media)

    @property
    def answers_head(self) -> bool:
        """HEAD is answered as well (RFC 9110, 9.3.2); not where it would cost as much as the whole answer."""
        return self.method == "GET" and not self.slow and not self.streams

    @property
    def operation_id(self) -> str:
        """Stable identifier, from method and path."""
        words = [part.strip("{}") for part in self.path.replace(".", "_").split("/") if part]
        return "_".join([self.method.lower(), *words]).replace("-", "_").replace(":", "_")
