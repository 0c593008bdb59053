"""Time limits for many things at the price of one timer: a timing wheel, swept at a fixed pace while it holds anything.

Adding gives back the bucket, a set, from which the owner takes a thing that is finished early: both cost nanoseconds,
and nothing that is finished stays in memory until its limit has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

SWEEP_S = 0.025
"""The pace, and so the precision of every limit kept here."""

STALL_S = 0.1
"""A sweep that comes later than this finds an event loop that was busy, not a world that was silent."""

Item = TypeVar("Item")


class Wheel(Generic[Item]):
    """Items by the tick they are due in."""

    def __init__(
        self,
        on_due: Callable[[Item, float], None],
        clock: Callable[[], float],
        on_tick: Callable[[float], bool] | None = None,
    ) -> None:
        """*on_due* is given each item and the time, never before the item is due and at most a tick later.

        *on_tick* is called at every sweep and says whether the sweeping has to go on although nothing is held.
        """
        self._on_due = on_due
        self._on_tick = on_tick
        self._clock = clock
        self._buckets: dict[int, set[Item]] = {}
        self._swept = int(clock() / SWEEP_S)
        self._expected = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to sweep, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._swept = int(self._clock() / SWEEP_S)
        if self._buckets:
            self._arm()

    def stop(self) -> None:
        """Stop sweeping and forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop = None
        self._buckets.clear()

    def add(self, due: float, item: Item) -> set[Item]:
        """Hand *item* over once *due* has passed, unless it has been discarded from the bucket by then."""
        tick = int(due / SWEEP_S)
        tick = tick + 1 if tick > self._swept else self._swept + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {item}
        else:
            bucket.add(item)
        if self._timer is None:
            self._arm()
        return bucket

    def held(self) -> list[Item]:
        """Everything that waits for its time."""
        return [item for bucket in self._buckets.values() for item in bucket]

    def watch(self) -> None:
        """Sweep, at least once."""
        if self._timer is None:
            self._arm()

    def _arm(self) -> None:
        if self._loop is not None:
            self._expected = self._clock() + SWEEP_S
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        now = self._clock()
        if now - self._expected > STALL_S and self._loop is not None:
            # the loop stood still: what has arrived meanwhile is read before anything is called late
            self._expected = now
            self._timer = self._loop.call_later(SWEEP_S / 2, self._sweep)
            return
        tick = int(now / SWEEP_S)
        for at in sorted(at for at in self._buckets if at <= tick):
            self._swept = max(self._swept, at)
            for item in list(self._buckets.pop(at)):
                self._on_due(item, now)
        self._swept = max(self._swept, tick)
        goes_on = self._on_tick is not None and self._on_tick(now)
        self._timer = None
        if self._buckets or goes_on:
            self._arm()
