"""Is the SQLite file that a connection opened still the one that its path names?

A file that is removed or replaced under a running process lives on without a name: SQLite would go on writing into it,
and everything that was acknowledged would be gone with the process.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from validator.errors import StorageUnavailable


class StoreFile:
    """Remembers device, inode and size of a file that was just opened; one `stat` per question."""

    def __init__(self, path: Path) -> None:
        """Make it right after the file was opened; raises `StorageUnavailable` when the path names nothing."""
        self._path = path
        try:
            found = path.stat()
        except OSError as error:
            raise StorageUnavailable("the file of the store is not there") from error
        self._identity = (found.st_dev, found.st_ino)
        self._size = found.st_size

    def is_same(self) -> bool:
        """Whether the path names the opened file, and that was not cut shorter since the last look."""
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        size, self._size = self._size, found.st_size
        return (found.st_dev, found.st_ino) == self._identity and found.st_size >= size

    def require_same(self) -> None:
        """Raise `StorageUnavailable` when what is written would not be found again."""
        if not self.is_same():
            raise StorageUnavailable("the file of the store was removed, replaced or cut short while it was open")


def sqlite_word(error: sqlite3.Error) -> str:
    """What an error of SQLite is, in its own words: its text can hold values of a row, these cannot."""
    return ", ".join(filter(None, (type(error).__name__, getattr(error, "sqlite_errorname", ""))))


def existing_uri(path: Path, mode: str) -> str:
    """The URI that opens *path* without ever making an empty file in its place; *mode* is `rw` or `ro`."""
    return f"file:{quote(str(path.absolute()))}?mode={mode}"
