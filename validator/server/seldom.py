"""Lines about what fails: the first ones of each second, then how many were left out.

A store that is away fails every request. A line for each would fill the disk of the machine that is ill already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LINES_PER_S: Final = 5


class Seldom:
    """Lets `LINES_PER_S` through in each second, and counts the rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """*clock* in seconds."""
        self._clock = clock
        self._second = -1
        self._lines = 0
        self._left_out = 0

    def admit(self) -> dict[str, int] | None:
        """What the line says besides: `left_out` since the one before, where there were any. None: no line."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines >= LINES_PER_S:
            self._left_out += 1
            return None
        self._lines += 1
        left_out, self._left_out = self._left_out, 0
        return {"left_out": left_out} if left_out else {}
