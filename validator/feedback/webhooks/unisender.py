"""Unisender Go: a secret in a header or HTTP Basic here; its own `auth` field is not checked. Pure.

https://godocs.unisender.ru/web-api-ref#callback-format
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, as_list, mailbox, moment_of, part_of, text_of

PROVIDER = "unisender"
_KINDS = {
    "hard_bounced": EventKind.BOUNCE,
    "soft_bounced": EventKind.BOUNCE,
    "delivered": EventKind.DELIVERY,
    "spam": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "subscribed": EventKind.PROVIDER_UNSUPPRESSED,
}
_HINTS = {
    "err_user_unknown": FailureReason.MAILBOX_NOT_FOUND,
    "err_user_inactive": FailureReason.MAILBOX_DISABLED,
    "err_mailbox_full": FailureReason.MAILBOX_FULL,
    "err_mailbox_discarded": FailureReason.MAILBOX_DISABLED,
    "err_domain_inactive": FailureReason.DOMAIN_NO_MAIL,
    "err_no_dns": FailureReason.DOMAIN_NOT_FOUND,
    "err_dns_temporary": FailureReason.CONNECTION_FAILED,
    "err_spam_rejected": FailureReason.CONTENT_SPAM,
    "err_spam_folder": FailureReason.CONTENT_SPAM,
    "err_too_large": FailureReason.MESSAGE_TOO_LARGE,
    "err_giveup": FailureReason.DELIVERY_TIMEOUT,
    "err_delivery_failed": FailureReason.RECIPIENT_FILTERED,
    "err_will_retry": FailureReason.DELIVERY_TIMEOUT,
    "err_skip_letter": FailureReason.ALREADY_SUPPRESSED,
    "err_unsubscribed": FailureReason.ALREADY_SUPPRESSED,
    "err_blacklisted": FailureReason.SENDER_IP_BLOCKED,
    "err_resend": FailureReason.DELIVERY_TIMEOUT,
    "err_retry_letter": FailureReason.DELIVERY_TIMEOUT,
    "err_destination_misconfigured": FailureReason.REMOTE_SYSTEM_ERROR,
    "err_no_smtp": FailureReason.CONNECTION_FAILED,
    "err_spam_skipped": FailureReason.CONTENT_SPAM,
    "err_spam_removed": FailureReason.CONTENT_SPAM,
    "err_spam_retry": FailureReason.CONTENT_SPAM,
    "err_src_invalid": FailureReason.SENDER_REJECTED,
    "err_not_allowed": FailureReason.SENDER_ACCOUNT_ERROR,
    "err_internal": FailureReason.SENDER_ACCOUNT_ERROR,
    "err_lost": FailureReason.SENDER_ACCOUNT_ERROR,
    "err_unreachable": FailureReason.ALREADY_SUPPRESSED,
    "err_not_available": FailureReason.UNKNOWN,
    "err_unknown": FailureReason.UNKNOWN,
}


def items(document: Any) -> Sequence[Any]:
    """The events of a request, which come by user; what is no group of events is an item that cannot be read."""
    groups = document.get("events_by_user") if isinstance(document, Mapping) else None
    if not isinstance(groups, list):
        return as_list(document)
    found: list[Any] = []
    for group in groups:
        events = group.get("events") if isinstance(group, Mapping) else None
        found += events if isinstance(events, list) else [None]
    return found


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event. One about no message (a domain that blocks the sender) is kept as a record; a refusal as spam is no
    complaint of a person."""
    data = part_of(item, "event_data") or item
    kind = text_of(data, "status")
    name = text_of(item, "event_name")
    if not kind and name:
        return [Reported(EventKind.IGNORED, "", PROVIDER, raw_type=name, occurred_at=moment_of(data, "block_time"))]
    if not kind:
        raise Unreadable("no status")
    info = part_of(data, "delivery_info")
    detail = text_of(info, "delivery_status")
    job = text_of(data, "job_id")
    mapped = _KINDS.get(kind, EventKind.IGNORED)
    default = FailureReason.RECIPIENT_FILTERED if kind == "hard_bounced" else FailureReason.DELIVERY_TIMEOUT
    if detail.startswith("skip_"):  # not sent, because of earlier failures
        default = FailureReason.ALREADY_SUPPRESSED
    return [
        Reported(
            kind=mapped,
            address=mailbox(data.get("email")),
            provider=PROVIDER,
            event_id=f"{job}:{kind}:{text_of(data, 'event_time')}" if job else "",
            occurred_at=moment_of(data, "event_time"),
            message_id=job,
            text=text_of(info, "destination_response"),
            hint=_HINTS.get(detail, default) if mapped is EventKind.BOUNCE else None,
            raw_type="/".join(part for part in (kind, detail) if part),
        )
    ]
