"""Request bodies: read under a deadline, counted, decoded strictly; answers encoded once.

aiohttp bounds neither a slow sender nor a stream, so both are done here.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from validator.errors import Complaint
from validator.server.problems import ProblemException, from_validation

RECEIVE_DEADLINE_S = 5.0
Model = TypeVar("Model", bound=BaseModel)


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The whole body; 413 over *max_bytes*, 415 for any Content-Encoding, 400 when it does not arrive in time."""
    if "Content-Encoding" in request.headers:
        raise ProblemException(415, "send the body without Content-Encoding")
    stream = request.content
    if stream.is_eof():  # it came with the header
        chunk = stream.read_nowait() if request.body_exists else b""
        if len(chunk) > max_bytes:
            raise ProblemException(413, f"more than {max_bytes} bytes")
        return chunk
    length = request.content_length
    if length is not None and length > max_bytes:
        raise ProblemException(413, f"more than {max_bytes} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(RECEIVE_DEADLINE_S):
            while not stream.at_eof():
                part = await stream.readany()
                size += len(part)
                if size > max_bytes:
                    raise ProblemException(413, f"more than {max_bytes} bytes", headers={"Connection": "close"})
                parts.append(part)
    except TimeoutError:
        raise ProblemException(400, "the body did not arrive in time", headers={"Connection": "close"}) from None
    return b"".join(parts)


def decode_json(raw: bytes) -> Any:
    """Strict JSON: valid UTF-8, no lone surrogates, bounded depth, no duplicate names; 400 or 422 otherwise."""
    try:
        value = orjson.loads(raw)
    except (orjson.JSONDecodeError, RecursionError):
        raise ProblemException(400, "the body is not JSON") from None
    if type(value) is dict and b"\\" not in raw and _has_no_duplicates(raw, value):
        return value
    try:
        json.loads(raw, object_pairs_hook=_refuse_duplicates)
    except (RecursionError, ValueError):
        raise ProblemException(400, "the body is not JSON that can be read safely") from None
    return value


def _has_no_duplicates(raw: bytes, value: dict[str, Any]) -> bool:
    """Without escapes every quote delimits a string, so a flat object has two per name and two per string value."""
    strings = len(value)
    for item in value.values():
        if type(item) is str:
            strings += 1
        elif type(item) is dict or type(item) is list:
            return False
    return raw.count(b'"') == 2 * strings


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise ProblemException(422, "an object names the same field twice")
    return dict(pairs)


async def read_model(request: web.Request, model: type[Model], max_bytes: int) -> Model:
    """Read and validate a JSON body, whatever its Content-Type says; 422 for query parameters."""
    refuse_query(request)
    return validate_json(await read_body(request, max_bytes), model)


def validate_json(raw: bytes, model: type[Model]) -> Model:
    """JSON bytes as *model*; 400 when it is not JSON, 422 with pointers when it does not fit."""
    decode_json(raw)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise from_validation(error) from None


def refuse_query(request: web.Request) -> None:
    """422 for query parameters where there are none: `?sanitize=false` and `?dry_run=true` must not be ignored."""
    if "?" in request.raw_path and request.query_string:  # the first is free, the second is not
        complaint = Complaint("/query", "there are none here: what can be told belongs to the body")
        raise ProblemException(422, "this resource takes no query parameters", complaints=[complaint])


def read_query(request: web.Request, model: type[Model]) -> Model:
    """Query parameters as *model*; a name given twice becomes a list; 422 naming what does not fit."""
    values: dict[str, object] = {}
    for name in request.query:
        found = request.query.getall(name)
        values[name] = found if len(found) > 1 else found[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise from_validation(error, prefix="/query") from None


def json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer from plain values or a model."""
    body = value.model_dump_json().encode() if isinstance(value, BaseModel) else orjson.dumps(value)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
