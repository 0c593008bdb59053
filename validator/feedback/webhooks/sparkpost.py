"""SparkPost's (Bird's) event webhook: no signature, so HTTP Basic, a bearer token or a secret header. Pure.

An empty `{"msys": {}}` is a ping and must be answered with 200.
https://developers.sparkpost.com/api/webhooks/ and https://support.sparkpost.com/docs/deliverability/bounce-classification-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, code_of, mailbox, moment_of, part_of, text_of

PROVIDER = "sparkpost"
_KINDS = {
    "bounce": EventKind.BOUNCE,
    "out_of_band": EventKind.BOUNCE,
    "policy_rejection": EventKind.BOUNCE,
    "generation_rejection": EventKind.BOUNCE,
    "delay": EventKind.DEFERRAL,
    "delivery": EventKind.DELIVERY,
    "spam_complaint": EventKind.COMPLAINT,
    "list_unsubscribe": EventKind.UNSUBSCRIBE,
    "link_unsubscribe": EventKind.UNSUBSCRIBE,
}
_CLASSES = {
    "1": FailureReason.UNKNOWN,
    "10": FailureReason.MAILBOX_NOT_FOUND,
    "20": FailureReason.RECIPIENT_FILTERED,
    "21": FailureReason.CONNECTION_FAILED,
    "22": FailureReason.MAILBOX_FULL,
    "23": FailureReason.MESSAGE_TOO_LARGE,
    "24": FailureReason.DELIVERY_TIMEOUT,
    "25": FailureReason.SENDER_ACCOUNT_ERROR,
    "26": FailureReason.ALREADY_SUPPRESSED,
    "30": FailureReason.MAILBOX_NOT_FOUND,
    "40": FailureReason.RECIPIENT_FILTERED,
    "50": FailureReason.SENDER_IP_BLOCKED,
    "51": FailureReason.CONTENT_SPAM,
    "52": FailureReason.CONTENT_SPAM,
    "53": FailureReason.CONTENT_INVALID,
    "54": FailureReason.RELAY_DENIED,
    "70": FailureReason.DELIVERY_TIMEOUT,
    "100": FailureReason.RECIPIENT_FILTERED,
}
_FEEDBACK_TYPES = {
    "not-spam": EventKind.IGNORED,
    "auth-failure": EventKind.IGNORED,
    "virus": EventKind.IGNORED,
    "opt-out": EventKind.UNSUBSCRIBE,
    "opt-out-list": EventKind.UNSUBSCRIBE,
}
"""Reports that are no complaint of a person (RFC 5965 section 7.3)."""
_CLASS_KINDS = {"60": EventKind.AUTO_REPLY, "80": EventKind.IGNORED, "90": EventKind.UNSUBSCRIBE}


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event of the batch; a ping holds none."""
    if not isinstance(item.get("msys"), Mapping):
        raise Unreadable("no msys")
    family = part_of(item, "msys")
    if not family:
        return []
    event = next((value for value in family.values() if isinstance(value, Mapping)), None)
    if event is None:
        raise Unreadable("no event in msys")
    kind = text_of(event, "type")
    number = text_of(event, "bounce_class")
    event_id = text_of(event, "event_id")
    mapped = _KINDS.get(kind.lower(), EventKind.IGNORED)
    if mapped is EventKind.BOUNCE:
        mapped = _CLASS_KINDS.get(number, mapped)
    elif mapped is EventKind.COMPLAINT:
        mapped = _FEEDBACK_TYPES.get(text_of(event, "fbtype").lower(), mapped)
    return [
        Reported(
            kind=mapped,
            address=mailbox(event.get("raw_rcpt_to") or event.get("rcpt_to") or ""),
            provider=PROVIDER,
            event_id=f"{event_id}:{kind}" if event_id else "",
            occurred_at=moment_of(event, "timestamp"),
            message_id=text_of(event, "message_id", "transmission_id"),
            text=text_of(event, "raw_reason", "reason"),
            code=code_of(event, "error_code"),
            remote_host=text_of(event, "remote_addr", "routing_domain"),
            hint=_CLASSES.get(number, FailureReason.UNKNOWN),
            raw_type="/".join(part for part in (kind, number) if part),
        )
    ]
