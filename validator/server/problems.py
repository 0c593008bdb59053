"""Errors become RFC 9457 problems here and nowhere else; an unknown error tells the client nothing.

No problem ever quotes a value of the request: field names only, and only when they look like field names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

import orjson
from aiohttp import web
from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from validator.errors import (
    Complaint,
    Conflict,
    LimitExceeded,
    NotAuthorised,
    NotFound,
    NotReadable,
    Overloaded,
    RequestRefused,
    RuleTooWide,
    StorageUnavailable,
    UnknownList,
    ValidatorError,
    WebhookRejected,
)
from validator.server.wire_types import Wire

CONTENT_TYPE = "application/problem+json"
STORE_RETRY_AFTER_S = 2
_BEARER = 'Bearer realm="validator"'


class ProblemError(Wire):
    """One fault of a request."""

    model_config = ConfigDict(title="ProblemError")

    pointer: str = Field(description="RFC 6901 JSON pointer to the part that is wrong.")
    detail: str = Field(description="What is wrong with it.")


class Problem(Wire):
    """RFC 9457 problem details."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="`about:blank`, or a relative reference that names the kind of problem.")
    title: str = Field(description="The kind of problem in words; the same for every occurrence.")
    status: int = Field(description="HTTP status, repeated.")
    detail: str | None = Field(None, description="This occurrence in words.")
    errors: list[ProblemError] | None = Field(None, description="Each fault of the request, where there are several.")
    request_id: str = Field(description="Identifier of the request, as in the `X-Request-Id` header.")


TITLES: Mapping[int, str] = {
    400: "The request is not well-formed",
    401: "A key is needed",
    403: "The key may not do this",
    404: "There is nothing here",
    405: "The method is not allowed here",
    408: "The request took too long to arrive",
    409: "The state of the thing forbids this",
    411: "A length is needed",
    413: "The request is too large",
    414: "The path is too long",
    415: "The encoding is not supported",
    417: "The expectation cannot be met",
    422: "The request does not fit its description",
    429: "Too many requests",
    431: "The header is too large",
    500: "Internal error",
    501: "Not implemented",
    503: "Not available now",
    505: "The protocol version is not supported",
}


class ProblemException(Exception):
    """Raised by edge code to answer with a problem; errors of inner layers are translated by `from_error`."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        complaints: Iterable[Complaint] = (),
        headers: Mapping[str, str] | None = None,
        kind: str = "about:blank",
    ) -> None:
        super().__init__(detail or TITLES[status])
        self.status = status
        self.detail = detail
        self.complaints = tuple(complaints)
        self.headers = dict(headers or {})
        self.kind = kind
        self.extensions: dict[str, object] = {}
        """Further members of the document, RFC 9457 section 3.2."""

    def body(self, request_id: str) -> bytes:
        """The problem document as JSON bytes."""
        document: dict[str, object] = {
            "type": self.kind,
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.complaints:
            document["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.complaints]
        document["request_id"] = request_id
        return orjson.dumps(document | self.extensions)

    def response(self, request_id: str) -> web.Response:
        """The whole answer."""
        return web.Response(
            status=self.status, body=self.body(request_id), content_type=CONTENT_TYPE, headers=self.headers
        )


def last_words(problem: ProblemException, request_id: str) -> bytes:
    """A whole answer as bytes that end their connection, for a client whose request nobody has read."""
    body = problem.body(request_id)
    head = {
        "Connection": "close",
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        "Server": "validator",
    } | problem.headers
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def from_error(error: ValidatorError) -> ProblemException:
    """The one table from our errors to problems."""
    detail = str(error)
    match error:
        case RuleTooWide():
            return ProblemException(422, detail, complaints=error.complaints, kind="/problems/rule-too-wide")
        case UnknownList():
            return ProblemException(404, detail, complaints=error.complaints, kind="/problems/unknown-list")
        case NotReadable():
            return ProblemException(400, detail, complaints=error.complaints)
        case LimitExceeded():
            return ProblemException(413, detail, complaints=error.complaints)
        case RequestRefused():
            return ProblemException(422, detail, complaints=error.complaints)
        case NotFound():
            return ProblemException(404, detail)
        case Conflict():
            return ProblemException(409, detail)
        case WebhookRejected():
            return ProblemException(401, headers={"WWW-Authenticate": _BEARER})
        case NotAuthorised(known=True):
            return ProblemException(403, detail)
        case NotAuthorised():
            # a browser asks its user for Basic credentials wherever they are offered
            challenge = f'{_BEARER}, Basic realm="validator"' if error.takes_basic else _BEARER
            return ProblemException(401, headers={"WWW-Authenticate": challenge})
        case Overloaded():
            return ProblemException(429, detail, headers={"Retry-After": str(error.retry_after_s)})
        case StorageUnavailable():
            return ProblemException(
                503, "the store cannot be reached", headers={"Retry-After": str(STORE_RETRY_AFTER_S)}
            )
        case _:
            return ProblemException(500)


_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def from_validation(error: ValidationError, *, prefix: str = "") -> ProblemException:
    """A pydantic error as a 422 with one JSON pointer per fault (at most 20); values are never quoted."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return ProblemException(
        422,
        "the body does not fit its description" if not prefix else None,
        complaints=[complaint_of(fault, prefix=prefix) for fault in faults[:20]],
    )


def complaint_of(fault: ErrorDetails, *, prefix: str = "") -> Complaint:
    """One pydantic fault as a pointer and a sentence."""
    location = list(fault["loc"])
    shown = [part for part in location if isinstance(part, int) or _FIELD_NAME.fullmatch(part)]
    detail = fault["msg"]
    if fault["type"] == "extra_forbidden":
        name = location[-1] if location else ""
        known = isinstance(name, str) and _FIELD_NAME.fullmatch(name)
        detail = f"there is no field {name}" if known else "there is no such field"
    elif fault["type"] == "json_invalid":
        detail = "not JSON"
    return Complaint(prefix + "".join(f"/{part}" for part in shown), detail)
