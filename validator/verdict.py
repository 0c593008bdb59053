"""What a check answers: reasons in order of precedence, findings, changes and the verdict.

Pure values. The wire words are the enum values; renaming a member changes nothing for clients, changing a value does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why an address is not valid; the order of the members is the order of precedence (owner's rule)."""

    INVALID = "invalid"
    """Not an address that ordinary mail can be sent to."""
    MX_RECORD = "mx_record"
    """The domain takes no mail: no MX, null MX, or no MX host that can be reached."""
    APPLICATION = "application"
    """The address belongs to an application, not to a person's mailbox."""
    SYSTEM = "system"
    """A system mailbox such as postmaster@ or noreply@."""
    BLACKLISTED = "blacklisted"
    """The address or its domain is on the blacklist."""
    MX_RECORD_BLACKLISTED = "mx_record_blacklisted"
    """A mail host of the domain is on the blacklist."""
    MX_IP_BLACKLISTED = "mx_ip_blacklisted"
    """An address of a mail host is on the blacklist."""


class Status(StrEnum):
    """The verdict in one word."""

    VALID = "valid"
    """Every question was answered and nothing speaks against the address."""
    INVALID = "invalid"
    """At least one reason is certain."""
    UNKNOWN = "unknown"
    """DNS could not tell and nothing else decides; never the same as invalid."""


class Outcome(StrEnum):
    """What one question of a check came to."""

    PASSED = "passed"
    """Asked, and nothing speaks against the address."""
    FAILED = "failed"
    """Asked, and the reason applies."""
    UNKNOWN = "unknown"
    """Asked, and nobody could tell."""
    SKIPPED = "skipped"
    """Not asked, because an earlier answer left nothing to ask about."""


@dataclass(frozen=True, slots=True)
class Change:
    """One repair: what it did, and how sure we are."""

    rule: str
    """Dotted name, family first: `text.trim`, `symbols.removed`, `cyrillic.key`, `domain.typo`."""
    before: str
    """The part that was changed, as it stood."""
    after: str
    """The same part afterwards."""
    confidence: float
    """0 to 1; applied from 0.9, suggested from 0.6, silent below (owner's three promises)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question; one finding per reason, in order of precedence."""

    reason: Reason
    """The question."""
    outcome: Outcome
    """The answer. There is no default: silence must not approve."""
    detail: str
    """A sentence or a code for people; never the whole address."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The evidence behind a verdict, built only when asked for; every mapping is JSON-ready."""

    changes: tuple[Change, ...]
    """Repairs in the order they were made."""
    findings: tuple[Finding, ...]
    """One per reason, in order of precedence."""
    dns: Mapping[str, object] | None
    """Outcome, mail hosts, addresses, age in seconds, stale; null when no name could be asked."""
    provider: Mapping[str, object] | None
    """`vendor` and `trusted`; null for a domain that is in no provider table."""
    flags: tuple[str, ...]
    """Remarks that do not decide: `role`, `relay`, `disposable`, …"""
    entries: tuple[Mapping[str, object], ...]
    """Blacklist entries that matched: id, kind, cause, since, source, list, overridden."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further evidence of later stages, such as soft-bounce counters."""


class Verdict(NamedTuple):
    """The answer to one check."""

    orig: str
    """Exactly what was sent."""
    valid: bool
    """True or false; for `unknown` the caller's `on_unknown` decides."""
    email: str
    """The corrected address to store and use; never null."""
    reason: Reason | None
    """Why not; null when valid."""
    status: Status
    """valid, invalid or unknown."""
    suggestion: str | None
    """An address that was probably meant, but not surely enough to apply."""
    explain: Explanation | None = None
    """Evidence, when asked for."""
    domain: str = ""
    """The domain of `email` as lower-case A-labels; empty when it is no address."""
    vendor: str | None = None
    """Name of the mailbox provider; null when in no table."""
    trusted: bool = False
    """The provider is one that looks after its users' accounts."""
