"""`/blacklist` as a whole: bulk removal and undo, counts, named lists, export, erasure."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from aiohttp import web

from validator.blacklist.entry import RuleFault
from validator.blacklist.export_form import ExportFormat
from validator.blacklist.keys import address_rule
from validator.blacklist.results import ListInfo
from validator.errors import Complaint, RequestRefused, StorageUnavailable
from validator.server.blacklist import actor_of, blacklist_of, wanted_of
from validator.server.blacklist_models import (
    EraseRequest,
    EraseResponse,
    ExportQuery,
    ListModel,
    ListRequest,
    ListsResponse,
    RemoveRequest,
    RemoveResponse,
    StatsQuery,
    StatsResponse,
    UndoRequest,
)
from validator.server.bodies import json_response, read_model, read_query, refuse_query
from validator.server.entry_models import entry_document
from validator.server.import_models import ImportSummary, import_document
from validator.server.request_id import own_headers
from validator.server.routes import Answer, Media, Param, ParamPlace, Route, Scope

log = structlog.get_logger("validator.server")

MAX_BODY_BYTES = 16 * 1024
MAX_ERASE_BODY_BYTES = 512 * 1024
UNDO_WAIT_S = 5.0
"""How long an undo is waited for before the answer is 202."""

CSV_TYPE = "text/csv"
NDJSON_TYPE = "application/x-ndjson"


async def post_remove(request: web.Request) -> web.StreamResponse:
    """Remove what a filter finds, or show what that would be."""
    asked = await read_model(request, RemoveRequest, MAX_BODY_BYTES)
    wanted = await wanted_of(request, asked.filter, where="/filter")
    removal = blacklist_of(request).removal
    if asked.dry_run:
        preview = await removal.preview(wanted)
        sample = [entry_document(entry, datetime.now(UTC)) for entry in preview.sample]
        return json_response({"number": preview.number, "token": None, "undo": None, "sample": sample})
    batch = await removal.remove(wanted, why=asked.why, actor=actor_of(request), expected=asked.expected)
    return json_response({"number": batch.counts["removed"], "token": batch.id, "undo": batch.id, "sample": []})


async def post_undo(request: web.Request) -> web.StreamResponse:
    """Undo a bulk removal or an import."""
    asked = await read_model(request, UndoRequest, MAX_BODY_BYTES)
    return await undo(request, asked.token)


async def undo(request: web.Request, identifier: str) -> web.StreamResponse:
    """Undo a batch: 200 when that is done soon, else 202; its report tells how far it is."""
    imports = blacklist_of(request).imports
    await imports.undo(identifier, actor=actor_of(request))
    batch = await imports.wait(identifier, timeout_s=UNDO_WAIT_S)
    headers = {"Location": f"/blacklist/imports/{batch.id}"}
    return json_response(import_document(batch), status=200 if batch.undone else 202, headers=headers)


async def get_stats(request: web.Request) -> web.StreamResponse:
    """Counts."""
    query = read_query(request, StatsQuery)
    found = await blacklist_of(request).counting.statistics(query.group_by, await wanted_of(request, query))
    groups = [{"name": name, "count": number} for name, number in found.groups]
    body = {"group_by": found.group_by, "total": found.total, "groups": groups, "soft_bounced": found.soft_bounced}
    return json_response(body)


async def get_lists(request: web.Request) -> web.StreamResponse:
    """Every named list."""
    found = await blacklist_of(request).counting.lists()
    return json_response({"lists": [_list(info, number) for info, number in found]})


async def get_list(request: web.Request) -> web.StreamResponse:
    """One named list."""
    return json_response(_list(*await blacklist_of(request).counting.one_list(request.match_info["name"])))


async def put_list(request: web.Request) -> web.StreamResponse:
    """Make or change a named list."""
    asked = await read_model(request, ListRequest, MAX_BODY_BYTES)
    name, counting = request.match_info["name"], blacklist_of(request).counting
    _, new = await counting.put_list(name, note=asked.note, actor=actor_of(request))
    return json_response(_list(*await counting.one_list(name)), status=201 if new else 200)


async def delete_list(request: web.Request) -> web.StreamResponse:
    """Delete a named list that nothing stands on."""
    refuse_query(request)
    await blacklist_of(request).counting.delete_list(request.match_info["name"])
    return web.Response(status=204)


def _list(info: ListInfo, number: int) -> dict[str, object]:
    return {
        "name": info.name,
        "note": info.note,
        "actor": info.actor,
        "created": info.created,
        "entries": number,
    }


async def get_export(request: web.Request) -> web.StreamResponse:
    """Stream what a filter finds."""
    query = read_query(request, ExportQuery)
    form = query.format or _accepted(request)
    wanted = await wanted_of(request, query)
    pieces = blacklist_of(request).exporting.export(wanted, form=form, fields=query.columns)
    first = await anext(pieces, b"")  # an unreadable store is a 503, not a broken file
    content_type = CSV_TYPE if form is ExportFormat.CSV else NDJSON_TYPE
    response = web.StreamResponse(
        headers=own_headers(request)
        | {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="blacklist.{form}"',
            "X-Content-Type-Options": "nosniff",
        }
    )
    await response.prepare(request)
    await response.write(first)
    try:
        async for piece in pieces:
            await response.write(piece)
    except StorageUnavailable as error:  # half a list must not look whole, nor hold an answer of its own
        log.error("export.broken_off", error=type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError("the store went away during an export") from error
    await response.write_eof()
    return response


def _accepted(request: web.Request) -> ExportFormat:
    accept = request.headers.get("Accept", "").lower()
    return ExportFormat.NDJSON if "ndjson" in accept or "jsonl" in accept else ExportFormat.CSV


async def post_erase(request: web.Request) -> web.StreamResponse:
    """Wipe addresses for good."""
    asked = await read_model(request, EraseRequest, MAX_ERASE_BODY_BYTES)
    rules = []
    for place, address in enumerate(asked.addresses):
        rule = address_rule(address.strip())
        if isinstance(rule, RuleFault):
            raise RequestRefused("not an address", [Complaint(f"/addresses/{place}", rule.message)])
        rules.append(rule)
    distinct = list({rule.key: rule for rule in rules}.values())
    erased = await blacklist_of(request).erasing.erase(distinct, actor=actor_of(request))
    return json_response({"erased": erased, "unknown": len(distinct) - erased})


_NAME = Param("name", ParamPlace.PATH, "Name of the list.", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
_READ, _WRITE = Scope.BLACKLIST_READ, Scope.BLACKLIST_WRITE
_UNDONE = {
    200: Answer("Undone.", ImportSummary, {"Location": "Its report."}),
    202: Answer("Being undone; ask for its report.", ImportSummary, {"Location": "Its report."}),
}

ROUTES = (
    Route(
        "POST", "/blacklist/remove", post_remove, "Remove what a filter finds", "blacklist", _WRITE,
        {200: Answer("How many, and the token that undoes it.", RemoveResponse)}, body=RemoveRequest,
        max_body_bytes=MAX_BODY_BYTES, problems=(404, 409), slow=True,
        examples={
            "preview": {"filter": {"domain": "example.com", "cause": ["mailbox_not_found"]}, "dry_run": True},
            "what an import entered": {"filter": {"import": "7"}, "why": "the wrong file", "expected": 120},
        },
        description="First with `dry_run`; then with `expected`, the number that it showed. `token` undoes it.",
    ),
    Route(
        "POST", "/blacklist/undo", post_undo, "Undo a bulk removal or an import", "blacklist", _WRITE, _UNDONE,
        body=UndoRequest, max_body_bytes=MAX_BODY_BYTES, problems=(404, 409), slow=True,
        examples={"a bulk removal": {"token": "8"}},
        description="Restores exactly what was before; what somebody changed since stays.",
    ),
    Route(
        "GET", "/blacklist/stats", get_stats, "Counts per cause, kind, source, list, state or day", "blacklist", _READ,
        {200: Answer("Counts of entries that block now, or of what the filter finds.", StatsResponse)},
        query=StatsQuery, problems=(404,), slow=True,
    ),
    Route(
        "GET", "/blacklist/lists", get_lists, "Named lists", "blacklist", _READ,
        {200: Answer("Every list with its number of entries.", ListsResponse)}, slow=True,
    ),
    Route(
        "GET", "/blacklist/lists/{name}", get_list, "One named list", "blacklist", _READ,
        {200: Answer("The list.", ListModel)}, params=(_NAME,), slow=True,
    ),
    Route(
        "PUT", "/blacklist/lists/{name}", put_list, "Make or change a named list", "blacklist", _WRITE,
        {200: Answer("Changed.", ListModel), 201: Answer("Made.", ListModel)}, body=ListRequest,
        max_body_bytes=MAX_BODY_BYTES, params=(_NAME,), slow=True,
    ),
    Route(
        "DELETE", "/blacklist/lists/{name}", delete_list, "Delete an empty named list", "blacklist", _WRITE,
        {204: Answer("It is gone; a check that names it is refused.")}, params=(_NAME,), problems=(409, 422),
        slow=True,
        description="Refused for `default`, while an import is under way, and for a list that entries stand on, even "
        "removed ones: what stood on a list is remembered. Entries of undone imports do not count.",
    ),
    Route(
        "GET", "/blacklist/export", get_export, "Export as CSV or NDJSON", "blacklist", _READ,
        {200: Answer("A stream; spreadsheet formulas are defused in CSV.", Media((CSV_TYPE, NDJSON_TYPE), "Entries."))},
        query=ExportQuery, problems=(404,), slow=True,
        description="Without a filter: the addresses that a plain check calls blacklisted now. With `everything=true`: "
        "all there is; an import of that into an empty store makes the same set.",
    ),
    Route(
        "POST", "/blacklist/erase", post_erase, "Erase addresses for good", "blacklist", _WRITE,
        {200: Answer("How many were known.", EraseResponse)}, body=EraseRequest, max_body_bytes=MAX_ERASE_BODY_BYTES,
        description="The address is wiped from entries, history and allow-list; a keyed hash keeps it blocked.",
        slow=True,
    ),
)  # fmt: skip
