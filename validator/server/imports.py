"""`/blacklist/imports`: paste or file in, a report out; large bodies become jobs that survive a restart."""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from validator.blacklist.batch import BatchStatus, Operation
from validator.blacklist.import_options import Encoding, ImportOptions, LineFault
from validator.bulk.files import foreign_kind
from validator.bulk.gzipped import plain_body
from validator.errors import LimitExceeded
from validator.server.app_keys import RUNTIME
from validator.server.blacklist import actor_of, blacklist_of
from validator.server.blacklist_whole import undo
from validator.server.bodies import json_response, read_body, read_query, refuse_query, validate_json
from validator.server.import_models import (
    FaultPage,
    ImportModel,
    ImportPage,
    ImportPaste,
    ImportQuery,
    ImportSummary,
    PageQuery,
    import_document,
)
from validator.server.problems import ProblemException
from validator.server.routes import Answer, Media, Param, ParamPlace, Route, Scope

IDLE_S = 30.0
"""A sender that is silent for so long has gone."""
MAX_PASTE_BYTES = 16 * 1024 * 1024
SOON_S = 10.0
"""How long a small import is waited for before the answer is 202."""
SMALL_BYTES = 2 * 1024 * 1024
_WRAPPED = frozenset({"multipart/form-data", "application/json"})
"""Bodies that hold the list; what they hold may be compressed, they may not."""
_PASTE = re.compile(rb'\s*\{\s*"text"\s*:')
NOTHING_SENT = "the body is empty: send lines, CSV with a header, NDJSON or a JSON list"
_SHOWN_FAULTS = 100


async def post_import(request: web.Request) -> web.StreamResponse:
    """Enter a file, or say what that would do."""
    query = read_query(request, ImportQuery)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity" and (coding not in {"gzip", "x-gzip"} or request.content_type in _WRAPPED):
        raise ProblemException(415, "send the body plain, or a file alone with Content-Encoding: gzip")
    if not request.body_exists:
        raise ProblemException(400, NOTHING_SENT)
    name, body = await _body(request, query.name)
    body = await _begun(request, body)
    options = ImportOptions(
        list=query.list,
        cause=query.cause,
        kind=query.kind,
        expires=query.expires,
        note=query.note,
        revive=query.revive,
        replace=query.replace,
        force=query.force,
        judge=query.judge,
        encoding=query.encoding or _told_encoding(request),
    )
    imports, actor = blacklist_of(request).imports, actor_of(request)
    most = request.app[RUNTIME].settings.import_max_bytes
    if query.dry_run:
        rehearsal = await imports.rehearse_stream(_bounded(body, most), options)
        document = _dry_document(name, actor, rehearsal.counts.document(), rehearsal.faults[:_SHOWN_FAULTS])
        return json_response(document)
    batch = await imports.accept(body, options, name=name, actor=actor, max_bytes=most)
    small = (batch.bytes_total or 0) <= SMALL_BYTES
    batch = await imports.wait(batch.id, timeout_s=SOON_S if small else 0.01)
    faults, _ = await imports.faults(batch.id, limit=_SHOWN_FAULTS)
    headers = {"Location": f"/blacklist/imports/{batch.id}"}
    status = 201 if batch.status is BatchStatus.DONE else 202
    report = import_document(batch) | {"faults": [_fault(fault) for fault in faults]}
    return json_response(report, status=status, headers=headers)


_CHARSETS = {
    "iso8859-1": Encoding.CP1252,
    "cp1252": Encoding.CP1252,
    "cp1250": Encoding.CP1250,
    "cp1251": Encoding.CP1251,
    "cp866": Encoding.CP866,
    "koi8-r": Encoding.KOI8_R,
    "koi8-u": Encoding.KOI8_U,
}
"""Python's names of what `charset` may say; Latin-1 is read as its superset, as browsers do."""


def _told_encoding(request: web.Request) -> Encoding | None:
    """What `Content-Type: text/csv; charset=…` says, when that is an older encoding; UTF-8 tells itself."""
    try:
        return _CHARSETS.get(codecs.lookup(request.charset or "utf-8").name)
    except (LookupError, ValueError):
        return None


async def _body(request: web.Request, name: str) -> tuple[str, AsyncIterator[bytes]]:
    """The file and its name, whether it came as the body, as a form or as JSON."""
    if request.content_type == "multipart/form-data":
        try:
            async for part in await request.multipart():
                if isinstance(part, aiohttp.BodyPartReader) and (part.filename or part.name in {"file", "text"}):
                    return (name or part.filename or "upload")[:200].replace("\x00", ""), _part_chunks(part)
        except (ValueError, HttpProcessingError):
            raise ProblemException(400, "the form cannot be read") from None
        raise ProblemException(422, "the form has no file")
    if request.content_type == "application/json":
        text = validate_json(await read_body(request, MAX_PASTE_BYTES), ImportPaste).text
        return name or "paste", _one(text.encode())
    return name or "upload", _chunks(request)


