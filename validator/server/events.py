"""`POST /events…`: bounces, complaints and deliveries come in; `GET /events` shows them; `/policy` explains them.

A webhook is answered 200 only after its events are stored. One bad event never rejects the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from validator import metrics
from validator.errors import Complaint, RequestRefused, WebhookRejected
from validator.feedback.event import Reported
from validator.feedback.gate import Proof
from validator.feedback.service import Receipt
from validator.feedback.webhooks.reading import Unread
from validator.feedback.webhooks.registry import PROVIDERS, Provider, read_batch, read_document
from validator.server.app_keys import AUTHENTICATOR, RUNTIME
from validator.server.bodies import json_response, read_body
from validator.server.classify import judged_document
from validator.server.event_schemas import (
    EventReceipt,
    EventsQuery,
    EventsRequest,
    EventsResponse,
    WebhookDocument,
    WebhookPlace,
    nothing_fitted,
    read_events,
)
from validator.server.routes import Answer, Media, Route, Scope

log = structlog.get_logger("validator.webhooks")

MAX_EVENTS_BODY_BYTES = 8 * 1024 * 1024


def receipt_document(receipt: Receipt, places: Sequence[int], unread: tuple[Unread, ...] = ()) -> dict[str, Any]:
    """The wire form of a receipt; *places* tells which item each event came from."""
    invalid = [(place.index, place.pointer or f"/{place.index}", place.why) for place in unread]
    for refused in receipt.invalid:
        index = places[refused.index]
        invalid.append((index, f"/{index}", refused.why))
    return {
        "accepted": receipt.accepted,
        "duplicate": receipt.duplicate,
        "ignored": receipt.ignored,
        "invalid": [
            {"index": index, "pointer": pointer, "detail": detail, "why": detail}
            for index, pointer, detail in sorted(invalid)
        ],
    }


async def post_events(request: web.Request) -> web.StreamResponse:
    """Events in our own form: one, a list, `{"events": […]}`, or NDJSON."""
    runtime = request.app[RUNTIME]
    body = await read_body(request, MAX_EVENTS_BODY_BYTES)
    reported, places, unread = read_events(body, request.headers.get("Content-Type", ""))
    receipt = await runtime.feedback.record(reported)
    document = receipt_document(receipt, places, tuple(unread))
    if document["invalid"] and not (receipt.accepted or receipt.duplicate or receipt.ignored):
        raise nothing_fitted([Complaint(item["pointer"], item["detail"]) for item in document["invalid"]])
    return json_response(document)


async def post_message(request: web.Request) -> web.StreamResponse:
    """A raw returned message."""
    from validator.feedback.message import events_of_message, judge_message

    runtime = request.app[RUNTIME]
    body = await read_body(request, MAX_EVENTS_BODY_BYTES)
    classifier = runtime.feedback.classifier
    if not body and "Content-Type" not in request.headers:
        raise RequestRefused("the body is empty")
    judged = await asyncio.to_thread(judge_message, body, classifier)
    reported = events_of_message(body, judged)
    receipt = await runtime.feedback.record(reported)
    document = receipt_document(receipt, range(len(reported)))
    document["ignored"] += int(not reported)
    return json_response({**document, **judged_document(judged)})


async def post_webhook(provider: Provider, request: web.Request) -> web.StreamResponse:
    """A request of a provider's webhook."""
    runtime = request.app[RUNTIME]
    body = await read_body(request, MAX_EVENTS_BODY_BYTES)
    try:
        return await _taken(provider, request, body)
    except WebhookRejected as error:
        metrics.FEEDBACK_REFUSED.labels(provider.name).inc()
        if runtime.webhooks.worth_telling(provider.name, time.monotonic()):
            log.warning("webhook.refused", provider=provider.name, why=str(error))
        raise


async def get_webhook(provider: Provider, _request: web.Request) -> web.StreamResponse:
    """A provider that looks whether the URL is there, before it has a key to prove itself with."""
    return json_response({"provider": provider.name})


async def _taken(provider: Provider, request: web.Request, body: bytes) -> web.StreamResponse:
    proof, document = await _proven(provider, request, body)
    if document is None:
        document = read_document(provider, body)
    batch = read_batch(provider, document)
    reported = [_named(item, proof, position) for position, item in enumerate(batch.reported)]
    receipt = await request.app[RUNTIME].feedback.record(reported, token=proof.token, body=body)
    return json_response(receipt_document(receipt, batch.places, batch.unread))


async def _proven(provider: Provider, request: web.Request, body: bytes) -> tuple[Proof, Any]:
    """How the request proved itself, and its document when that was needed for it."""
    runtime = request.app[RUNTIME]
    document = None
    try:
        document = read_document(provider, body)
    except RequestRefused:
        document = None  # a stranger learns about the signature first
    now = runtime.feedback.clock()
    proof = await runtime.webhooks.prove(provider.name, body, request.headers, document, now)
    if proof.own_key:
        await request.app[AUTHENTICATOR].authorise(request, _KEYED)
    return proof, document


