"""Amazon SES, by SNS or as raw events. Pure.

SNS signs with RSA: version 1 is SHA-1, version 2 SHA-256. A valid signature proves Amazon, not *your* topic, so the
topic is pinned. Recipients are those of the bounce, never `mail.destination`.
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from validator.errors import WebhookRejected
from validator.feedback.event import EventKind, Reported
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.amazon import is_suppressed, reason_of_bounce, reason_of_delay
from validator.feedback.webhooks.reading import Unreadable, mailbox, moment, moment_of, part_of, text_of
from validator.feedback.webhooks.signing import decoded

PROVIDER = "ses"
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_CERTIFICATE_HOST = re.compile(r"sns\.[a-z0-9-]{4,30}\.amazonaws\.com(?:\.cn)?")
_FEEDBACK_TYPES = {"not-spam": EventKind.IGNORED, "auth-failure": EventKind.IGNORED, "virus": EventKind.IGNORED}


def certificate_name(envelope: Mapping[str, Any]) -> str:
    """File name of the signing certificate; refuses a URL that is not HTTPS at SNS's own hosts."""
    url = urlsplit(certificate_url(envelope))
    return url.path.rpartition("/")[2]


def certificate_url(envelope: Mapping[str, Any]) -> str:
    """URL of the signing certificate; refuses anything but a PEM file, over HTTPS, at SNS's own hosts."""
    text = text_of(envelope, "SigningCertURL", "SigningCertUrl")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise WebhookRejected("its certificate is not at Amazon's") from None
    plain = url.scheme == "https" and port in {None, 443} and not url.username and not url.query
    if not plain or not _CERTIFICATE_HOST.fullmatch(url.hostname or "") or not url.path.endswith(".pem"):
        raise WebhookRejected("its certificate is not at Amazon's")
    return text


def require_plausible(
    envelope: Mapping[str, Any], *, topics: Collection[str], now: datetime, tolerance_s: float
) -> None:
    """Refuse an SNS message of another topic or type, or that is too old, before its certificate is looked for."""
    sent = moment(envelope.get("Timestamp"))
    if _signed_names(envelope) is None or envelope.get("TopicArn") not in topics or sent is None:
        raise WebhookRejected("its type, topic or time is not one that is believed (VALIDATOR_SES_TOPICS)")
    if tolerance_s and abs((now - sent).total_seconds()) > tolerance_s:
        raise WebhookRejected("its time is too far from ours")


def _signed_names(envelope: Mapping[str, Any]) -> tuple[str, ...] | None:
    kind = envelope.get("Type")
    return _SIGNED.get(kind) if isinstance(kind, str) else None


def verify(envelope: Mapping[str, Any], certificate_pem: bytes, *, now: datetime) -> None:
    """Refuse an SNS message that is not signed by *certificate_pem*."""
    from validator.feedback.webhooks.asymmetric import rsa_holds

    names = _signed_names(envelope) or ()
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if isinstance(envelope.get(name), str))
    version = text_of(envelope, "SignatureVersion")
    if version not in {"1", "2"} or not rsa_holds(
        certificate_pem,
        decoded(text_of(envelope, "Signature")),
        signed.encode("utf-8", "surrogatepass"),
        sha256=version == "2",
        now=now,
    ):
        raise WebhookRejected("the signature does not hold")


def read(item: Mapping[str, Any]) -> list[Reported]:
    """One SNS envelope, or one SES event as it stands."""
    if "Type" in item and ("Message" in item or "TopicArn" in item):
        kind = text_of(item, "Type")
        if kind != "Notification":
            return [replace(_ignored(kind, text_of(item, "MessageId")), text=_confirmation(item))]
        message = item.get("Message")
        try:
            inner = json.loads(message) if isinstance(message, str) else message
        except (ValueError, RecursionError):
            return [_ignored("Notification", text_of(item, "MessageId"))]
        if not isinstance(inner, Mapping):
            raise Unreadable("the Message of the notification is no SES event")
        return _events(inner, text_of(item, "MessageId"))
    return _events(item, "")


def _confirmation(item: Mapping[str, Any]) -> str:
    """The URL that an operator may open to confirm a subscription; empty unless it is at SNS's own hosts."""
    text = text_of(item, "SubscribeURL")
    try:
        url = urlsplit(text)
        own = url.scheme == "https" and url.port in {None, 443} and not url.username
    except ValueError:
        return ""
    return text if own and _CERTIFICATE_HOST.fullmatch(url.hostname or "") else ""


def _events(item: Mapping[str, Any], sns_id: str) -> list[Reported]:
    kind = text_of(item, "eventType", "notificationType")
    if not kind:
        raise Unreadable("neither eventType nor notificationType")
    mail = part_of(item, "mail")
    message_id = text_of(mail, "messageId")
    match kind.lower():
        case "bounce":
            return _bounces(part_of(item, "bounce"), message_id, sns_id)
        case "complaint":
            return _complaints(part_of(item, "complaint"), message_id, sns_id)
        case "delivery":
            return _deliveries(part_of(item, "delivery"), message_id, sns_id)
        case "deliverydelay":
            return _delays(part_of(item, "deliveryDelay"), message_id, sns_id)
        case "subscription":
            return _subscriptions(part_of(item, "subscription"), mail, message_id, sns_id)
        case "reject":
            reason = text_of(part_of(item, "reject"), "reason")
            return [
                Reported(
                    EventKind.BOUNCE, mailbox(address), PROVIDER, _id(sns_id, message_id, "reject"),
                    moment_of(mail, "timestamp"), message_id, reason, hint=FailureReason.CONTENT_MALWARE, raw_type=kind,
                )
                for address in _addresses(mail, "destination")
            ]  # fmt: skip
        case _:
            addresses = _strings(mail.get("destination"))[:1] or [""]
            return [_ignored(kind, _id(sns_id, message_id, kind), mailbox(addresses[0]), message_id)]


