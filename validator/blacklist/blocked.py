"""Which entries made checks say no: remembered here at no cost, written every few seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from validator.blacklist.clock import Clock
from validator.blacklist.entry import Hit

MAX_NOTED = 100_000
"""Most entries whose blocks are remembered between two writes; further ones are not counted."""


class Blocked:
    """Entry number -> how often since the last write, and when last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noted: dict[int, tuple[int, datetime]] = {}

    def __bool__(self) -> bool:
        return bool(self._noted)

    def note(self, hits: Iterable[Hit]) -> None:
        """Count these entries, unless the allow-list overrode them."""
        now = self._clock()
        for hit in hits:
            key = int(hit.entry_id)
            if not hit.overridden and (key in self._noted or len(self._noted) < MAX_NOTED):
                self._noted[key] = (self._noted.get(key, (0, now))[0] + 1, now)

    def take(self) -> dict[int, tuple[int, datetime]]:
        """Hand over what is remembered, and forget it."""
        noted, self._noted = self._noted, {}
        return noted

    def give_back(self, noted: Mapping[int, tuple[int, datetime]]) -> None:
        """Remember again what could not be written."""
        for key, (times, last) in noted.items():
            self._noted[key] = (self._noted.get(key, (0, last))[0] + times, last)
