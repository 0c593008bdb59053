"""Everything about the list that is not a look-up, put together; imported with its first use, SQLAlchemy with it."""

from __future__ import annotations

from typing import Final

from validator.blacklist.allowlist import AllowList
from validator.blacklist.blocked import Blocked
from validator.blacklist.clock import Clock
from validator.blacklist.companion import Companion
from validator.blacklist.counting import Counting
from validator.blacklist.entries import Entries
from validator.blacklist.erasing import Erasing
from validator.blacklist.exporting import Exporting
from validator.blacklist.guard import Guard
from validator.blacklist.importing import Classify
from validator.blacklist.imports import Imports
from validator.blacklist.removal import Removal
from validator.database import Database


class Parts:
    """One object per subject, over one database."""

    def __init__(
        self,
        database: Database,
        guard: Guard,
        clock: Clock,
        classify: Classify | None,
        blocked: Blocked,
        companion: Companion | None,
    ) -> None:
        self.entries: Final = Entries(database, guard, clock)
        self.imports: Final = Imports(database, guard, clock, classify)
        self.allowlist: Final = AllowList(database, guard, clock)
        self.removal: Final = Removal(database, clock)
        self.erasing: Final = Erasing(database, clock, companion)
        self.counting: Final = Counting(database, clock, blocked, companion)
        self.exporting: Final = Exporting(database, clock)
