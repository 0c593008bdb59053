"""Files of counts that a full disk or memory cannot turn into the end of a process.

The library maps a file that has no room yet: the first touch of a page for which there is none is SIGBUS, for a worker
and for its supervisor. Here room is taken before it is touched. Where there is none, counts are kept in memory, and
seen by nobody, until there is room again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import ClassVar, Final

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = structlog.get_logger("validator.metric_files")

FIRST_BYTES: Final = 4096
"""Room of a new file; it doubles."""
AGAIN_S: Final = 5.0
"""From one attempt to get room to the next."""
TELL_EVERY_S: Final = 60.0
"""From one line in the log to the next."""


class MetricFile(MmapedDict):
    """The library's dictionary of doubles; never raises for want of room."""

    _told_again_at: ClassVar[float] = 0.0

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: ARG002 - as the library calls it
        self._name: Final = filename
        self._is_open = False
        self._positions: dict[str, int] = {}
        self._unsaved: dict[str, tuple[float, float]] = {}
        self._again_at = 0.0
        self._try(self._open)

    @property
    def is_whole(self) -> bool:
        """Everything that was written stands in the file."""
        return not self._unsaved

    def read_value(self, key: str) -> tuple[float, float]:
        """Value and time of *key*, which begins with 0."""
        if key not in self._positions:
            self.write_value(key, *self._unsaved.get(key, (0.0, 0.0)))
        if key in self._unsaved:
            return self._unsaved[key]
        found: tuple[float, float] = super().read_value(key)  # type: ignore[no-untyped-call]
        return found

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Write now, or as soon as there is room."""
        if key in self._positions:
            super().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
            return
        self._unsaved[key] = value, timestamp
        if time.monotonic() >= self._again_at:
            self._try(self._save)

    def close(self) -> None:
        """What found no room is gone."""
        if self._is_open:
            self._is_open = False
            super().close()  # type: ignore[no-untyped-call]

    def _save(self) -> None:
        if not self._is_open:
            self._open()
        for key, (value, timestamp) in list(self._unsaved.items()):
            self._init_value(key)
            super().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
            del self._unsaved[key]

    def _open(self) -> None:
        if not os.path.exists(self._name):
            made = f"{self._name}.new"  # nobody reads it until it has its room
            handle = os.open(made, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, FIRST_BYTES)
                os.rename(made, self._name)
            except OSError:
                os.unlink(made)
                raise
            finally:
                os.close(handle)
        super().__init__(self._name)  # type: ignore[no-untyped-call]
        self._is_open = True

    def _init_value(self, key: str) -> None:
        size = len(key.encode()) + 32  # as the library lays it out: length, key, padding, value, time
        capacity = self._capacity
        while self._used + size > capacity:
            capacity *= 2
        if capacity > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            now = time.monotonic()
            self._again_at = now + AGAIN_S
            if structlog.is_configured() and now >= MetricFile._told_again_at:
                MetricFile._told_again_at = now + TELL_EVERY_S
                log.warning("metrics.no_room", error=error.strerror)


def install() -> None:
    """Have the library use these files; before the first metric is made."""
    values.MmapedDict = MetricFile  # type: ignore[attr-defined]
