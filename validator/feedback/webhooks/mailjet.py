"""Mailjet: no signature, so a secret in the URL or HTTP Basic. Pure.

https://dev.mailjet.com/email/guides/webhooks/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, text_of

PROVIDER = "mailjet"
_KINDS = {
    "bounce": EventKind.BOUNCE,
    "blocked": EventKind.BOUNCE,
    "sent": EventKind.DELIVERY,
    "spam": EventKind.COMPLAINT,
    "unsub": EventKind.UNSUBSCRIBE,
}
_HINTS = {
    "user unknown": FailureReason.MAILBOX_NOT_FOUND,
    "mailbox inactive": FailureReason.MAILBOX_DISABLED,
    "quota exceeded": FailureReason.MAILBOX_FULL,
    "invalid domain": FailureReason.DOMAIN_NOT_FOUND,
    "no mail host": FailureReason.DOMAIN_NO_MAIL,
    "relay/access denied": FailureReason.RELAY_DENIED,
    "greylisted": FailureReason.GREYLISTED,
    "typofix": FailureReason.ALREADY_SUPPRESSED,
    "sender blocked": FailureReason.SENDER_REJECTED,
    "content blocked": FailureReason.CONTENT_SPAM,
    "policy issue": FailureReason.POLICY_REJECTED,
    "system issue": FailureReason.REMOTE_SYSTEM_ERROR,
    "protocol issue": FailureReason.PROTOCOL_ERROR,
    "connection issue": FailureReason.CONNECTION_FAILED,
    "duplicate in campaign": FailureReason.ALREADY_SUPPRESSED,
    "preblocked": FailureReason.ALREADY_SUPPRESSED,
    "spam content": FailureReason.CONTENT_SPAM,
    "dns issue": FailureReason.CONNECTION_FAILED,
    "blacklisted": FailureReason.ALREADY_SUPPRESSED,
    "spam reporter": FailureReason.ALREADY_SUPPRESSED,
    "bad or empty template": FailureReason.CONTENT_INVALID,
    "error in template language": FailureReason.CONTENT_INVALID,
}
_RELATED = {
    "content": FailureReason.CONTENT_INVALID,
    "spam": FailureReason.CONTENT_SPAM,
    "mailjet": FailureReason.ALREADY_SUPPRESSED,
}
"""What an error that is not in their table is about, as far as it is the sender's or theirs."""


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event."""
    kind = text_of(item, "event")
    if not kind:
        raise Unreadable("no event")
    error = text_of(item, "error")
    message_id = text_of(item, "Message_GUID", "MessageID", "mj_message_id")
    stamp = text_of(item, "time")
    mapped = _KINDS.get(kind, EventKind.IGNORED)
    hint = _HINTS.get(error.lower()) or _RELATED.get(text_of(item, "error_related_to").lower())
    if kind == "blocked":  # they did not send it
        hint = hint or FailureReason.ALREADY_SUPPRESSED
    if mapped is EventKind.BOUNCE and hint is FailureReason.ALREADY_SUPPRESSED:
        mapped = EventKind.PROVIDER_SUPPRESSED  # not sent at all: on their list, sent before, or a typo to them
    if mapped is EventKind.BOUNCE and hint is None:
        hint = FailureReason.RECIPIENT_FILTERED if item.get("hard_bounce") is True else FailureReason.DELIVERY_TIMEOUT
    return [
        Reported(
            kind=mapped,
            address=mailbox(item.get("email")),
            provider=PROVIDER,
            event_id=f"{message_id}:{kind}:{stamp}:{error}" if message_id or stamp else "",
            occurred_at=moment_of(item, "time"),
            message_id=message_id,
            text=text_of(item, "comment", "smtp_reply"),
            hint=hint,
            raw_type="/".join(part for part in (kind, error) if part),
        )
    ]
