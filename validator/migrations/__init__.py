"""The tables, step by step: `versions/NNNN_name.py` in one line. Run at start, or by `validator db upgrade`.

Most starts find current tables, or no file yet. Both are settled here with the standard library alone: a new SQLite
file gets `tables.sql`, which is what all steps come to (`script.py` writes it, a test compares the two). Anything else
is `running`'s, with SQLAlchemy and Alembic.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from validator.store_file import existing_uri

FOLDER: Final = Path(__file__).parent
WAIT_MS: Final = 60_000
"""How long a process that starts waits for another one that is making the tables."""
_HAS_TABLES = "SELECT count(*) FROM sqlite_master"
_HAS_REVISION = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"


def head() -> str:
    """Revision that this version of the code needs: the number of the last file in `versions`."""
    return max(file.name.partition("_")[0] for file in FOLDER.glob("versions/[0-9]*_*.py"))


def is_current_file(path: Path) -> bool:
    """Whether a SQLite file has the tables of `head()` or newer ones; raises `sqlite3.Error` when it is unusable."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(existing_uri(path, "ro"), uri=True, timeout=WAIT_MS / 1000)) as connection:
        if connection.execute(_HAS_REVISION).fetchone() is None:
            return False
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        return str(found) >= head()


def make_file(path: Path) -> bool:
    """Make the tables of `head()` in a SQLite file that has none, in one transaction and under the file's lock.

    False, and nothing is done, when there are tables that need `running`. Raises `sqlite3.Error`.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        if connection.execute(_HAS_TABLES).fetchone() != (0,):
            return is_current_file(path)
        connection.execute("PRAGMA journal_mode = WAL")  # stays in the file: readers and the writer never wait
        connection.execute("BEGIN IMMEDIATE")  # closing the connection before the commit undoes all of it
        if connection.execute(_HAS_TABLES).fetchone() == (0,):
            now = {"now": time.time_ns() // 1_000}
            for statement in (FOLDER / "tables.sql").read_text("utf-8").split(";\n"):
                connection.execute(statement, now if ":now" in statement else {})
        connection.execute("COMMIT")
        return is_current_file(path)
