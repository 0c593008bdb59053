"""The folder in which the workers of one service count: made at the start, gone with the service.

A supervisor that is killed leaves its folder behind, in memory that belongs to the whole machine. The next start takes
such folders away; that of a service which lives is locked by whoever lives of it. Imports nothing of the metrics: they
choose their kind by the variable that is set here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "validator-metrics-"
OWNER: Final = "owner"
"""File that a supervisor and its workers keep locked: the lock goes with the last of them, however it ends."""
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a counter must not wait for a disk


@contextmanager
def metric_folder() -> Iterator[Path]:
    """Make the folder, name it in `PROMETHEUS_MULTIPROC_DIR`, and remove it in the end; forked processes do not."""
    parent = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    owner = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder / "made", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "made").rename(folder / OWNER)  # now it is seen, and locked already
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        yield folder
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    """Folders of ours that nobody locks any more; one without an owner's file is left alone."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # locked, somebody else's, or gone already
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
