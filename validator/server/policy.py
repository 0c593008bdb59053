"""`/policy`: what each failure leads to, and what another policy would do to the events that are stored."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, ConfigDict, Field

from validator.feedback.reasons import Action, Blame, Disposition, FailureReason
from validator.server.app_keys import RUNTIME
from validator.server.bodies import json_response, read_model
from validator.server.event_schemas import whole
from validator.server.routes import Answer, Route, Scope
from validator.server.wire_types import Wire

MAX_PREVIEW_BODY_BYTES = 64 * 1024


class PolicyRow(Wire):
    """What one reason leads to."""

    disposition: Disposition = Field(description="What the reason says about the address.")
    blame: Blame = Field(description="Whose fault it is.")
    action: Action = Field(description="block at once, count days, or never.")
    days: int = Field(description="Distinct UTC days that block; 0 when days are not counted.")
    within_days: int = Field(description="Window that the days must lie in.")
    over_days: int = Field(description="Least distance of the first and the last of them.")
    term_days: int = Field(description="How long it blocks, doubled each time; 0: for good.")
    confirm: bool = Field(description="Blocks only when our own DNS agrees.")
    sentence: str = Field(description="For people.")


class PolicyResponse(Wire):
    """The policy in force."""

    version: str = Field(description="Version of the reference data that it stands in.")
    reasons: dict[str, PolicyRow] = Field(description="One row per reason.")


Days = Annotated[int, Field(ge=0, le=3_650), BeforeValidator(whole)]
Shown = Annotated[int, Field(ge=0, le=1_000), BeforeValidator(whole)]


class PolicyChange(Wire):
    """Fields of one row that should be different."""

    model_config = ConfigDict(extra="forbid")

    action: Action | None = Field(None, description="block at once, count days, or never.")
    days: Days | None = Field(None, description="Distinct UTC days that block.")
    within_days: Days | None = Field(None, description="Window that the days must lie in.")
    over_days: Days | None = Field(None, description="Least distance of the first and the last.")
    term_days: Days | None = Field(None, description="How long it blocks; 0: for good.")


class PreviewRequest(Wire):
    """What should be different."""

    model_config = ConfigDict(extra="forbid")

    reasons: dict[FailureReason, PolicyChange] = Field(description="Per reason the fields to change.")
    show: Shown = Field(100, description="Most addresses to name on each side.")


class PreviewResponse(Wire):
    """What would change; nothing has."""

    addresses: int = Field(description="Addresses with events.")
    blocked: int = Field(description="Of them, blocked because of events under the changed policy.")
    added: int = Field(description="Would be blocked and are not now.")
    lifted: int = Field(description="Are blocked and would not be.")
    added_addresses: list[str] = Field(description="Some of them.")
    lifted_addresses: list[str] = Field(description="Some of them.")


async def get_policy(request: web.Request) -> web.StreamResponse:
    """The policy in force."""
    classifier = request.app[RUNTIME].feedback.classifier
    rows = {
        str(reason): {name: getattr(facts, name) for name in PolicyRow.model_fields}
        for reason, facts in classifier.reasons.items()
    }
    return json_response({"version": classifier.version, "reasons": rows})


async def post_preview(request: web.Request) -> web.StreamResponse:
    """Compare a changed policy with the one in force, over all stored events."""
    from validator.feedback.replaying import preview

    wanted = await read_model(request, PreviewRequest, MAX_PREVIEW_BODY_BYTES)
    feedback = request.app[RUNTIME].feedback
    changes = {reason: change.model_dump(exclude_none=True) for reason, change in wanted.reasons.items()}
    found = await preview(feedback, feedback.policy.changed(changes), shown=wanted.show)
    return json_response(
        {
            "addresses": found.addresses,
            "blocked": found.blocked,
            "added": found.added_count,
            "lifted": found.lifted_count,
            "added_addresses": found.added,
            "lifted_addresses": found.lifted,
        }
    )


ROUTES = (
    Route(
        "GET",
        "/policy",
        get_policy,
        "Show what each failure leads to",
        "feedback",
        Scope.BLACKLIST_READ,
        {200: Answer("The policy in force.", PolicyResponse)},
    ),
    Route(
        "POST",
        "/policy/preview",
        post_preview,
        "Try another policy on the stored events",
        "feedback",
        Scope.BLACKLIST_READ,
        {200: Answer("What would change; nothing has.", PreviewResponse)},
        body=PreviewRequest,
        max_body_bytes=MAX_PREVIEW_BODY_BYTES,
        problems=(409,),
        description="A policy that would count the sender's own faults against an address is answered with 409.",
        slow=True,
        examples={"two days": {"reasons": {"mailbox_full": {"days": 2}}}},
    ),
)
