"""One thing that a mail system reported about one address, and what it was judged to mean. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from validator.blacklist.entry import RuleFault
from validator.blacklist.keys import address_rule
from validator.feedback.classify import Classification, Classifier
from validator.feedback.reasons import FailureReason
from validator.feedback.reply import Stage, parse_reply
from validator.feedback.rules import STAGE_UNKNOWN

MAX_TEXT_BYTES = 1024
"""Bytes of a reply that are kept as evidence."""


class EventKind(StrEnum):
    """What was reported."""

    BOUNCE = "bounce"
    """The message was not delivered, and will not be tried again."""
    DEFERRAL = "deferral"
    """Not delivered yet; it is being tried again."""
    DELIVERY = "delivery"
    """The recipient's server accepted it."""
    COMPLAINT = "complaint"
    """Marked as spam."""
    UNSUBSCRIBE = "unsubscribe"
    """Asked to get no more."""
    AUTO_REPLY = "auto_reply"
    """A robot answered."""
    PROVIDER_SUPPRESSED = "provider_suppressed"
    """The provider did not send: the address is on its own list."""
    PROVIDER_UNSUPPRESSED = "provider_unsuppressed"
    """The provider took the address off its own list, or the person subscribed again."""
    DOMAIN_WORKS = "domain_works"
    """Our own DNS found that the domain takes mail again."""
    IGNORED = "ignored"
    """Opened, clicked, queued, or a type nobody knows: kept as a record, says nothing about the address."""


_DECIDED_BY_KIND = {
    EventKind.DELIVERY: FailureReason.DELIVERED,
    EventKind.COMPLAINT: FailureReason.COMPLAINT,
    EventKind.UNSUBSCRIBE: FailureReason.UNSUBSCRIBE,
    EventKind.AUTO_REPLY: FailureReason.AUTO_REPLY,
    EventKind.PROVIDER_SUPPRESSED: FailureReason.ALREADY_SUPPRESSED,
    EventKind.PROVIDER_UNSUPPRESSED: FailureReason.DELIVERED,
    EventKind.DOMAIN_WORKS: FailureReason.DELIVERED,
    EventKind.IGNORED: FailureReason.UNKNOWN,
}
_KIND_OF_REASON = {
    FailureReason.COMPLAINT: EventKind.COMPLAINT,
    FailureReason.UNSUBSCRIBE: EventKind.UNSUBSCRIBE,
    FailureReason.ALREADY_SUPPRESSED: EventKind.PROVIDER_SUPPRESSED,
    FailureReason.AUTO_REPLY: EventKind.AUTO_REPLY,
}


@dataclass(frozen=True, slots=True)
class Reported:
    """An event as a provider reported it, in our words."""

    kind: EventKind
    """What was reported."""
    address: str
    """Whom it is about, as given; empty when the report names nobody."""
    provider: str
    """Who reported it: `ses`, `sendgrid`, …, `message`, `api`."""
    event_id: str = ""
    """The provider's identifier; the same event always has the same one. Empty: made from the content."""
    occurred_at: datetime | None = None
    """When it happened; None when the report does not say."""
    message_id: str = ""
    """Identifier of the message that was sent."""
    text: str = ""
    """The server's words."""
    code: int | None = None
    """Reply code."""
    enhanced_status: str = ""
    """Enhanced status code."""
    remote_host: str = ""
    """The server that answered."""
    stage: Stage = Stage.UNKNOWN
    """The SMTP command that was answered."""
    hint: FailureReason | None = None
    """What the provider's own category would mean; used only when the words decide nothing."""
    raw_type: str = ""
    """The provider's name of the event."""


@dataclass(frozen=True, slots=True)
class Event:
    """A judged event, as it is stored."""

    reported: Reported
    """What was reported; `event_id` is never empty here."""
    classification: Classification
    """What it was judged to mean."""
    received_at: datetime
    """When we got it."""
    rules_version: str
    """Version of the reference data that judged it."""
    confirmed: bool | None = None
    """Whether our own DNS agreed that the domain takes no mail; None: not asked, or it could not tell."""

    @property
    def at(self) -> datetime:
        """When it happened, as far as known; never in the future of its arrival."""
        occurred = self.reported.occurred_at
        return self.received_at if occurred is None or occurred > self.received_at else occurred


def judge(reported: Reported, classifier: Classifier, *, received_at: datetime) -> Event:
    """Judge one event. Words win over the provider's category; a kind that needs no words decides itself.

    Never raises; gives the event an identifier when the provider gave none.
    """
    decided = _DECIDED_BY_KIND.get(reported.kind)
    if decided is not None:
        because = f"the event {reported.raw_type or reported.kind}"
        found = classifier.verdict(decided, rule=f"kind.{reported.kind}", confidence=1.0, because=because)
    else:
        reply = parse_reply(
            reported.text,
            code=reported.code,
            status=reported.enhanced_status,
            host=reported.remote_host,
            stage=reported.stage,
        )
        found = classifier.classify(reply)
        undecided = found.reason is FailureReason.UNKNOWN or found.confidence < 0.5
        if reported.hint is FailureReason.MAILBOX_NOT_FOUND and found.rule in STAGE_UNKNOWN:
            undecided = True  # the words fit, and who spoke with the server knows that it was asked for the recipient
        if reported.hint is not None and undecided:
            because = f"the provider's category {reported.raw_type}"
            found = classifier.verdict(
                reported.hint, rule=f"hint.{reported.provider}", confidence=0.5, reply=reply, because=because
            )
        if found.reason in _KIND_OF_REASON and reported.kind is EventKind.BOUNCE:
            reported = replace(reported, kind=_KIND_OF_REASON[found.reason])
    if not reported.event_id:
        reported = replace(reported, event_id=content_id(reported))
    return Event(reported, found, received_at, classifier.version)


def content_id(reported: Reported) -> str:
    """An identifier made from what the event says, for providers that give none."""
    moment = reported.occurred_at.isoformat() if reported.occurred_at else ""
    parts = (reported.raw_type, reported.kind, reported.message_id, reported.address.lower(), moment, reported.text)
    return "h:" + hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def key_of(address: str) -> str:
    """The key under which events of an address are kept: the blacklist's, or the text in lower case when it is none."""
    rule = address_rule(address)
    return address.strip().lower() if isinstance(rule, RuleFault) else rule.key
