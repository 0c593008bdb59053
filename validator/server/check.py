"""`POST /check` and its alias in the envelope of the model service."""

from __future__ import annotations

import time
from typing import Any

import orjson
from aiohttp import web

from validator.checker import DEFAULT_OPTIONS, CheckOptions
from validator.checker.document import verdict_document
from validator.errors import ValidatorError
from validator.server.answers import JsonAnswer
from validator.server.app_keys import RUNTIME
from validator.server.bodies import decode_json, json_response, read_body, refuse_query, validate_json
from validator.server.problems import ProblemException, from_error
from validator.server.routes import Answer, Route, Scope
from validator.server.schemas import CheckRequest, CheckResponse, EnvelopeRequest, EnvelopeResponse
from validator.settings import OnUnknown
from validator.verdict import Status

MAX_CHECK_BODY_BYTES = 8 * 1024
RETRY_AFTER_UNKNOWN_S = 30
"""What a client is told to wait before it asks again about an address that DNS could not decide."""

_PLAIN_OPTIONS = {
    (sanitize, explain): DEFAULT_OPTIONS if sanitize and not explain else CheckOptions(sanitize, explain)
    for sanitize in (True, False)
    for explain in (True, False)
}
_FAST_FIELDS = frozenset({"email", "sanitize", "explain"})


def parse_check(raw: bytes) -> tuple[str, CheckOptions, OnUnknown | None]:
    """A check request from its bytes; the common shape without a model, everything else through `CheckRequest`."""
    body = decode_json(raw)
    if type(body) is dict and body.keys() <= _FAST_FIELDS:
        email, sanitize, explain = body.get("email"), body.get("sanitize", True), body.get("explain", False)
        if type(email) is str and type(sanitize) is bool and type(explain) is bool:
            return email, _PLAIN_OPTIONS[sanitize, explain], None
    request = validate_json(raw, CheckRequest)
    options = CheckOptions(sanitize=request.sanitize, explain=request.explain, lists=tuple(request.lists))
    return request.email, options, request.on_unknown


def unknown_problem() -> ProblemException:
    """The 503 of `on_unknown: error`."""
    return ProblemException(
        503,
        "DNS could not tell whether the domain takes mail",
        headers={"Retry-After": str(RETRY_AFTER_UNKNOWN_S)},
        kind="/problems/unknown",
    )


async def post_check(request: web.Request) -> web.StreamResponse:
    """Check one address."""
    refuse_query(request)
    runtime = request.app[RUNTIME]
    email, options, on_unknown = parse_check(await read_body(request, MAX_CHECK_BODY_BYTES))
    verdict = await runtime.checker.check(email, options)
    if verdict.status is not Status.UNKNOWN:
        return JsonAnswer(orjson.dumps(verdict_document(verdict)))
    if (on_unknown or runtime.settings.on_unknown) is OnUnknown.ERROR:
        raise unknown_problem()
    return json_response(verdict_document(verdict), headers={"Retry-After": str(RETRY_AFTER_UNKNOWN_S)})


async def post_envelope(request: web.Request) -> web.StreamResponse:
    """Check one address, answer in the envelope; a problem carries `_meta` too: its clients read the status there."""
    started = time.perf_counter()
    try:
        return await _enveloped(request, started)
    except ValidatorError as error:
        problem = from_error(error)
    except ProblemException as raised:
        problem = raised
    problem.extensions["_meta"] = _meta("ERROR", started, 0)
    raise problem


async def _enveloped(request: web.Request, started: float) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    body = validate_json(await read_body(request, MAX_CHECK_BODY_BYTES), EnvelopeRequest)
    verdict = await runtime.checker.check(body.email, CheckOptions(sanitize=body.sanitize))
    headers = {}
    if verdict.status is Status.UNKNOWN:
        if runtime.settings.on_unknown is OnUnknown.ERROR:
            raise unknown_problem()
        headers["Retry-After"] = str(RETRY_AFTER_UNKNOWN_S)
    data: dict[str, Any] = {"orig": verdict.orig, "valid": verdict.valid, "email": verdict.email}
    if verdict.reason is not None:
        data["reason"] = verdict.reason
    data |= {"vendor": verdict.vendor, "domain": verdict.domain, "trusted": verdict.trusted}
    return json_response({"_meta": _meta("SUCCESS", started, 1), "data": data}, headers=headers)


def _meta(status: str, started: float, count: int) -> dict[str, object]:
    return {"status": status, "time": round(time.perf_counter() - started, 6), "count": count}


_RETRY = {"Retry-After": "Seconds to wait before asking again; only with `status: unknown`."}

ROUTES = (
    Route(
        "POST",
        "/check",
        post_check,
        "Check one address",
        "check",
        Scope.CHECK,
        {200: Answer("The verdict; an invalid address is an answer, not an error.", CheckResponse, _RETRY)},
        body=CheckRequest,
        problems=(404,),
        description="404 (`/problems/unknown-list`) when `lists` names a list that is not there.",
        max_body_bytes=MAX_CHECK_BODY_BYTES,
        examples={"a slip": {"email": "ivan@gmial.com"}, "with evidence": {"email": "x@fb.com", "explain": True}},
    ),
    Route(
        "POST",
        "/v1/email/check",
        post_envelope,
        "Check one address, in the envelope of the model service",
        "check",
        Scope.CHECK,
        {200: Answer("The verdict.", EnvelopeResponse, _RETRY)},
        body=EnvelopeRequest,
        max_body_bytes=MAX_CHECK_BODY_BYTES,
        description=(
            "HTTP Basic credentials `client id : key` or `client id : SHA-1 hex of the key` are accepted here. "
            "A problem carries `_meta` with the status `ERROR` beside its own members."
        ),
        examples={"plain": {"email": "ivan@gmail.com", "sanitize": True}},
    ),
)
