"""Mailgun's webhooks. Pure.

HMAC-SHA256 over timestamp + token; the body is not signed, so a token counts once and only while it is fresh.
`severity: permanent` is not "hard": blocks for spam are permanent too.
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from validator.errors import WebhookRejected
from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.reading import Unreadable, code_of, mailbox, moment_of, part_of, text_of
from validator.feedback.webhooks.signing import hmac_sha256, require_equal, require_fresh

PROVIDER = "mailgun"
_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,128}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KINDS = {
    "failed": EventKind.BOUNCE,
    "bounced": EventKind.BOUNCE,
    "dropped": EventKind.BOUNCE,
    "rejected": EventKind.BOUNCE,
    "delivered": EventKind.DELIVERY,
    "complained": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
}
_REASONS = {
    "espblock": FailureReason.SENDER_IP_BLOCKED,
    "blacklisted": FailureReason.SENDER_IP_BLOCKED,
    "greylisted": FailureReason.GREYLISTED,
    "old": FailureReason.DELIVERY_TIMEOUT,
}
_CODES = {
    498: FailureReason.DOMAIN_NO_MAIL,
    602: FailureReason.DELIVERY_TIMEOUT,
    605: FailureReason.ALREADY_SUPPRESSED,
    606: FailureReason.ALREADY_SUPPRESSED,
    607: FailureReason.ALREADY_SUPPRESSED,
}


def token_of(document: Mapping[str, Any]) -> str:
    """The single-use token of a request; empty when it has none."""
    return text_of(_signature(document), "token")


def signature_of(document: Mapping[str, Any]) -> str:
    """The signature of a request that was verified: what counts once."""
    return text_of(_signature(document), "signature")


def verify(document: Mapping[str, Any], key: bytes, *, now: float, tolerance_s: float) -> None:
    """Refuse a request whose signature does not hold; using up the signature is the caller's.

    Timestamp and token are signed without anything between them, so both must have exactly their form.
    """
    signature = _signature(document)
    timestamp, token, given = (text_of(signature, name) for name in ("timestamp", "token", "signature"))
    if not _TOKEN.fullmatch(token) or not _DIGEST.fullmatch(given):
        raise WebhookRejected("its token or signature has not the form of Mailgun's")
    require_equal(given.encode(), hmac_sha256(key, (timestamp + token).encode()).hex().encode())
    require_fresh(timestamp, now, tolerance_s)


def form(body: bytes) -> Mapping[str, Any]:
    """The older form posts, as a document of the newer shape.

    The sender's own variables stand among the fields, under names of their choice: after Mailgun's, but before the
    signature, which stands last.
    """
    pairs = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=500)
    last = dict(pairs)
    signature = {name: last.get(name, "") for name in ("timestamp", "token", "signature")}
    return {"signature": signature, "event-data": dict(reversed(pairs)) | signature}


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One request; it holds one event."""
    data = part_of(item, "event-data")
    kind = text_of(data, "event").lower()
    if not kind:
        raise Unreadable("no event-data.event")
    status = part_of(data, "delivery-status")
    number = text_of(status, "code") or text_of(data, "code")
    code = code_of(status, "code") or code_of(data, "code")
    mapped = _KINDS.get(kind, EventKind.IGNORED)
    hint: FailureReason | None = None
    if mapped is EventKind.BOUNCE:
        if text_of(data, "severity").lower() == "temporary":
            mapped = EventKind.DEFERRAL
        hint = _CODES.get(int(number)) if number.isdigit() and len(number) == 3 else None
        if text_of(data, "reason").startswith("suppress-") or hint is FailureReason.ALREADY_SUPPRESSED:
            mapped = EventKind.PROVIDER_SUPPRESSED
        if kind == "rejected":  # Mailgun took the message and would not send it: the account's, not the address's fault
            hint = hint or FailureReason.SENDER_ACCOUNT_ERROR
        hint = hint or _REASONS.get(text_of(data, "reason").lower())
        if hint is None:  # "permanent" is not "hard", and "temporary" is their side's
            is_late = mapped is EventKind.DEFERRAL
            hint = FailureReason.DELIVERY_TIMEOUT if is_late else FailureReason.RECIPIENT_FILTERED
    told = part_of(data, "reject") if kind == "rejected" else status
    words = " ".join(part for part in (text_of(told, "message", "reason"), text_of(told, "description")) if part)
    return [
        Reported(
            kind=mapped,
            address=mailbox(data.get("recipient")),
            provider=PROVIDER,
            event_id=_event_id(data) or token_of(item),
            occurred_at=moment_of(data, "timestamp"),
            message_id=text_of(part_of(part_of(data, "message"), "headers"), "message-id")
            or text_of(data, "Message-Id").strip("<>"),
            text=words or text_of(data, "error", "description"),
            code=None if code is not None and code >= 560 else code,
            enhanced_status=text_of(status, "enhanced-code"),
            remote_host=text_of(status, "mx-host"),
            hint=hint,
            raw_type="/".join(part for part in (kind, text_of(data, "severity"), text_of(data, "reason")) if part),
        )
    ]


def _event_id(data: Mapping[str, Any]) -> str:
    """Identifier and time of an event: the first alone is unique only within a day. A request that is repeated has
    them again, under another token. Empty in the older form posts, which have no identifier."""
    found, moment = text_of(data, "id"), text_of(data, "timestamp")
    return f"{found}:{moment}" if found and moment else found


def _signature(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("signature")
    return found if isinstance(found, Mapping) else document
