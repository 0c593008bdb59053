"""A file that is written by one process alone until it is whole and takes the place of another.

Two commands that write to one output would write into each other's rows, and each would call it done.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from validator.errors import RequestRefused


def partial_of(path: Path) -> Path:
    """What stands beside *path* until it is whole."""
    return path.with_name(f"{path.name}.partial")


def open_alone(partial: Path, *, wait: bool = False) -> IO[bytes]:
    """*partial* to write to, with whatever is in it, locked until it is closed or the process ends.

    While another process has it: waits, or raises `RequestRefused`. Rename or remove it before it is closed: whoever
    comes after that makes a file of its own.
    """
    while True:
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise RequestRefused(f"{partial}: another command is writing to it") from None
        except OSError:  # a file system without locks
            return file
        if _is_still(file, partial):
            return file
        file.close()  # it was finished in between


def _is_still(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def as_before(file: IO[bytes], target: Path) -> None:
    """Let nobody read or write *file* who could not read or write the *target* that it is to replace."""
    if target.exists():
        os.fchmod(file.fileno(), target.stat().st_mode & 0o7777 | 0o600)  # ours to go on with
