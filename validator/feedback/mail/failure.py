"""What a returned message says, before anybody judges it: one `Failure` per recipient. Pure."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from enum import StrEnum

from validator.feedback.reply import Stage


class MailKind(StrEnum):
    """What a raw message is."""

    BOUNCE = "bounce"
    """A delivery report of any form."""
    COMPLAINT = "complaint"
    """An abuse report, or a request to unsubscribe."""
    REPORT = "report"
    """A report that blames no recipient: authentication failure, virus, not spam."""
    AUTO_REPLY = "auto_reply"
    """Out of office and the like."""
    OTHER = "other"
    """Not feedback at all."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What one message says about one recipient."""

    recipient: str
    """The address that the message tells its reader about."""
    texts: tuple[str, ...]
    """The words about it, most telling first."""
    original_recipient: str = ""
    """The address that was written to, when a forwarder or an alias sent the message on from there."""
    final_recipient: str = ""
    """Where it was sent on to, when that is known."""
    code: int | None = None
    """Reply code, when stated apart from the text."""
    status: str = ""
    """Enhanced status, when stated."""
    stage: Stage = Stage.UNKNOWN
    """The SMTP command that was answered."""
    host: str = ""
    """The server that answered."""
    action: str = ""
    """RFC 3464 action: failed, delayed, delivered, relayed, expanded; empty in free text."""

    @property
    def written_to(self) -> str:
        """The address that was written to: what a failure counts against."""
        return self.original_recipient or self.recipient


ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}"
_MAX_FIELD = 1_000
_WHOLE = re.compile(
    r"^(?:[A-Za-z0-9-]{2,20}\s*+;)?\s*+<?\s*+"
    r"(\"[^\"\s]{1,64}\"@[^\s<>;,()]++|[^\s<>;,()/|\"@\[\]]{1,64}@[^\s<>;,()/|\"@]++"
    r"|[^\s<>;,()|\"@\[\]]{1,64}@[A-Za-z0-9.-]+\.[A-Za-z]{2,})\s*+>?\s*+(?:\(.*\))?\s*+$"
)


_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
"""A character outside ASCII in an address of the type `utf-8` (RFC 6533 section 3)."""


def address_in_field(value: str) -> str:
    """The address of a field such as `rfc822; <a@b>`; empty when the field holds a pipe, a path or a bare name."""
    text = value.strip()[:_MAX_FIELD]
    if text[:6].lower() == "utf-8;":
        text = _EMBEDDED.sub(_as_character, text)
    match = _WHOLE.match(text)
    return match.group(1).strip(".") if match else ""


def _as_character(match: re.Match[str]) -> str:
    """What stands for itself in an address: a letter or a digit; anything else stays escaped."""
    code = int(match[1], 16)
    return chr(code) if 0x7F < code <= sys.maxunicode and chr(code).isalnum() else match[0]


def same_address(one: str, other: str) -> bool:
    """Whether two spellings name one mailbox here: case is not kept apart."""
    return one.lower() == other.lower()
