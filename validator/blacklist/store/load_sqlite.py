"""Bulk load on SQLite: `executemany` into a temporary table, which takes no lock that others wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from validator.blacklist.store.block import STAGE_COLUMNS, Part, StagedRun
from validator.errors import StorageUnavailable
from validator.store_file import StoreFile, existing_uri, sqlite_word

_FILL = f"INSERT INTO stage ({', '.join(STAGE_COLUMNS)}) VALUES ({', '.join('?' * len(STAGE_COLUMNS))})"  # noqa: S608
_KEY = STAGE_COLUMNS.index("key")
_FILL_RUN = (
    f"INSERT INTO stage ({', '.join(STAGE_COLUMNS)}) SELECT"  # noqa: S608
    f" {', '.join('w.value' if name == 'key' else '?' for name in STAGE_COLUMNS)} FROM json_each(?) w ORDER BY w.id"
)
"""A JSON array is taken apart inside SQLite, at a tenth of the price of one statement a row, and without the GIL."""


class SqliteLink:
    """`Link` on a SQLite file."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        """Open the file; raises `StorageUnavailable`."""
        with translated(), ExitStack() as unready:
            self._connection = sqlite3.connect(
                existing_uri(path, "rw"), uri=True, isolation_level=None, check_same_thread=False, timeout=timeout_s
            )
            unready.callback(self._connection.close)
            self._file = StoreFile(path)
            for statement in (
                "PRAGMA synchronous = FULL",
                "PRAGMA cache_size = -65536",
                "PRAGMA wal_autocheckpoint = 16384",
                f"CREATE TEMP TABLE stage (id INTEGER PRIMARY KEY, {', '.join(STAGE_COLUMNS)})",
                "CREATE TEMP TABLE plan (stage_id INTEGER PRIMARY KEY, entry_id, action, heavier)",
                "CREATE TEMP TABLE seen (kind, key, list_id, PRIMARY KEY (kind, key, list_id)) WITHOUT ROWID",
            ):
                self._connection.execute(statement)
            unready.pop_all()

    def run(self, statement: str, values: Mapping[str, object] | None = None) -> int:
        """See `Link.run`."""
        return self._connection.execute(statement, dict(values or {})).rowcount

    def run_many(self, statement: str, values: Sequence[Mapping[str, object]]) -> None:
        """See `Link.run_many`."""
        self._connection.executemany(statement, values)

    def rows(self, statement: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """See `Link.rows`."""
        with translated():
            return self._connection.execute(statement, dict(values or {})).fetchall()

    def stage(self, parts: Sequence[Part]) -> None:
        """See `Link.stage`."""
        with translated(), self._within("BEGIN"):
            self._connection.execute("DELETE FROM stage")
            self._connection.execute("DELETE FROM plan")
            for part in parts:
                if isinstance(part, StagedRun):
                    keys = "".join(part.text).removesuffix("\n").replace("\n", '","')
                    self._connection.execute(_FILL_RUN, (*part.row[:_KEY], *part.row[_KEY + 1 :], f'["{keys}"]'))
                else:
                    self._connection.executemany(_FILL, part)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Link.transaction`."""
        with translated(), self._within("BEGIN IMMEDIATE"):
            yield
            self._file.require_same()
        self._file.require_same()  # once more: it may have gone during the commit

    @contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:  # it did not come to the commit, or that failed
                self._connection.execute("ROLLBACK")

    def locking(self, alias: str) -> str:  # noqa: ARG002
        """See `Link.locking`: the transaction has the whole file already."""
        return ""

    def close(self) -> None:
        """See `Link.close`."""
        self._connection.close()


@contextmanager
def translated() -> Iterator[None]:
    """Foreign errors as ours; a wrong statement stays what it is."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.Error as error:
        raise StorageUnavailable(f"the store cannot be used now ({sqlite_word(error)})") from error
