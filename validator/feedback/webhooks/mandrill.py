"""Mandrill (Mailchimp Transactional): HMAC-SHA1 of the URL and the sorted form fields. Pure.

https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, part_of, text_of
from validator.feedback.webhooks.signing import require_equal

PROVIDER = "mandrill"
_KINDS = {
    "hard_bounce": EventKind.BOUNCE,
    "soft_bounce": EventKind.BOUNCE,
    "reject": EventKind.PROVIDER_SUPPRESSED,
    "deferral": EventKind.DEFERRAL,
    "delivered": EventKind.DELIVERY,
    "spam": EventKind.COMPLAINT,
    "unsub": EventKind.UNSUBSCRIBE,
}
_HINTS = {
    "bad_mailbox": FailureReason.MAILBOX_NOT_FOUND,
    "invalid_domain": FailureReason.DOMAIN_NOT_FOUND,
    "mailbox_full": FailureReason.MAILBOX_FULL,
    "message_too_large": FailureReason.MESSAGE_TOO_LARGE,
    "mail_block": FailureReason.SENDER_IP_BLOCKED,
    "spam": FailureReason.CONTENT_SPAM,
    "relay_denied": FailureReason.RELAY_DENIED,
    "auto_reply": FailureReason.AUTO_REPLY,
}
_DEFAULTS = {
    "hard_bounce": FailureReason.RECIPIENT_FILTERED,
    "soft_bounce": FailureReason.DELIVERY_TIMEOUT,
    "deferral": FailureReason.RATE_LIMITED,  # "mail is being delivered too quickly"
}


def verify(fields: Mapping[str, str], url: str, given: str, key: bytes) -> None:
    """Refuse a form post that is not signed for *url*, which must be the one that Mandrill was given."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    wanted = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha1).digest())
    require_equal(given.encode("utf-8", "replace"), wanted)


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One event of the list `mandrill_events`; `sync` events change Mandrill's own deny list."""
    kind = text_of(item, "event")
    message = part_of(item, "msg")
    if not kind and text_of(item, "type") in {"blacklist", "whitelist"}:
        return [_sync(item)]
    if not kind:
        raise Unreadable("no event")
    described = text_of(message, "bounce_description")
    mapped = _KINDS.get(kind, EventKind.IGNORED)
    message_id = text_of(item, "_id") or text_of(message, "_id")
    stamp = text_of(item, "ts")
    return [
        Reported(
            kind=mapped,
            address=mailbox(message.get("email")),
            provider=PROVIDER,
            event_id=f"{message_id}:{kind}:{stamp}" if message_id or stamp else "",
            occurred_at=moment_of(item, "ts"),
            message_id=message_id,
            text=_answer(message),
            hint=_HINTS.get(described) or _DEFAULTS.get(kind),
            raw_type="/".join(part for part in (kind, described) if part),
        )
    ]


def _answer(message: Mapping[str, Any]) -> str:
    """The server's words: a bounce has them beside it, a deferral in the last of its attempts."""
    attempts = message.get("smtp_events")
    last = attempts[-1] if isinstance(attempts, list) and attempts else None
    said = text_of(message, "diag") or (text_of(last, "diag") if isinstance(last, Mapping) else "")
    return said.removeprefix("smtp;")


def _sync(item: Mapping[str, Any]) -> Reported:
    entry = part_of(item, "reject") or part_of(item, "entry")
    listed = text_of(item, "type") == "blacklist" and text_of(item, "action") != "remove"
    kind = EventKind.PROVIDER_SUPPRESSED if listed else EventKind.IGNORED
    return Reported(kind, mailbox(entry.get("email")), PROVIDER, raw_type="sync/" + text_of(item, "action"))