def _bounces(bounce: Mapping[str, Any], message_id: str, sns_id: str) -> list[Reported]:
    kind, sub = text_of(bounce, "bounceType"), text_of(bounce, "bounceSubType")
    event_id = text_of(bounce, "feedbackId") or _id(sns_id, message_id, "bounce")
    return [
        Reported(
            kind=EventKind.PROVIDER_SUPPRESSED if is_suppressed(sub) else EventKind.BOUNCE,
            address=mailbox(recipient.get("emailAddress")),
            provider=PROVIDER,
            event_id=event_id,
            occurred_at=moment_of(bounce, "timestamp"),
            message_id=message_id,
            text=_diagnostic(text_of(recipient, "diagnosticCode")),
            enhanced_status=text_of(recipient, "status"),
            hint=_hint(kind, sub, recipient),
            raw_type=f"Bounce/{kind}/{sub}",
        )
        for recipient in _objects(bounce, "bouncedRecipients")
    ]


def _hint(kind: str, sub: str, recipient: Mapping[str, Any]) -> FailureReason:
    if sub.lower() == "noemail":  # "the target email address does not exist"
        return FailureReason.MAILBOX_NOT_FOUND
    return reason_of_bounce(kind, sub, answered=bool(text_of(recipient, "diagnosticCode", "status")))


def _complaints(complaint: Mapping[str, Any], message_id: str, sns_id: str) -> list[Reported]:
    feedback = text_of(complaint, "complaintFeedbackType").lower()
    kind = _FEEDBACK_TYPES.get(feedback, EventKind.COMPLAINT)
    if is_suppressed(text_of(complaint, "complaintSubType")):
        kind = EventKind.PROVIDER_SUPPRESSED
    return [
        Reported(
            kind=kind,
            address=mailbox(recipient.get("emailAddress")),
            provider=PROVIDER,
            event_id=text_of(complaint, "feedbackId") or _id(sns_id, message_id, "complaint"),
            occurred_at=moment_of(complaint, "arrivalDate", "timestamp"),
            message_id=message_id,
            raw_type=f"Complaint/{feedback}",
        )
        for recipient in _objects(complaint, "complainedRecipients")
    ]


def _deliveries(delivery: Mapping[str, Any], message_id: str, sns_id: str) -> list[Reported]:
    return [
        Reported(
            kind=EventKind.DELIVERY,
            address=mailbox(address),
            provider=PROVIDER,
            event_id=_id(sns_id, message_id, "delivery"),
            occurred_at=moment_of(delivery, "timestamp"),
            message_id=message_id,
            text=text_of(delivery, "smtpResponse"),
            raw_type="Delivery",
        )
        for address in _addresses(delivery, "recipients")
    ]


def _delays(delay: Mapping[str, Any], message_id: str, sns_id: str) -> list[Reported]:
    kind = text_of(delay, "delayType")
    return [
        Reported(
            kind=EventKind.DEFERRAL,
            address=mailbox(recipient.get("emailAddress")),
            provider=PROVIDER,
            event_id=_id(sns_id, message_id, "delay" + text_of(delay, "timestamp")),
            occurred_at=moment_of(delay, "timestamp"),
            message_id=message_id,
            text=_diagnostic(text_of(recipient, "diagnosticCode")),
            enhanced_status=text_of(recipient, "status"),
            hint=reason_of_delay(kind),
            raw_type=f"DeliveryDelay/{kind}",
        )
        for recipient in _objects(delay, "delayedRecipients")
    ]


def _subscriptions(item: Mapping[str, Any], mail: Mapping[str, Any], message_id: str, sns_id: str) -> list[Reported]:
    left = part_of(item, "newTopicPreferences").get("unsubscribeAll") is True
    kind = EventKind.UNSUBSCRIBE if left else EventKind.IGNORED
    event_id = _id(sns_id, message_id, "subscription" + text_of(item, "timestamp"))  # a mind may change twice
    addresses = _strings(mail.get("destination"))
    if len(addresses) != 1:
        return [_ignored("Subscription", event_id)]
    moment_ = moment_of(item, "timestamp")
    return [Reported(kind, mailbox(addresses[0]), PROVIDER, event_id, moment_, message_id, raw_type="Subscription")]


def _id(sns_id: str, message_id: str, what: str) -> str:
    return f"{message_id}:{what}" if message_id else sns_id


def _ignored(kind: str, event_id: str, address: str = "", message_id: str = "") -> Reported:
    return Reported(EventKind.IGNORED, address, PROVIDER, event_id, message_id=message_id, raw_type=kind)


def _diagnostic(text: str) -> str:
    head, _, words = text.partition(";")
    return words.strip() if words and " " not in head.strip() else text


def _objects(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The recipients of a list. One that is no object names nobody, and is told so; the others count."""
    found = item.get(name)
    if not isinstance(found, list) or not found:
        raise Unreadable(f"no list {name}")
    return [entry if isinstance(entry, Mapping) else {} for entry in found]


def _addresses(item: Mapping[str, Any], name: str) -> list[object]:
    """The same where the recipients are plain text."""
    found = item.get(name)
    if not isinstance(found, list) or not found:
        raise Unreadable(f"no list {name}")
    return found


def _strings(value: object) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
