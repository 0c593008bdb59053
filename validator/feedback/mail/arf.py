"""Complaints: abuse reports (RFC 5965, RFC 6591) and mailed requests to unsubscribe. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from validator.feedback.mail.failure import ADDRESS, address_in_field
from validator.feedback.mail.mime import Fields, Mail, field_blocks, header_text
from validator.feedback.reasons import FailureReason

_REASON_OF_TYPE = {
    "abuse": FailureReason.COMPLAINT,
    "fraud": FailureReason.COMPLAINT,
    "miscategorized": FailureReason.COMPLAINT,
    "other": FailureReason.COMPLAINT,
    "opt-out": FailureReason.UNSUBSCRIBE,
    "opt-out-list": FailureReason.UNSUBSCRIBE,
    "auth-failure": FailureReason.SENDER_AUTH_FAILED,
    "virus": FailureReason.CONTENT_MALWARE,
    "not-spam": FailureReason.DELIVERED,
}
_RECIPIENT_FIELDS = ("original-rcpt-to", "removal-recipient", "x-original-rcpt-to", "original-recipient")
_COMMENT = re.compile(r"\([^()]*+\)")
_HOTMAIL = "X-HmXmrOriginalRecipient"
_NOBODY = re.compile(r"^(?:undisclosed|redacted|postmaster|mailer-daemon)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a feedback report says about one recipient."""

    recipient: str
    """Who complained; empty when the report hides it."""
    feedback_type: str
    """RFC 5965 feedback type, lower case."""
    reason: FailureReason
    """An authentication failure or a virus report blames the sender, not the person."""


def complaints_in(mail: Mail) -> list[Complaint]:
    """One per recipient of a feedback report; empty when the message is none."""
    fields = mail.feedback[0] if mail.feedback else _fields_in(mail.text)
    if fields:
        kind = next((_token(value) for name, value in fields if name == "feedback-type"), "abuse")
        reason = _REASON_OF_TYPE.get(kind, FailureReason.UNKNOWN)
        found = [address_in_field(value) for name, value in fields if name in _RECIPIENT_FIELDS]
        recipients = list(dict.fromkeys(address for address in found if address and not _NOBODY.match(address)))
        return [Complaint(recipient, kind, reason) for recipient in recipients or [_addressee(mail)]]
    if mail.header("X-Apple-Unsubscribe").lower() == "true":
        return [Complaint(address_in_field(_last(mail.header("From"))), "opt-out", FailureReason.UNSUBSCRIBE)]
    hidden = header_text(mail.original, _HOTMAIL) if mail.original is not None else ""
    if address := address_in_field(hidden or mail.header(_HOTMAIL)):
        return [Complaint(address, "abuse", FailureReason.COMPLAINT)]
    return []


def _token(value: str) -> str:
    """The feedback type of its field, which may hold comments around it (RFC 5965 section 3.1)."""
    return _COMMENT.sub(" ", value).strip().lower()


def _fields_in(text: str) -> Fields:
    """The fields of a report whose parts are out of place; empty unless the required three are there."""
    if "feedback-type:" not in text.lower():
        return ()
    for block in field_blocks(text):
        names = {name for name, _ in block}
        if {"feedback-type", "user-agent", "version"} <= names:
            return block
    return ()


def _addressee(mail: Mail) -> str:
    """The one recipient of the reported message, when it has exactly one."""
    if mail.original is None:
        return ""
    for name in (_HOTMAIL, "X-Apparently-To", "To", "Delivered-To"):
        found = re.findall(ADDRESS, header_text(mail.original, name))
        if found:
            return found[0] if len(found) == 1 and not _NOBODY.match(found[0]) else ""
    return ""


def _last(field: str) -> str:
    found = re.findall(ADDRESS, field)
    return found[-1] if found else ""
