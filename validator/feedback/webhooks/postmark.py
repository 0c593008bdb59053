"""Postmark's webhooks: no signature, so HTTP Basic or a secret header. Pure.

https://postmarkapp.com/developer/webhooks/bounce-webhook
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, text_of

PROVIDER = "postmark"
_TYPES = {
    "hardbounce": FailureReason.MAILBOX_NOT_FOUND,
    "bademailaddress": FailureReason.MAILBOX_NOT_FOUND,
    "softbounce": FailureReason.RECIPIENT_FILTERED,
    "transient": FailureReason.DELIVERY_TIMEOUT,
    "dnserror": FailureReason.CONNECTION_FAILED,
    "undeliverable": FailureReason.DELIVERY_TIMEOUT,
    "blocked": FailureReason.SENDER_IP_BLOCKED,
    "dmarcpolicy": FailureReason.SENDER_AUTH_FAILED,
    "spamnotification": FailureReason.CONTENT_SPAM,
    "virusnotification": FailureReason.CONTENT_MALWARE,
    "templaterenderingfailed": FailureReason.CONTENT_INVALID,
    "smtpapierror": FailureReason.SENDER_ACCOUNT_ERROR,
    "inbounderror": FailureReason.SENDER_ACCOUNT_ERROR,
    "unconfirmed": FailureReason.RECIPIENT_FILTERED,
    "challengeverification": FailureReason.RECIPIENT_FILTERED,
    "addresschange": FailureReason.MAILBOX_MOVED,
    "unknown": FailureReason.UNKNOWN,
    "openrelaytest": FailureReason.UNKNOWN,
}
_KINDS = {
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "subscribe": EventKind.PROVIDER_UNSUPPRESSED,
    "autoresponder": EventKind.AUTO_REPLY,
    "spamcomplaint": EventKind.COMPLAINT,
    "manuallydeactivated": EventKind.PROVIDER_SUPPRESSED,
}
_SUPPRESSIONS = {
    "spamcomplaint": EventKind.COMPLAINT,
    "hardbounce": EventKind.PROVIDER_SUPPRESSED,
    "manualsuppression": EventKind.UNSUBSCRIBE,
}


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One request; it holds one event."""
    record = text_of(item, "RecordType")
    if not record:
        raise Unreadable("no RecordType")
    kind, hint, raw = _meaning(item, record)
    message_id = text_of(item, "MessageID")
    stamp = text_of(item, "BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt")
    address = mailbox(item.get("Email") or item.get("Recipient") or "")
    event_id = text_of(item, "ID")
    return [
        Reported(
            kind=kind,
            address=address,
            provider=PROVIDER,
            event_id=f"{raw}:{event_id}" if event_id else _named(raw, kind, message_id, stamp),
            occurred_at=moment_of(item, "BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt"),
            message_id=message_id,
            text=text_of(item, "Details").removeprefix("smtp;"),
            hint=hint,
            raw_type=raw,
        )
    ]


def _named(raw: str, kind: EventKind, message_id: str, stamp: str) -> str:
    return f"{raw}:{kind}:{message_id}:{stamp}" if message_id or stamp else ""


def _meaning(item: Mapping[str, Any], record: str) -> tuple[EventKind, FailureReason | None, str]:
    match record.lower():
        case "bounce":
            name = text_of(item, "Type")
            kind = _KINDS.get(name.lower(), EventKind.BOUNCE)
            return kind, _TYPES.get(name.lower(), FailureReason.UNKNOWN), f"{record}/{name}"
        case "spamcomplaint":
            return EventKind.COMPLAINT, None, record
        case "delivery":
            return EventKind.DELIVERY, None, record
        case "subscriptionchange":
            why = text_of(item, "SuppressionReason")
            if item.get("SuppressSending") is not True:
                return EventKind.PROVIDER_UNSUPPRESSED, None, record
            kind = _SUPPRESSIONS.get(why.lower(), EventKind.PROVIDER_SUPPRESSED)
            by_person = text_of(item, "Origin").lower() == "recipient"
            if kind is EventKind.UNSUBSCRIBE and not by_person:
                kind = EventKind.PROVIDER_SUPPRESSED
            return kind, None, f"{record}/{why}"
        case _:
            return EventKind.IGNORED, None, record
