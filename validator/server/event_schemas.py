"""The wire contract of the events endpoints as pydantic models."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from aiohttp import web
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, RootModel, ValidationError

from validator.errors import Complaint, LimitExceeded, RequestRefused
from validator.feedback.event import EventKind, Reported
from validator.feedback.mail.failure import MailKind
from validator.feedback.reasons import Blame, Disposition, FailureReason
from validator.feedback.reply import Stage
from validator.feedback.webhooks.reading import MAX_ITEMS, Unread
from validator.server.bodies import decode_json, read_query
from validator.server.problems import ProblemException, complaint_of
from validator.server.wire_types import Wire

_KINDS = Literal[
    "bounce", "deferral", "delivery", "complaint", "unsubscribe", "auto_reply", "provider_suppressed",
    "provider_unsuppressed",
]  # fmt: skip


def _written_moment(value: object) -> object:
    """Only text in the form of RFC 3339: a bare number would be guessed at."""
    if isinstance(value, str) and not _MOMENT.match(value):
        raise ValueError("a moment such as 2026-03-01T12:00:00Z")
    if not isinstance(value, str | datetime):
        raise ValueError("a moment as text, such as 2026-03-01T12:00:00Z")
    return value


def _addressed(value: str) -> str:
    """Text without an @ names nobody whose mail could bounce."""
    if "@" not in value:
        raise ValueError("not an address")
    return value


def whole(value: object) -> object:
    """JSON does not tell 2.0 from 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


ReplyCode = Annotated[int, Field(ge=200, le=599), BeforeValidator(whole)]
_MAX_NAMED = 20
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
Moment = Annotated[datetime, BeforeValidator(_written_moment)]


class EventModel(Wire):
    """One event in our own form."""

    model_config = ConfigDict(extra="forbid")

    address: Annotated[
        str,
        Field(min_length=1, max_length=320, description="Whom the message was sent to."),
        AfterValidator(_addressed),
    ]
    kind: _KINDS = Field(description="What happened.")
    text: str = Field("", max_length=65_536, description="The server's words.")
    reply_code: ReplyCode | None = Field(None, description="Three-digit reply code.")
    enhanced_status: str | None = Field(None, pattern=r"^[245]\.\d{1,3}\.\d{1,3}$", description="RFC 3463 code.")
    remote_host: str = Field("", max_length=255, description="The server that answered.")
    stage: Literal["connect", "helo", "mail", "rcpt", "data", "unknown"] = Field(
        "unknown", description="The SMTP command that was answered."
    )
    occurred_at: Moment | None = Field(None, description="When it happened; without it, now. Naive times are UTC.")
    message_id: str = Field("", max_length=998, description="Identifier of the message.")
    id: str = Field("", max_length=200, description="Your identifier of this event; makes repeating it harmless.")

    def reported(self) -> Reported:
        """The event as the service understands it."""
        moment = self.occurred_at
        if moment is not None:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return Reported(
            kind=EventKind(self.kind),
            address=self.address.strip(),
            provider="api",
            event_id=self.id,
            occurred_at=moment,
            message_id=self.message_id.strip("<>"),
            text=self.text,
            code=self.reply_code,
            enhanced_status=self.enhanced_status or "",
            remote_host=self.remote_host,
            stage=Stage(self.stage),
            raw_type=self.kind,
        )


class OutcomeModel(Wire):
    """What a failure means for one recipient."""

    recipient: str | None = Field(description="Whom the message tells its reader about; null when it names nobody.")
    reason: FailureReason = Field(description="Why it failed.")
    disposition: Disposition = Field(description="What that says about the address.")
    blame: Blame = Field(description="Whose fault it is.")
    rule: str = Field(description="The rule that decided.")
    confidence: float = Field(description="0 to 1.")
    explanation: str = Field(description="In words.")
    code: int | None = Field(description="Reply code.")
    enhanced_status: str | None = Field(description="Enhanced status code.")
    original_recipient: str | None = Field(
        None,
        description="Whom we wrote to: the address that the failure counts against. Differs from `recipient` when a "
        "forwarder or an alias sent the message on and the message speaks of where it went.",
    )
    final_recipient: str | None = Field(
        None, description="Where it was sent on to; null when it was not, or nobody says."
    )


class EventList(Wire):
    """Several events under a name."""

    model_config = ConfigDict(extra="forbid")

    events: list[Any] = Field(
        description="Events; one that does not fit is named in the answer and the rest is stored."
    )


class EventsRequest(RootModel[EventModel | EventList | list[Any]]):
    """One event, or several; of several, one that does not fit is named in the answer and the rest is stored."""


class WebhookDocument(RootModel[dict[str, Any] | list[Any]]):
    """What a provider sends, as it documents it."""


class WebhookPlace(Wire):
    """Where a provider's events go."""

    provider: str = Field(description="Name in the path.")


class InvalidEvent(Wire):
    """An event that was not stored."""

    index: int = Field(description="Its place in the request, from 0.")
    pointer: str = Field(description="JSON pointer to the part that is wrong.")
    detail: str = Field(description="What is wrong with it.")
    why: str = Field(description="The same as `detail`, under its older name.")


