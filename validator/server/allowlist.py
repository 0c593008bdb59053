"""`/allowlist`: addresses and domains that somebody is sure about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from validator.blacklist.entry import Kind
from validator.blacklist.results import Allowed
from validator.server.blacklist import actor_of, blacklist_of, rule_of, why_of
from validator.server.blacklist_models import WhyQuery
from validator.server.bodies import json_response, read_model, read_query
from validator.server.import_models import PageQuery
from validator.server.routes import Answer, Param, ParamPlace, Route, Scope
from validator.server.wire_types import Expiry, StrictRequest, Text, Value, Wire

MAX_BODY_BYTES = 16 * 1024


class AllowRequest(StrictRequest):
    """An address or domain that is known to be good."""

    value: Value = Field(description="Address or domain.")
    note: Text = Field(min_length=1, description="How it is known to be good; something that can be read.")
    expires: Expiry | None = Field(None, description="Until when; null for good; a plain date is its end, UTC.")
    acknowledge_complaint: bool = Field(
        False, description="Override complaints, unsubscribes and manual entries as well."
    )
    force: bool = Field(False, description="Enter it even if it is a big provider's domain.")


class AllowModel(Wire):
    """A rule of the allow-list."""

    id: str = Field(description="Stable identifier.")
    kind: Kind = Field(description="address or domain.")
    value: str = Field(description="Address or domain.")
    note: str = Field(description="How it is known to be good.")
    actor: str = Field(description="Who said so.")
    created: datetime = Field(description="Since when.")
    expires: datetime | None = Field(description="Until when; null for good.")
    acknowledge_complaint: bool = Field(description="Overrides complaints, unsubscribes and manual entries as well.")
    removed: datetime | None = Field(description="When it was taken off again.")


class AllowPage(Wire):
    """Some rules in force, newest first."""

    entries: list[AllowModel] = Field(description="In a stable order.")
    cursor: str | None = Field(description="For the next page; null when this was the last.")


def allow_document(rule: Allowed) -> dict[str, Any]:
    """The wire form of a rule."""
    return {
        "id": rule.id,
        "kind": rule.kind,
        "value": rule.value,
        "note": rule.note,
        "actor": rule.actor,
        "created": rule.created,
        "expires": rule.expires,
        "acknowledge_complaint": rule.acknowledged,
        "removed": rule.removed,
    }


async def post_allow(request: web.Request) -> web.StreamResponse:
    """Enter or renew a rule."""
    asked = await read_model(request, AllowRequest, MAX_BODY_BYTES)
    kind = Kind.ADDRESS if "@" in asked.value.strip()[1:] else Kind.DOMAIN
    rule, new = await blacklist_of(request).allowlist.add(
        rule_of(asked.value, kind),
        note=asked.note,
        actor=actor_of(request),
        expires=asked.expires,
        acknowledged=asked.acknowledge_complaint,
        force=asked.force,
    )
    headers = {"Location": f"/allowlist/{rule.id}"}
    return json_response(allow_document(rule), status=201 if new else 200, headers=headers)


async def get_allowed(request: web.Request) -> web.StreamResponse:
    """Rules in force."""
    query = read_query(request, PageQuery)
    found, cursor = await blacklist_of(request).allowlist.page(limit=query.limit, cursor=query.cursor)
    return json_response({"entries": [allow_document(rule) for rule in found], "cursor": cursor})


async def get_one_allowed(request: web.Request) -> web.StreamResponse:
    """One rule."""
    return json_response(allow_document(await blacklist_of(request).allowlist.get(request.match_info["id"])))


async def delete_allowed(request: web.Request) -> web.StreamResponse:
    """Take a rule off."""
    why = await why_of(request)
    rule = await blacklist_of(request).allowlist.remove(request.match_info["id"], actor=actor_of(request), why=why)
    return json_response(allow_document(rule))


_ID = Param("id", ParamPlace.PATH, "Identifier of the rule.", pattern=r"^[0-9]{1,18}$")
_READ, _WRITE = Scope.BLACKLIST_READ, Scope.BLACKLIST_WRITE

ROUTES = (
    Route(
        "POST", "/allowlist", post_allow, "Allow an address or domain", "blacklist", _WRITE,
        {
            201: Answer("It is allowed now.", AllowModel, {"Location": "The rule."}),
            200: Answer("It was allowed already; note and expiry are new.", AllowModel, {"Location": "The rule."}),
        },
        body=AllowRequest, max_body_bytes=MAX_BODY_BYTES,
        examples={"an address": {"value": "jane@example.com", "note": "wrote to us today"}},
        description="Overrides bounces and provider lists; complaints, unsubscribes and manual entries only with "
        "`acknowledge_complaint`. An address is an exception to a manual entry of its domain without it.",
    ),
    Route(
        "GET", "/allowlist", get_allowed, "What is allowed", "blacklist", _READ,
        {200: Answer("One page, newest first.", AllowPage)}, query=PageQuery,
    ),
    Route(
        "GET", "/allowlist/{id}", get_one_allowed, "One allow-list rule", "blacklist", _READ,
        {200: Answer("The rule, in force or not.", AllowModel)}, params=(_ID,),
    ),
    Route(
        "DELETE", "/allowlist/{id}", delete_allowed, "Allow no more", "blacklist", _WRITE,
        {200: Answer("The rule, taken off.", AllowModel)}, query=WhyQuery, params=(_ID,), max_body_bytes=MAX_BODY_BYTES,
    ),
)  # fmt: skip
