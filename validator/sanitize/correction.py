"""What the domain engine answers: keep, apply or suggest, and how sure it is. Pure values."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

APPLY_FROM = 0.9
"""Confidence from which a repair is applied (owner's promise: never silently name another person's mailbox)."""
SUGGEST_FROM = 0.6
"""Confidence from which a repair is suggested; below it nothing is said."""


class CorrectionAction(StrEnum):
    """What to do with a domain."""

    KEEP = "keep"
    """Leave it as it stands and say nothing."""
    APPLY = "apply"
    """Replace it."""
    SUGGEST = "suggest"
    """Leave it and name the other one."""


class Correction(NamedTuple):
    """The answer about one domain."""

    domain: str
    """The domain that was asked about, lower-case A-labels."""
    action: CorrectionAction
    """Keep, apply or suggest."""
    target: str
    """The domain to apply or suggest; equal to `domain` for keep."""
    rule: str
    """Dotted name of the rule that decided; `domain.known`, `domain.guarded` or `domain.none` for keep."""
    confidence: float
    """0 to 1; for keep 1."""
    proposals: tuple[tuple[str, str, float], ...] = ()
    """Domains within reach with rule and confidence, best first; empty for keep."""
    asks_dns: bool = False
    """A suggestion that becomes a repair when the domain's mail hosts are the provider's own."""
    settled_by_dns: bool = False
    """A suggestion that also becomes one when the domain takes no mail."""


def keep(domain: str, rule: str) -> Correction:
    """The answer that changes nothing."""
    return Correction(domain, CorrectionAction.KEEP, domain, rule, 1.0)
