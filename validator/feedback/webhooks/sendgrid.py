"""Twilio SendGrid's event webhook. Pure.

Signed with ECDSA P-256 and SHA-256 over timestamp + raw bytes; the real bodies end in CR LF, which is signed too.
A `bounce` of type `blocked` is a block, not a dead mailbox; `dropped` means that SendGrid did not send, so that it
never counts unless its words are a server's.
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from validator.errors import SettingsError, WebhookRejected
from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, code_of, mailbox, moment_of, text_of
from validator.feedback.webhooks.signing import decoded, require_fresh

if TYPE_CHECKING:
    from validator.feedback.webhooks.asymmetric import EllipticKey

PROVIDER = "sendgrid"
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
_KINDS = {
    "bounce": EventKind.BOUNCE,
    "blocked": EventKind.BOUNCE,
    "deferred": EventKind.DEFERRAL,
    "delivered": EventKind.DELIVERY,
    "spamreport": EventKind.COMPLAINT,
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "group_unsubscribe": EventKind.UNSUBSCRIBE,
    "group_resubscribe": EventKind.PROVIDER_UNSUPPRESSED,
}
_ON_A_LIST = ("bounced address", "unsubscribed address", "spam reporting address", "invalid", "recipient list")
_CLASSES = {
    "invalid address": FailureReason.RECIPIENT_FILTERED,
    "mailbox unavailable": FailureReason.RECIPIENT_FILTERED,
    "technical failure": FailureReason.REMOTE_SYSTEM_ERROR,
    "technical": FailureReason.REMOTE_SYSTEM_ERROR,
    "reputation": FailureReason.SENDER_IP_BLOCKED,
    "content": FailureReason.CONTENT_SPAM,
    "frequency or volume too high": FailureReason.RATE_LIMITED,
    "frequency/volume": FailureReason.RATE_LIMITED,
}


def load_key(text: str) -> EllipticKey:
    """The public key of the webhook settings page, base64 DER or PEM; raises `SettingsError`."""
    from validator.feedback.webhooks.asymmetric import elliptic_key

    try:
        return elliptic_key(text)
    except ValueError as error:
        raise SettingsError("VALIDATOR_SENDGRID_PUBLIC_KEY: not the public key of an elliptic curve") from error


def verify(body: bytes, headers: Mapping[str, str], key: EllipticKey, *, now: float, tolerance_s: float) -> None:
    """Refuse a request that is not signed by *key*. Every byte of body, time and signature counts."""
    from validator.feedback.webhooks.asymmetric import ecdsa_holds

    timestamp = headers.get(TIMESTAMP, "")
    signature = decoded(headers.get(SIGNATURE, ""))
    require_fresh(timestamp, now, tolerance_s)
    if not ecdsa_holds(key, signature, timestamp.encode() + body):
        raise WebhookRejected("the signature does not hold")


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event of the batch."""
    kind = text_of(item, "event")
    if not kind:
        raise Unreadable("no event")
    words = text_of(item, "reason", "response")
    mapped = _KINDS.get(kind.lower(), EventKind.IGNORED)
    hint = _CLASSES.get(text_of(item, "bounce_classification").lower())
    if kind.lower() == "dropped":
        listed = words.lower().startswith(_ON_A_LIST)
        mapped = EventKind.PROVIDER_SUPPRESSED if listed else EventKind.BOUNCE
        hint = FailureReason.ALREADY_SUPPRESSED
    elif mapped is EventKind.BOUNCE:
        blocked = text_of(item, "type").lower() == "blocked" or kind.lower() == "blocked"
        hint = hint or (FailureReason.POLICY_REJECTED if blocked else FailureReason.RECIPIENT_FILTERED)
    elif mapped is EventKind.DEFERRAL:
        hint = hint or FailureReason.DELIVERY_TIMEOUT
    return [
        Reported(
            kind=mapped,
            address=mailbox(item.get("email")),
            provider=PROVIDER,
            event_id=text_of(item, "sg_event_id"),
            occurred_at=moment_of(item, "timestamp"),
            message_id=text_of(item, "smtp-id", "sg_message_id").strip("<>"),
            text=words,
            code=code_of(item, "status"),
            enhanced_status=text_of(item, "status"),
            hint=hint,
            raw_type="/".join(part for part in (kind, text_of(item, "type")) if part),
        )
    ]
