"""What the parts of the blacklist take and answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from validator.blacklist.entry import Entry, Kind


class Recorded(StrEnum):
    """What entering something came to."""

    ADDED = "added"
    """It was not there."""
    CHANGED = "changed"
    """It was there and is different now."""
    REVIVED = "revived"
    """It had been removed and blocks again."""
    UNCHANGED = "unchanged"
    """It was there and stays as it was."""
    KEPT_REMOVED = "kept_removed"
    """It had been removed and was not asked to come back."""


@dataclass(frozen=True, slots=True)
class ListInfo:
    """A named list."""

    name: str
    """Its name."""
    note: str
    """For people."""
    actor: str
    """Who made it."""
    created: datetime
    """When."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """An address or domain that is known to be good."""

    id: str
    """Stable identifier."""
    kind: Kind
    """`address` or `domain`."""
    key: str
    """The form that is compared."""
    value: str
    """The form to show."""
    note: str
    """How it is known."""
    actor: str
    """Who said so."""
    created: datetime
    """Since when."""
    expires: datetime | None
    """Until when; None for good."""
    acknowledged: bool
    """Overrides complaints, unsubscribes and manual entries as well: somebody took the responsibility for that."""
    removed: datetime | None
    """When it was taken off the list again."""


class Keep:
    """The type of `KEEP`."""


KEEP = Keep()
"""Leave this field as it is (None means: empty it)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and where the next ones begin."""

    entries: tuple[Entry, ...]
    """Newest first."""
    cursor: str | None
    """Hand it back for the next page; None when this was the last."""
