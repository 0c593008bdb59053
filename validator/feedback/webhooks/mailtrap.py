"""Mailtrap: HMAC-SHA256 (hex) of the raw body in the header `Mailtrap-Signature`. Pure.

https://help.mailtrap.io/article/102-webhooks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, code_of, mailbox, moment_of, text_of
from validator.feedback.webhooks.signing import hmac_sha256, require_equal

PROVIDER = "mailtrap"
_KINDS = {
    "bounce": EventKind.BOUNCE,
    "soft bounce": EventKind.DEFERRAL,
    "suspension": EventKind.DEFERRAL,
    "reject": EventKind.PROVIDER_SUPPRESSED,
    "delivery": EventKind.DELIVERY,
    "spam": EventKind.COMPLAINT,
    "unsubscribe": EventKind.UNSUBSCRIBE,
}
_HINTS = {
    "bounce": FailureReason.RECIPIENT_FILTERED,
    "soft bounce": FailureReason.DELIVERY_TIMEOUT,
    "suspension": FailureReason.SENDER_ACCOUNT_ERROR,
}


def verify(body: bytes, given: str, key: bytes) -> None:
    """Refuse a body that is not signed by *key*."""
    require_equal(given.encode("utf-8", "replace"), hmac_sha256(key, body).hex().encode())


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event of the list `events`."""
    kind = text_of(item, "event")
    if not kind:
        raise Unreadable("no event")
    words = text_of(item, "response", "reason")
    event_id = text_of(item, "event_id")
    return [
        Reported(
            kind=_KINDS.get(kind, EventKind.IGNORED),
            address=mailbox(item.get("email")),
            provider=PROVIDER,
            event_id=f"{event_id}:{kind}" if event_id else "",
            occurred_at=moment_of(item, "timestamp"),
            message_id=text_of(item, "message_id"),
            text=words,
            code=code_of(item, "response_code"),
            hint=_HINTS.get(kind),
            raw_type="/".join(part for part in (kind, text_of(item, "bounce_category")) if part),
        )
    ]
