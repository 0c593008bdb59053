"""What people ask of the list: which entries, and what they are counted by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from validator.blacklist.entry import BLOCKING, Cause, Kind, State

SEEN = (State.ACTIVE,)
"""States that a listing shows when none is asked for."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; every given part must hold, an empty one says nothing."""

    kinds: Sequence[Kind] = ()
    """Any of these kinds."""
    causes: Sequence[Cause] = ()
    """Any of these causes."""
    states: Sequence[State] = field(default=SEEN)
    """Any of these states."""
    lists: Sequence[str] = ()
    """On any of these lists."""
    source: str | None = None
    """Exactly this source, as an entry shows it: `import:7` also where that came with an export of another store."""
    batch: str | None = None
    """Entered by the import with this identifier."""
    domain: str | None = None
    """Addresses at this domain, and rules about it; lower-case A-labels."""
    text: str | None = None
    """Part of the key or of the note, in any case; on PostgreSQL as far as the locale of the database knows letters."""
    since: datetime | None = None
    """Entered at or after."""
    until: datetime | None = None
    """Entered before."""
    expired: bool | None = None
    """Only what has expired, or only what has not."""
    overridden: bool | None = None
    """Only what the allow-list overrides for everybody it speaks about, or only what it does not."""


EVERYTHING: Final = (State.ACTIVE, State.ARCHIVED, State.REMOVED)
"""States of all there is; what an undone import made is as if it had never been."""
NOW_BLOCKING: Final = Filter(states=tuple(sorted(BLOCKING)), expired=False, overridden=False)
"""What makes a check say no now."""


class Group(StrEnum):
    """What entries are counted by."""

    CAUSE = "cause"
    """Why they are there."""
    KIND = "kind"
    """What they speak about."""
    SOURCE = "source"
    """Where they came from."""
    LIST = "list"
    """The named list."""
    STATE = "state"
    """Whether they are seen and block."""
    DAY = "day"
    """The UTC day they were entered."""