class EventReceipt(Wire):
    """What became of each event; every one is in exactly one of the four."""

    accepted: int = Field(description="Stored.")
    duplicate: int = Field(description="Were stored before.")
    ignored: int = Field(description="Say nothing about an address: opened, clicked, unknown types, auto-replies.")
    invalid: list[InvalidEvent] = Field(description="Not stored.")
    kind: MailKind | None = Field(None, description="Only for a raw message: what it is; `other` is no feedback.")
    results: list[OutcomeModel] | None = Field(
        None, description="Only for a raw message: what it means for each recipient, as `POST /classify` says it."
    )


class StoredEvent(Wire):
    """A stored event."""

    id: str = Field(description="Number of the row.")
    event_id: str = Field(description="The provider's identifier.")
    provider: str = Field(description="Who reported it.")
    type: str = Field(description="The provider's name of the event.")
    kind: EventKind = Field(description="What happened.")
    address: str = Field(description="Whom it is about.")
    reason: FailureReason = Field(description="Why it failed.")
    disposition: Disposition = Field(description="What that says about the address.")
    rule: str = Field(description="The rule that decided.")
    confidence: float = Field(description="0 to 1.")
    rules_version: str = Field(description="Version of the rules that judged it.")
    confirmed: bool | None = Field(description="Whether our own DNS agreed that the domain takes no mail.")
    code: int | None = Field(description="Reply code.")
    enhanced_status: str | None = Field(description="Enhanced status code.")
    remote_host: str | None = Field(description="The server that answered.")
    stage: str = Field(description="The SMTP command that was answered.")
    text: str = Field(description="The server's words, at most 1 KiB.")
    message_id: str = Field(description="Identifier of the message.")
    occurred_at: datetime = Field(description="When it happened; when nobody said, when it came in.")
    received_at: datetime = Field(description="When it came in.")


class EventsResponse(Wire):
    """A page of evidence."""

    events: list[StoredEvent] = Field(description="Newest arrival first.")
    cursor: str | None = Field(description="For the next page; null when this was the last.")


class EventsQuery(Wire):
    """Which events."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(None, max_length=320, description="Of this address.")
    kind: EventKind | None = Field(None, description="Of this kind.")
    reason: FailureReason | None = Field(None, description="Of this reason.")
    since: Moment | None = Field(None, description="Received at or after.")
    limit: int = Field(100, ge=1, le=1_000, description="Most events in the answer.")
    cursor: str | None = Field(None, pattern=r"^e-\d{1,18}$", description="From the page before.")

    @classmethod
    def read(cls, request: web.Request) -> EventsQuery:
        """From the request; 422 naming what does not fit."""
        query = read_query(request, cls)
        if query.since is not None and query.since.tzinfo is None:
            query.since = query.since.replace(tzinfo=UTC)
        return query

    def before_id(self) -> int | None:
        """The row that the page before ended with."""
        return int(self.cursor[2:]) if self.cursor else None


def read_events(body: bytes, content_type: str) -> tuple[list[Reported], list[int], list[Unread]]:
    """Events of a body, the place of each, and what could not be read; raises a problem for what is no list at all."""
    items, prefix, alone = _items(body, content_type)
    if len(items) > MAX_ITEMS:
        raise LimitExceeded(f"more than {MAX_ITEMS} events in one request")
    reported: list[Reported] = []
    places: list[int] = []
    unread: list[Unread] = []
    for index, item in enumerate(items):
        try:
            if isinstance(item, bytes):
                item = orjson.loads(item)  # noqa: PLW2901 -- a line becomes what it says
            reported.append(EventModel.model_validate(item).reported())
            places.append(index)
        except orjson.JSONDecodeError:
            unread.append(Unread(index, "not JSON", f"{prefix}/{index}"))
        except OverflowError:
            unread.append(Unread(index, "a time that is out of range", "" if alone else f"{prefix}/{index}"))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
            said = complaint_of(fault, prefix="" if alone else f"{prefix}/{index}")
            unread.append(Unread(index, said.detail, said.pointer))
    if unread and not reported:
        raise nothing_fitted([Complaint(item.pointer, item.why) for item in unread])
    return reported, places, unread


def nothing_fitted(complaints: list[Complaint]) -> RequestRefused:
    """The refusal of a request of whose events none can be stored; names the first twenty faults."""
    return RequestRefused("the body does not fit its description", complaints[:_MAX_NAMED])


def _items(body: bytes, content_type: str) -> tuple[list[Any], str, bool]:
    """The items of a body, the JSON pointer to their list, and whether it is one event that stands alone."""
    if "ndjson" in content_type or "jsonl" in content_type:
        return [line for line in body.split(b"\n") if line.strip()], "", False
    try:
        document = decode_json(body)
    except ProblemException:
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines):
            raise
        return list(lines), "", False
    if isinstance(document, dict) and isinstance(document.get("events"), list) and len(document) == 1:
        return list(document["events"]), "/events", False
    return (document, "", False) if isinstance(document, list) else ([document], "", True)
