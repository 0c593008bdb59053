"""What workers counted that are gone: added up in one file each for counters and histograms.

In multiprocess mode every process has files of its own, and nobody takes those of the dead away: each reload or crash
would leave 150 KB in memory for good and make `/metrics` slower, until `/dev/shm` is full and the next write of a
counter ends its worker.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import multiprocess

from validator.server.metric_files import MetricFile

log = structlog.get_logger("validator.dead_workers")

KINDS: Final = ("counter", "histogram")
SUM: Final = "dead"


@contextmanager
def unchanging(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """No file is added up meanwhile: between two of them a sum would be too high or too low. *alone* to do that."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def bury(folder: Path, pid: int) -> None:
    """Its live gauges count no more, its counts go to the sum; a file that cannot be read stays where it is."""
    multiprocess.mark_process_dead(pid, path=str(folder))  # type: ignore[no-untyped-call]
    with unchanging(folder, alone=True):
        for kind in KINDS:
            file = folder / f"{kind}_{pid}.db"
            try:
                _add_up(file, folder / f"{kind}_{SUM}.db")
            except FileNotFoundError:
                continue
            except (OSError, RuntimeError, ValueError, struct.error) as error:
                log.warning("metrics.unreadable", kind=kind, error=type(error).__name__)


def _add_up(file: Path, total: Path) -> None:
    counted = list(MetricFile.read_all_values_from_file(str(file)))  # type: ignore[no-untyped-call]
    file.unlink()  # first: where memory is full, the sum needs its room
    with closing(MetricFile(str(total))) as sums:
        for key, value, moment, _ in counted:
            before, _ = sums.read_value(key)
            sums.write_value(key, before + value, moment)
        if not sums.is_whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
