"""`POST /classify`: what a failure means. Stateless: nothing is stored and nobody is blacklisted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import ConfigDict, Field, RootModel, TypeAdapter, ValidationError

from validator.feedback.classify import Classifier
from validator.feedback.mail.failure import MailKind
from validator.feedback.reply import MAX_TEXT, Stage
from validator.server.app_keys import RUNTIME
from validator.server.bodies import decode_json, json_response, read_body
from validator.server.event_schemas import OutcomeModel, ReplyCode
from validator.server.problems import from_validation
from validator.server.routes import Answer, Route, Scope
from validator.server.wire_types import Wire

if TYPE_CHECKING:
    from validator.feedback.message import Judged

MAX_CLASSIFY_BODY_BYTES = 8 * 1024 * 1024
MAX_REPLIES = 1_000
_IN_THREAD_BYTES = 2 * 1024
"""Longer messages are read in a thread: a text made to be dear costs some milliseconds per KiB."""
_AT_A_TIME_CHARS = 16 * 1024
"""Characters of replies that are judged before others get a turn; a reply counts as `_REPLY_CHARS` at least."""
_REPLY_CHARS = 320


class ReplyModel(Wire):
    """A reply of a mail server."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(max_length=65_536, description="The server's words, with or without codes.")
    code: ReplyCode | None = Field(None, description="Three-digit reply code, when it is not in the text.")
    enhanced_status: str | None = Field(
        None, pattern=r"^[245]\.\d{1,3}\.\d{1,3}$", description="Enhanced status code (RFC 3463)."
    )
    remote_host: str | None = Field(None, max_length=255, description="The server that answered.")
    stage: Literal["connect", "helo", "mail", "rcpt", "data", "unknown"] | None = Field(
        None, description="The SMTP command that was answered."
    )


class ClassifyResponse(Wire):
    """Every outcome; for a single reply its fields also stand beside `results`."""

    model_config = ConfigDict(extra="allow")

    results: list[OutcomeModel] = Field(description="One per reply in order, or one per recipient of the message.")
    kind: MailKind | None = Field(None, description="What the raw message is; absent for replies.")


Replies = Annotated[list[ReplyModel], Field(max_length=MAX_REPLIES)]
"""Several replies at once."""
_REPLIES = TypeAdapter(Replies)


class ClassifyRequest(RootModel[ReplyModel | Replies]):
    """One reply, or up to 1,000."""


def message_document(raw: bytes, classifier: Classifier) -> dict[str, Any]:
    """The wire form of a judged raw message."""
    from validator.feedback.message import judge_message

    return judged_document(judge_message(raw, classifier))


def judged_document(judged: Judged) -> dict[str, Any]:
    """What a raw message is, and what it means for each recipient."""
    return {"kind": judged.kind, "results": [outcome.document() for outcome in judged.outcomes]}


def is_message(content_type: str, body: bytes) -> bool:
    """Whether a body is a raw message: it says so, or it says nothing of JSON and does not begin like it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("message/") or kind == "multipart/report":
        return True
    return "json" not in kind and body.lstrip()[:1] not in {b"{", b"[", b""}


async def post_classify(request: web.Request) -> web.StreamResponse:
    """Classify a reply, a list of replies, or a raw message."""
    classifier = request.app[RUNTIME].feedback.classifier
    body = await read_body(request, MAX_CLASSIFY_BODY_BYTES)
    if is_message(request.headers.get("Content-Type", ""), body):
        if len(body) > _IN_THREAD_BYTES:
            return json_response(await asyncio.to_thread(message_document, body, classifier))
        return json_response(message_document(body, classifier))
    replies = parse_replies(body)
    results = []
    judged = 0
    for reply in replies if isinstance(replies, list) else [replies]:
        if judged >= _AT_A_TIME_CHARS:
            judged = 0
            await asyncio.sleep(0)
        judged += max(_REPLY_CHARS, min(len(reply.text), MAX_TEXT))
        results.append(classify_reply(reply, classifier))
    if isinstance(replies, list):
        return json_response({"results": results})
    return json_response({**results[0], "results": results})


def parse_replies(body: bytes) -> ReplyModel | list[ReplyModel]:
    """The replies of a JSON body; raises a problem with pointers."""
    document = decode_json(body)
    try:
        if isinstance(document, list):
            return _REPLIES.validate_json(body, strict=True)
        return ReplyModel.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise from_validation(error) from None


def classify_reply(reply: ReplyModel, classifier: Classifier) -> dict[str, Any]:
    """The wire form of one classified reply."""
    found = classifier.classify_text(
        reply.text,
        code=reply.code,
        enhanced_status=reply.enhanced_status or "",
        remote_host=reply.remote_host or "",
        stage=Stage(reply.stage or Stage.UNKNOWN),
    )
    return found.document()


ROUTES = (
    Route(
        "POST",
        "/classify",
        post_classify,
        "Say what a failure means",
        "feedback",
        Scope.CHECK,
        {200: Answer("Reason, disposition, rule and explanation per reply or recipient.", ClassifyResponse)},
        body=ClassifyRequest,
        max_body_bytes=MAX_CLASSIFY_BODY_BYTES,
        description=(
            "The body is one reply as JSON, a list of up to 1,000 of them, or a raw returned message "
            "(`Content-Type: message/rfc822`): a delivery report (RFC 3464), a complaint (RFC 5965), a bounce in plain "
            "words or an auto-reply. Nothing is stored, and no DNS is asked: a domain that takes no mail by the word "
            "of the sending system alone is `transient` here, and hard as an event once our own DNS agrees."
        ),
        cost=2,
        examples={
            "a reply": {"text": "550 5.1.1 The email account that you tried to reach does not exist"},
            "with circumstances": {"text": "User unknown", "code": 550, "stage": "rcpt"},
        },
    ),
)
