"""Requests under way: how many there may be, and how long one may take. One sweep judges all of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog

from validator import metrics

SWEEP_S: Final = 0.5
"""Time between two looks; also how exactly a deadline is kept."""

log = structlog.get_logger("validator.load")


@dataclass(slots=True)
class Flight:
    """One request under way."""

    path: str
    """Route template."""
    started: float
    """Clock of `time.perf_counter`."""
    deadline_s: float
    """How long it may take; infinite for a stream."""
    timed_out: bool = False
    """The sweep has cancelled it."""


class Load:
    """Counts requests in and out and cancels those that take too long."""

    def __init__(self, *, most: int) -> None:
        self.most: Final = most
        self.leaving = False
        """The service stops: each answer says that its connection ends with it."""
        self.flights: Final[dict[asyncio.Task[object], Flight]] = {}
        self.loop: asyncio.AbstractEventLoop
        """Where the requests run; whoever names it asks the system for nothing."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Begin to sweep; needs a running loop."""
        self.loop = loop = asyncio.get_running_loop()
        self._due = loop.time() + SWEEP_S
        self._timer = loop.call_at(self._due, self._sweep, loop)

    def stop(self) -> None:
        """No further sweep."""
        metrics.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """A late timer is how busy the event loop is; flights over their deadline are cancelled."""
        now = loop.time()
        metrics.flush()
        metrics.LOOP_LAG.set(max(0.0, now - self._due))
        metrics.HTTP_IN_FLIGHT.set(len(self.flights))
        self._due = now + SWEEP_S
        self._timer = loop.call_at(self._due, self._sweep, loop)
        clock = time.perf_counter()
        for task, flight in self.flights.items():
            if clock - flight.started > flight.deadline_s and not flight.timed_out:
                flight.timed_out = True
                task.cancel()
                log.warning("request.too_slow", route=flight.path, seconds=round(clock - flight.started, 1))
