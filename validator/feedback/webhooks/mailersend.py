"""MailerSend: HMAC-SHA256 (hex) of the raw body in the header `Signature`. Pure.

https://developers.mailersend.com/api/v1/webhooks.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, part_of, text_of
from validator.feedback.webhooks.signing import hmac_sha256, require_equal

PROVIDER = "mailersend"
_KINDS = {
    "hard_bounced": EventKind.BOUNCE,
    "soft_bounced": EventKind.BOUNCE,
    "deferred": EventKind.DEFERRAL,
    "delivered": EventKind.DELIVERY,
    "spam_complaint": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
}
_HINTS = {
    "hard_bounced": FailureReason.RECIPIENT_FILTERED,
    "soft_bounced": FailureReason.DELIVERY_TIMEOUT,
    "deferred": FailureReason.DELIVERY_TIMEOUT,
}


def verify(body: bytes, given: str, key: bytes) -> None:
    """Refuse a body that is not signed by *key*."""
    require_equal(given.encode("utf-8", "replace"), hmac_sha256(key, body).hex().encode())


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event."""
    kind = text_of(item, "type").removeprefix("activity.")
    if not kind:
        raise Unreadable("no type")
    data = part_of(item, "data")
    mail = part_of(data, "email")
    return [
        Reported(
            kind=_KINDS.get(kind, EventKind.IGNORED),
            address=mailbox(part_of(mail, "recipient").get("email")),
            provider=PROVIDER,
            event_id=f"{text_of(data, 'id')}:{kind}" if text_of(data, "id") else "",
            occurred_at=moment_of(data, "created_at") or moment_of(item, "created_at"),
            message_id=text_of(part_of(mail, "message"), "id"),
            text=text_of(part_of(data, "morph"), "reason", "readable_reason"),
            hint=_HINTS.get(kind),
            raw_type=kind,
        )
    ]
