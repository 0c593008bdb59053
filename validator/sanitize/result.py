"""What sanitizing hands back. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from validator.address import SyntaxFault
from validator.verdict import Change


class DomainEvidence(StrEnum):
    """What DNS says of one domain."""

    TAKES_MAIL = "takes_mail"
    """It has a usable mail host."""
    NO_MAIL = "no_mail"
    """It surely takes no mail."""
    UNKNOWN = "unknown"
    """DNS could not tell; changes nothing."""
    PROVIDER = "provider"
    """Its mail hosts are those of the proposed provider: a defensive registration."""


@dataclass(frozen=True, slots=True)
class DomainDoubt:
    """A middling case that DNS evidence may settle."""

    typed: str
    """A-label domain as it stands in `Sanitized.text`."""
    proposed: tuple[tuple[str, str, float], ...]
    """A-label domain, rule and confidence of each proposal, best first."""


@dataclass(frozen=True, slots=True)
class Sanitized:
    """An address after sanitizing."""

    text: str
    """What to judge; equals the input when nothing was, or may be, repaired, except for the domain's case."""
    changes: tuple[Change, ...]
    """Every repair in the order it was made, the domain's case not counted."""
    suggestion: str | None
    """A whole address that was probably meant; passes `parse_address` and differs from `text`."""
    fault: SyntaxFault | None
    """A fault that is decided here, such as two addresses in one input."""
    doubt: DomainDoubt | None
    """Set when DNS could turn the suggestion into a repair."""