def _named(item: Reported, proof: Proof, position: int) -> Reported:
    """An event under the identifier that was signed, where the scheme has one."""
    if not proof.message_id:
        return item
    return replace(item, event_id=f"{proof.message_id}:{position}")


async def get_events(request: web.Request) -> web.StreamResponse:
    """The evidence: stored events, newest arrival first."""
    query = EventsQuery.read(request)
    rows = await request.app[RUNTIME].feedback.events(
        address=query.address,
        kind=query.kind,
        reason=query.reason,
        since=query.since,
        before_id=query.before_id(),
        limit=query.limit + 1,
    )
    shown = rows[: query.limit]
    cursor = f"e-{shown[-1]['id']}" if len(rows) > query.limit else None
    return json_response({"events": [event_document(row) for row in shown], "cursor": cursor})


def event_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """The wire form of a stored event."""
    names = (
        "address", "kind", "reason", "disposition", "rule", "confidence", "rules_version", "code", "text",
        "message_id", "provider", "confirmed",
    )  # fmt: skip
    document = {name: row[name] for name in names}
    document |= {
        "id": str(row["id"]),
        "event_id": row["event_id"],
        "type": row["raw_type"],
        "enhanced_status": row["enhanced_status"] or None,
        "remote_host": row["remote_host"] or None,
        "stage": row["stage"],
        "occurred_at": (row["occurred_at"] or row["received_at"]).isoformat(),
        "received_at": row["received_at"].isoformat(),
    }
    return document


_ANSWER = {200: Answer("What became of each event; every one is stored before this is sent.", EventReceipt)}
_OWN = Route(
    "POST",
    "/events",
    post_events,
    "Report bounces, complaints and deliveries",
    "feedback",
    Scope.EVENTS,
    _ANSWER,
    body=EventsRequest,
    max_body_bytes=MAX_EVENTS_BODY_BYTES,
    description=(
        'One event, a list, `{"events": […]}` or NDJSON; at most 5,000. Events are stored once per `id` and '
        "address, so a request may be repeated. One event that does not fit is named and the rest is stored; when none "
        "fits the answer is 422. The text is classified; `kind` alone decides for complaints, "
        "unsubscriptions and deliveries."
    ),
    examples={
        "a bounce": {"address": "anna@example.org", "kind": "bounce", "text": "550 5.1.1 User unknown", "id": "evt-1"},
        "a failure of yesterday": {
            "address": "anna@example.org",
            "kind": "bounce",
            "text": "552 5.2.2 Mailbox full",
            "occurred_at": "2026-03-01T12:00:00Z",
            "id": "evt-3",
        },
        "a complaint": {"address": "anna@example.org", "kind": "complaint", "id": "evt-2"},
    },
)
_KEYED = _OWN
_MESSAGE = Route(
    "POST",
    "/events/message",
    post_message,
    "Report a raw returned message",
    "feedback",
    Scope.EVENTS,
    _ANSWER,
    body=Media(
        ("application/octet-stream", "message/rfc822"),
        "A delivery report, a complaint or a bounce in plain words, as it was received.",
    ),
    max_body_bytes=MAX_EVENTS_BODY_BYTES,
    description="The original recipient is blamed where the message was forwarded. Auto-replies are ignored.",
)
_WEBHOOKS = tuple(
    Route(
        "POST",
        f"/events/{provider.name}",
        partial(post_webhook, provider),
        f"Webhook of {provider.title}",
        "feedback",
        None,
        _ANSWER,
        body=WebhookDocument,
        problems=(401, 403),
        max_body_bytes=MAX_EVENTS_BODY_BYTES,
        description=(
            "Verified with the provider's signature or secret when that is configured; otherwise an own key with the "
            "scope `events` is needed. See `docs/adding-a-webhook.md`."
        ),
    )
    for provider in PROVIDERS.values()
)
_LOOKS = tuple(
    Route(
        "GET",
        f"/events/{provider.name}",
        partial(get_webhook, provider),
        f"Say to {provider.title} that its webhook is there",
        "feedback",
        None,
        {200: Answer("The provider's name; nothing is read.", WebhookPlace)},
        description="Asked when the webhook is entered there, without any proof. Nothing else is told.",
    )
    for provider in PROVIDERS.values()
    if provider.looks_first
)
_LIST = Route(
    "GET",
    "/events",
    get_events,
    "Show stored events",
    "feedback",
    Scope.BLACKLIST_READ,
    {200: Answer("The evidence, newest arrival first.", EventsResponse)},
    query=EventsQuery,
)

ROUTES = (_OWN, _MESSAGE, *_WEBHOOKS, *_LOOKS, _LIST)