async def _begun(request: web.Request, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same body, decompressed, when it holds something that may be a list; else a problem before any is stored.

    JSON that was sent without saying so (curl does that) is what `{"text": …}` says, not a list of one odd line.
    """
    body = plain_body(body)
    async for first in body:
        foreign = foreign_kind(first)
        if foreign is not None:
            raise ProblemException(415, f"the file is {foreign}, which is not read; save the list as CSV in UTF-8")
        if first and _PASTE.match(first) and request.content_type == "application/x-www-form-urlencoded":
            whole = b"".join([piece async for piece in _bounded(_and_the_rest(first, body), MAX_PASTE_BYTES)])
            return _one(validate_json(whole, ImportPaste).text.encode())
        if first:
            return _and_the_rest(first, body)
    raise ProblemException(400, NOTHING_SENT)


async def _and_the_rest(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(IDLE_S):
                chunk = await request.content.readany()
            if not chunk:
                return
            yield chunk
    except TimeoutError:
        raise ProblemException(400, "the body did not arrive in time", headers={"Connection": "close"}) from None


async def _part_chunks(part: aiohttp.BodyPartReader) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(IDLE_S):
                chunk = await part.read_chunk(65_536)
            if not chunk:
                return
            yield bytes(chunk)
    except (ValueError, HttpProcessingError):
        raise ProblemException(400, "the form cannot be read") from None
    except TimeoutError:
        raise ProblemException(400, "the body did not arrive in time", headers={"Connection": "close"}) from None


async def _bounded(body: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > most:
            raise LimitExceeded(f"a body of more than {most} bytes")
        yield chunk


def _fault(fault: LineFault) -> dict[str, Any]:
    return {"line": fault.line, "code": fault.code, "detail": fault.detail}


def _dry_document(name: str, actor: str, counts: dict[str, int], faults: tuple[LineFault, ...]) -> dict[str, Any]:
    return {
        "id": None,
        "operation": Operation.IMPORT,
        "status": None,
        "name": name,
        "actor": actor,
        "counts": counts,
        "removed": None,
        "created": None,
        "finished": None,
        "undone": None,
        "undone_by": None,
        "bytes_done": 0,
        "bytes_total": None,
        "error": None,
        "faults": [_fault(fault) for fault in faults],
    }


async def get_imports(request: web.Request) -> web.StreamResponse:
    """Imports, newest first."""
    query = read_query(request, PageQuery)
    found, cursor = await blacklist_of(request).imports.page(limit=query.limit, cursor=query.cursor)
    return json_response({"imports": [import_document(batch) for batch in found], "cursor": cursor})


async def get_import(request: web.Request) -> web.StreamResponse:
    """One report."""
    imports = blacklist_of(request).imports
    batch = await imports.get(request.match_info["id"])
    found: list[LineFault] = []
    if batch.operation is Operation.IMPORT:
        found, _ = await imports.faults(batch.id, limit=_SHOWN_FAULTS)
    return json_response(import_document(batch) | {"faults": [_fault(fault) for fault in found]})


async def get_faults(request: web.Request) -> web.StreamResponse:
    """Lines that made no entry."""
    query = read_query(request, PageQuery)
    imports = blacklist_of(request).imports
    found, cursor = await imports.faults(request.match_info["id"], limit=query.limit, cursor=query.cursor)
    return json_response({"faults": [_fault(fault) for fault in found], "cursor": cursor})


async def delete_import(request: web.Request) -> web.StreamResponse:
    """Undo an import."""
    refuse_query(request)
    return await undo(request, request.match_info["id"])


_ID = Param("id", ParamPlace.PATH, "Identifier of the import.", pattern=r"^[0-9]{1,18}$")
_READ, _WRITE = Scope.BLACKLIST_READ, Scope.BLACKLIST_WRITE
_FILE = Media(
    ("text/plain", "text/csv", "application/octet-stream", "multipart/form-data", "application/json"),
    "A list of addresses, domains and networks: lines, CSV with a header, NDJSON, or the JSON list of a provider "
    "(not as `application/json`: that is a paste); UTF-8 or UTF-16, also gzip.",
    item=ImportPaste,
)  # fmt: skip

ROUTES = (
    Route(
        "POST", "/blacklist/imports", post_import, "Import a list", "blacklist", _WRITE,
        {
            200: Answer("A dry run: what it would do.", ImportModel),
            201: Answer("Wholly entered.", ImportModel, {"Location": "Its report."}),
            202: Answer("Accepted; being entered.", ImportModel, {"Location": "Its report."}),
        },
        body=_FILE, query=ImportQuery, slow=True,
        description="Headers of SendGrid, Mailgun, SES, Postmark and others are recognised. One bad line never spoils "
        "the rest. The whole import can be undone.",
    ),
    Route(
        "GET", "/blacklist/imports", get_imports, "Imports", "blacklist", _READ,
        {200: Answer("One page, newest first.", ImportPage)}, query=PageQuery,
    ),
    Route(
        "GET", "/blacklist/imports/{id}", get_import, "Report of an import or bulk removal", "blacklist", _READ,
        {200: Answer("How far it is and what it came to.", ImportModel)}, params=(_ID,),
    ),
    Route(
        "GET", "/blacklist/imports/{id}/faults", get_faults, "Lines that made no entry", "blacklist", _READ,
        {200: Answer("In the order of the file.", FaultPage)}, query=PageQuery, params=(_ID,),
    ),
    Route(
        "DELETE", "/blacklist/imports/{id}", delete_import, "Undo an import", "blacklist", _WRITE,
        {
            200: Answer("Undone: exactly what was before.", ImportSummary, {"Location": "Its report."}),
            202: Answer("Being undone.", ImportSummary, {"Location": "Its report."}),
        },
        params=(_ID,), problems=(409, 422), slow=True,
    ),
)  # fmt: skip
