"""What Amazon SES's categories of failures mean; Resend passes the same ones on. Pure.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

from validator.feedback.reasons import FailureReason

_BOUNCES = {
    "mailboxfull": FailureReason.MAILBOX_FULL,
    "messagetoolarge": FailureReason.MESSAGE_TOO_LARGE,
    "contentrejected": FailureReason.CONTENT_SPAM,
    "attachmentrejected": FailureReason.CONTENT_INVALID,
    "customtimeoutexceeded": FailureReason.DELIVERY_TIMEOUT,
    "suppressed": FailureReason.ALREADY_SUPPRESSED,
    "onaccountsuppressionlist": FailureReason.ALREADY_SUPPRESSED,
    "ontenantsuppressionlist": FailureReason.ALREADY_SUPPRESSED,
    "emailvalidationsuppressed": FailureReason.ALREADY_SUPPRESSED,
    "unsubscribedrecipient": FailureReason.ALREADY_SUPPRESSED,
}
_DELAYS = {
    "mailboxfull": FailureReason.MAILBOX_FULL,
    "spamdetected": FailureReason.CONTENT_SPAM,
    "recipientservererror": FailureReason.REMOTE_SYSTEM_ERROR,
    "transientcommunicationfailure": FailureReason.CONNECTION_FAILED,
    "ipfailure": FailureReason.SENDER_IP_BLOCKED,
    "internalfailure": FailureReason.SENDER_ACCOUNT_ERROR,
    "byoiphostnamelookupunavailable": FailureReason.SENDER_ACCOUNT_ERROR,
    "sendingdeferral": FailureReason.RATE_LIMITED,
}


def reason_of_bounce(kind: str, sub_type: str, *, answered: bool) -> FailureReason:
    """What type and sub-type say; *answered*: a server's words came along.

    A general transient bounce without any may be somebody's out-of-office message, which Amazon counts as a bounce:
    it says nothing.
    """
    known = _BOUNCES.get(sub_type.lower())
    if known is not None:
        return known
    match kind.lower():
        case "permanent":
            return FailureReason.RECIPIENT_FILTERED
        case "transient" if answered:
            return FailureReason.DELIVERY_TIMEOUT
        case _:
            return FailureReason.UNKNOWN


def reason_of_delay(kind: str) -> FailureReason:
    """What the type of a delay says; several are Amazon's own or the sender's, and never count."""
    return _DELAYS.get(kind.lower(), FailureReason.DELIVERY_TIMEOUT)


def is_suppressed(sub_type: str) -> bool:
    """Whether it was not sent at all, because the address is on a list of the provider's."""
    return _BOUNCES.get(sub_type.lower()) is FailureReason.ALREADY_SUPPRESSED
