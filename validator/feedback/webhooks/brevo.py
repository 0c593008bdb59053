"""Brevo (Sendinblue): no signature, so a secret in a header or HTTP Basic. Pure.

https://developers.brevo.com/docs/transactional-webhooks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, text_of

PROVIDER = "brevo"
_KINDS = {
    "hard_bounce": EventKind.BOUNCE,
    "soft_bounce": EventKind.BOUNCE,
    "invalid_email": EventKind.BOUNCE,
    "error": EventKind.BOUNCE,
    "blocked": EventKind.PROVIDER_SUPPRESSED,
    "deferred": EventKind.DEFERRAL,
    "delivered": EventKind.DELIVERY,
    "spam": EventKind.COMPLAINT,
    "complaint": EventKind.COMPLAINT,
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "unsubscribed": EventKind.UNSUBSCRIBE,
}
_HINTS = {
    "hard_bounce": FailureReason.RECIPIENT_FILTERED,
    "soft_bounce": FailureReason.DELIVERY_TIMEOUT,
    "invalid_email": FailureReason.RECIPIENT_FILTERED,
    "error": FailureReason.SENDER_ACCOUNT_ERROR,
    "deferred": FailureReason.DELIVERY_TIMEOUT,
}


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event."""
    kind = text_of(item, "event")
    if not kind:
        raise Unreadable("no event")
    message_id = text_of(item, "message-id").strip("<>")
    stamp = text_of(item, "ts_epoch", "ts_event", "ts", "date")
    return [
        Reported(
            kind=_KINDS.get(kind, EventKind.IGNORED),
            address=mailbox(item.get("email")),
            provider=PROVIDER,
            event_id=f"{message_id}:{kind}:{stamp}" if message_id or stamp else "",
            occurred_at=moment_of(item, "ts_epoch", "ts_event", "ts", "date"),
            message_id=message_id,
            text=text_of(item, "reason"),
            hint=_HINTS.get(kind),
            raw_type=kind,
        )
    ]
