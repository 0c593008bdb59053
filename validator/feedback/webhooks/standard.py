"""Standard Webhooks (https://www.standardwebhooks.com): signing and verifying, and the events of Resend. Pure.

HMAC-SHA256 over `id.timestamp.body`; the secret after `whsec_` is base64; several signatures may be listed, so that
secrets can be changed. The same form signs our own outgoing notices.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from validator.errors import SettingsError, WebhookRejected
from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.amazon import is_suppressed, reason_of_bounce
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment_of, part_of, text_of
from validator.feedback.webhooks.signing import hmac_sha256, require_fresh

PROVIDER = "standard"
_KINDS = {
    "bounced": EventKind.BOUNCE,
    "failed": EventKind.BOUNCE,
    "delivery_delayed": EventKind.DEFERRAL,
    "delivered": EventKind.DELIVERY,
    "complained": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "suppressed": EventKind.PROVIDER_SUPPRESSED,
}
_SAYS_OF_ALL = frozenset({EventKind.IGNORED, EventKind.PROVIDER_SUPPRESSED, EventKind.PROVIDER_UNSUPPRESSED})
"""Kinds that nobody is blamed or believed for."""


def load_secret(text: str, *, setting: str) -> bytes:
    """The key of a `whsec_…` secret; raises `SettingsError` naming the setting."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError(f"{setting}: what follows whsec_ is not base64") from error
    if len(key) < 16:
        raise SettingsError(f"{setting}: shorter than 16 bytes")
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac_sha256(key, signed)).decode("ascii")


def verify(body: bytes, headers: Mapping[str, str], keys: Sequence[bytes], *, now: float, tolerance_s: float) -> str:
    """Refuse a request that none of *keys* signed in time; answers its identifier."""
    message_id = headers.get("webhook-id") or headers.get("svix-id") or ""
    timestamp = headers.get("webhook-timestamp") or headers.get("svix-timestamp") or ""
    listed = (headers.get("webhook-signature") or headers.get("svix-signature") or "").split(" ")
    require_fresh(timestamp, now, tolerance_s)
    if not message_id.isascii() or not message_id or "." in message_id:
        raise WebhookRejected("it has no identifier")
    held = False
    for key in keys:
        wanted = sign(key, message_id, int(timestamp), body).encode()
        for given in listed[:16]:
            held |= given.isascii() and hmac.compare_digest(given.encode("ascii"), wanted)
    if not held:
        raise WebhookRejected("no signature holds")
    return message_id


def read(item: Mapping[str, Any], *, message_id: str = "") -> list[Reported]:
    """One `{type, data}` request: an event of Resend's names, one per recipient; other types are ignored.

    Resend names everybody the message went to, never the one it is about: of several, nobody is blamed.
    """
    kind = text_of(item, "type")
    if not kind:
        raise Unreadable("no type")
    data = part_of(item, "data")
    name = kind.rpartition(".")[2].lower()
    mapped = _KINDS.get(name, EventKind.IGNORED)
    if kind.startswith("contact.") and data.get("unsubscribed") is True:
        mapped = EventKind.UNSUBSCRIBE
    bounce = part_of(data, "bounce")
    answer = _answer(bounce)
    words = answer or text_of(bounce, "message") or text_of(part_of(data, "failed"), "reason")
    sub = text_of(bounce, "subType")
    hint: FailureReason | None = None
    if name == "bounced":
        hint = reason_of_bounce(text_of(bounce, "type") or "Permanent", sub, answered=bool(answer))
        mapped = EventKind.PROVIDER_SUPPRESSED if is_suppressed(sub) else mapped
    elif mapped in {EventKind.BOUNCE, EventKind.DEFERRAL}:
        hint = FailureReason.SENDER_ACCOUNT_ERROR if name == "failed" else FailureReason.DELIVERY_TIMEOUT
    addresses = [mailbox(address) for address in _recipients(data)] or [""]
    told = [kind, text_of(bounce, "type"), sub]
    if len(addresses) > 1 and mapped not in _SAYS_OF_ALL:
        mapped = EventKind.IGNORED
        told.append("one of several")
    created = text_of(item, "created_at")
    email_id = text_of(data, "email_id", "id")
    return [
        Reported(
            kind=mapped,
            address=address,
            provider=PROVIDER,
            event_id=message_id or (f"{email_id}:{kind}:{created}" if email_id or created else ""),
            occurred_at=moment_of(item, "created_at", "timestamp") or moment_of(data, "created_at"),
            message_id=text_of(data, "email_id", "message_id"),
            text=words,
            hint=hint,
            raw_type="/".join(part for part in told if part),
        )
        for address in addresses
    ]


def _answer(bounce: Mapping[str, Any]) -> str:
    """The server's words, of which Resend gives a list."""
    found = bounce.get("diagnosticCode")
    said = [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else [found]
    return str(said[0]).strip().removeprefix("smtp;") if said and isinstance(said[0], str) else ""


def _recipients(data: Mapping[str, Any]) -> list[str]:
    found = data.get("to") or data.get("email") or data.get("recipient")
    if isinstance(found, str):
        return [found]
    return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []
