"""Why a delivery failed, whose fault that is, and what the default policy does about it.

The words are behaviour.md section 5; the facts of each (disposition, blame, policy) are one table,
`data/failure_reasons.tsv`, read by `load_reasons`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from validator.errors import DatasetError
from validator.reference import Reference


class Disposition(StrEnum):
    """What a failure says about the address."""

    HARD = "hard"
    """This mailbox or domain is dead."""
    SOFT = "soft"
    """The mailbox does not take mail, for now."""
    TRANSIENT = "transient"
    """Their side has trouble, for now."""
    SENDER = "sender"
    """Our IP, content, authentication or account: never counts against the address."""
    COMPLAINT = "complaint"
    """The person does not want this mail."""
    NONE = "none"
    """Says nothing about the address."""
    UNKNOWN = "unknown"
    """Nobody could tell."""


class FailureReason(StrEnum):
    """Why, in one word."""

    MAILBOX_NOT_FOUND = "mailbox_not_found"
    """No mailbox of that name."""
    DOMAIN_NOT_FOUND = "domain_not_found"
    """The domain does not exist."""
    DOMAIN_NO_MAIL = "domain_no_mail"
    """The domain exists and takes no mail: null MX, no MX."""
    MAILBOX_MOVED = "mailbox_moved"
    """The mailbox moved without a forwarding address."""
    MAILBOX_DISABLED = "mailbox_disabled"
    """The account is switched off, suspended or abandoned."""
    MAILBOX_FULL = "mailbox_full"
    """Over quota."""
    RECIPIENT_FILTERED = "recipient_filtered"
    """Refused for this recipient without a clear cause; `user unknown` that no recipient check answered."""
    DELIVERY_TIMEOUT = "delivery_timeout"
    """Tried until the queue gave up."""
    CONNECTION_FAILED = "connection_failed"
    """No connection, no route, name service trouble, a mail loop."""
    TLS_FAILED = "tls_failed"
    """Encryption was demanded and could not be had."""
    REMOTE_SYSTEM_ERROR = "remote_system_error"
    """Their server is broken or misconfigured."""
    REMOTE_SYSTEM_FULL = "remote_system_full"
    """Their server has no disk space."""
    RATE_LIMITED = "rate_limited"
    """Too much, too fast, too many connections."""
    GREYLISTED = "greylisted"
    """Asked to come back later, as a test."""
    SENDER_IP_BLOCKED = "sender_ip_blocked"
    """Our address or its reputation."""
    SENDER_REJECTED = "sender_rejected"
    """Our sender address or domain, or the right to write to this group."""
    SENDER_AUTH_FAILED = "sender_auth_failed"
    """SPF, DKIM, DMARC or reverse DNS of ours."""
    SENDER_ACCOUNT_ERROR = "sender_account_error"
    """Our account at the provider: credentials, quota, service off."""
    POLICY_REJECTED = "policy_rejected"
    """Against their policy or security rules."""
    CONTENT_SPAM = "content_spam"
    """Looks like spam."""
    CONTENT_MALWARE = "content_malware"
    """Looks like a virus."""
    CONTENT_INVALID = "content_invalid"
    """Not a well-formed message."""
    MESSAGE_TOO_LARGE = "message_too_large"
    """Over a size limit."""
    RELAY_DENIED = "relay_denied"
    """That server does not handle mail for that domain."""
    PROTOCOL_ERROR = "protocol_error"
    """A malformed command or address in the session."""
    ALREADY_SUPPRESSED = "already_suppressed"
    """Not sent at all: the provider suppresses this address."""
    AUTO_REPLY = "auto_reply"
    """An answer from a robot, such as out of office."""
    DELIVERED = "delivered"
    """Accepted by the recipient's server."""
    COMPLAINT = "complaint"
    """Marked as spam by the person."""
    UNSUBSCRIBE = "unsubscribe"
    """Asked to get no more."""
    UNKNOWN = "unknown"
    """No rule knows the text."""


class Blame(StrEnum):
    """Whose fault it is, for people who read reports."""

    RECIPIENT = "recipient"
    """The address or its mailbox."""
    RECIPIENT_SYSTEM = "recipient_system"
    """The recipient's mail system."""
    SENDER = "sender"
    """We or our provider."""
    NOBODY = "nobody"
    """No failure, or nobody knows."""


class Action(StrEnum):
    """What the policy does with a reason."""

    BLOCK = "block"
    """Blacklist on the first event."""
    COUNT = "count"
    """Blacklist after a number of distinct UTC days, for a term."""
    NEVER = "never"
    """Never blacklist."""


@dataclass(frozen=True, slots=True)
class ReasonFacts:
    """One row of `data/failure_reasons.tsv`."""

    reason: FailureReason
    """The reason."""
    disposition: Disposition
    """What it says about the address."""
    blame: Blame
    """Whose fault it is."""
    action: Action
    """What the default policy does."""
    days: int
    """Distinct UTC days with such a failure before the address is blocked; 0 for actions that do not count."""
    within_days: int
    """The distinct days must lie in a window this long; 0 when not counted."""
    over_days: int
    """First and last of them must be at least this many days apart; 0: no such rule."""
    term_days: int
    """How long the entry blocks; it doubles each time; 0: for good."""
    confirm: bool
    """Blocks only when our own DNS agrees."""
    sentence: str
    """The explanation for people."""


def load_reasons(reference: Reference) -> Mapping[FailureReason, ReasonFacts]:
    """Read the table; raises `DatasetError` unless every reason has exactly one row."""
    facts: dict[FailureReason, ReasonFacts] = {}
    for row in reference.table("failure_reasons").records():
        try:
            entry = ReasonFacts(
                reason=FailureReason(row["reason"]),
                disposition=Disposition(row["disposition"]),
                blame=Blame(row["blame"]),
                action=Action(row["action"]),
                days=int(row["days"]),
                within_days=int(row["within_days"]),
                over_days=int(row["over_days"]),
                term_days=int(row["term_days"]),
                confirm=row["confirm"] == "dns",
                sentence=row["sentence"],
            )
        except (KeyError, ValueError) as error:
            raise DatasetError(f"failure_reasons: {error}") from error
        if entry.reason in facts:
            raise DatasetError(f"failure_reasons: {entry.reason} stands twice")
        facts[entry.reason] = entry
    missing = set(FailureReason) - set(facts)
    if missing:
        raise DatasetError(f"failure_reasons: no row for {', '.join(sorted(missing))}")
    return facts
