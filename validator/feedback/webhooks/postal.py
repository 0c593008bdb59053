"""Postal: a secret in a header or HTTP Basic; its RSA signature (the server's DKIM key) is not checked. Pure.

https://docs.postalserver.io/developer/webhooks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, part_of, text_of

PROVIDER = "postal"
_KINDS = {
    "MessageSent": EventKind.DELIVERY,
    "MessageDelayed": EventKind.DEFERRAL,
    "MessageDeliveryFailed": EventKind.BOUNCE,
    "MessageHeld": EventKind.BOUNCE,
    "MessageBounced": EventKind.BOUNCE,
}
_HINTS = {
    "MessageDeliveryFailed": FailureReason.RECIPIENT_FILTERED,
    "MessageBounced": FailureReason.RECIPIENT_FILTERED,
    "MessageDelayed": FailureReason.DELIVERY_TIMEOUT,
}


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event; what happens to incoming mail is ignored."""
    kind = text_of(item, "event")
    if not kind:
        raise Unreadable("no event")
    payload = part_of(item, "payload")
    message = part_of(payload, "original_message") or part_of(payload, "message")
    mapped = _KINDS.get(kind, EventKind.IGNORED)
    if text_of(message, "direction") == "incoming":
        mapped = EventKind.IGNORED
    if "bounce" in payload and mapped is not EventKind.IGNORED:
        mapped = EventKind.BOUNCE
    words = " ".join(part for part in (text_of(payload, "details"), text_of(payload, "output")) if part)
    return [
        Reported(
            kind=mapped,
            address=mailbox(message.get("to")),
            provider=PROVIDER,
            event_id=text_of(item, "uuid"),
            occurred_at=moment_of(payload, "timestamp") or moment_of(item, "timestamp"),
            message_id=text_of(message, "message_id"),
            text=words,
            hint=_HINTS.get(kind),
            raw_type="/".join(part for part in (kind, text_of(payload, "status")) if part),
        )
    ]
