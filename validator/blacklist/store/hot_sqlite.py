"""The hot look-up on SQLite: a read-only connection of the standard library, used inside the event loop.

One key costs 2 to 10 µs, less than handing it to a thread. It reads what is committed and never waits for a writer.

Most of that price is the lock that each statement takes and gives back, two calls of the system. So the look-ups of one
turn of the event loop share a transaction, which sees what was committed when the second of them began. That is as
fresh as one by one: whoever was told of a later commit was told in a later place of the loop's queue than the end of
the transaction, and can ask only after it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson

from validator.blacklist.entry import Kind
from validator.blacklist.store.codes import KindCode
from validator.blacklist.store.hot import (
    COLUMNS,
    DECISIVE_COLUMNS,
    LISTS_QUERY,
    META_QUERY,
    Found,
    Override,
    Pair,
    Rules,
)
from validator.errors import StorageUnavailable
from validator.store_file import StoreFile, existing_uri, sqlite_word

CACHE_KIB: Final = 2_048
"""Pages that SQLite keeps itself, the upper ones of the index: the system keeps the file, and a page copied from there
is at hand faster than one that has left the cache of the processor. 16 MiB made a window a fifth slower."""
_FROM: Final = "JOIN blacklist_list l ON l.id = e.list_id"
PRESENT: Final = "SELECT 1 FROM blacklist_entry WHERE kind = ? AND key = ? AND state < 2"
"""Is there anything for one key: what most checks come to, at half the price of `ONE`."""
ONE: Final = f"SELECT {COLUMNS} FROM blacklist_entry e {_FROM} WHERE e.kind = ? AND e.key = ? AND e.state < 2"  # noqa: S608
"""One key; `state < 2` is active or archived."""
_NAME: Final = (
    "CASE e.list_id WHEN 1 THEN 'default' ELSE (SELECT name FROM blacklist_list l WHERE l.id = e.list_id) END"
)
_MANY: Final = " FROM json_each(?) w CROSS JOIN blacklist_entry e ON e.kind = ? AND e.key = w.value WHERE e.state < 2"
BULK: Final = f"SELECT {COLUMNS}{_MANY}".replace("l.name", _NAME)
"""Many keys of one kind: a JSON array costs less than as many parameters, and one statement does for any number.

Sorted keys visit the pages of the index in order. Nearly all entries are on list 1, whose name nobody can change.
"""
DECISIVE: Final = f"SELECT {DECISIVE_COLUMNS}{_MANY}".replace("l.name", _NAME)
"""The same without what decides nothing, which the index answers by itself."""
_FEW = 16
_ADDRESS: Final = int(KindCode.ADDRESS)
_DECISIVE_ONE: Final = (
    f"SELECT {DECISIVE_COLUMNS} FROM blacklist_entry e WHERE e.kind = {_ADDRESS} AND e.key = ? AND e.state < 2"  # noqa: S608
).replace("l.name", _NAME)
_FILE_STEP: Final = 1 << 40
"""Added to the version with every other file that is opened: a restored one may have the number of the old one."""


def many(count: int) -> str:
    """The query for *count* keys. `(kind, key) IN (VALUES …)` would read the whole table; a join uses the index."""
    values = ",".join(["(?,?)"] * count)
    return (
        f"WITH w(kind, key) AS (VALUES {values}) SELECT {COLUMNS} FROM w"  # noqa: S608
        f" CROSS JOIN blacklist_entry e ON e.kind = w.kind AND e.key = w.key {_FROM} WHERE e.state < 2"
    )


ALLOWED: Final = (
    "SELECT kind, key, expires, acknowledged FROM blacklist_allow WHERE kind = ? AND key = ? AND removed IS NULL"
)


class SqliteLookup:
    """`HotLookup` on a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop: asyncio.AbstractEventLoop
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None
        self._in_turn = 0
        """Look-ups of one key in this turn of the event loop."""
        self._queries = {count: many(count) for count in range(2, _FEW + 1)}
        self._data_version = -1
        self._rules_version = 0
        self._file: StoreFile | None = None
        self._files = -1

    async def start(self) -> None:
        """Open the file for reading; raises `StorageUnavailable`."""
        self._loop = asyncio.get_running_loop()
        with _translated():
            self._open()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                existing_uri(self._path, "ro"),
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=64,
                timeout=0.05,
            )
            with ExitStack() as unready:
                unready.callback(connection.close)
                connection.execute("PRAGMA query_only = ON")
                connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                self._file = StoreFile(self._path)
                unready.pop_all()
            self._files += 1
            self._connection = connection
        return self._connection

    async def find(self, pairs: Sequence[Pair]) -> list[Found]:
        """See `HotLookup.find`; a few keys are one statement, many are one for each kind."""
        if len(pairs) == 1:
            return self._find_one(pairs[0])
        with _translated():
            connection = self._open()
            query = self._queries.get(len(pairs))
            if query is not None:
                return [*map(Found._make, connection.execute(query, [value for pair in pairs for value in pair]))]
            by_kind: dict[int, list[str]] = {}
            for kind, key in pairs:
                by_kind.setdefault(kind, []).append(key)
            found: list[Found] = []
            for kind, keys in by_kind.items():
                found += _bulk(connection, kind, keys)
            return found

    async def find_addresses(self, keys: Sequence[str], *, details: bool = True) -> list[Found]:
        """See `HotLookup.find_addresses`; one statement for many."""
        if len(keys) == 1:
            return self._find_one((_ADDRESS, keys[0]), details=details)
        with _translated():
            return _bulk(self._open(), _ADDRESS, set(keys), BULK if details else DECISIVE)

    def _find_one(self, pair: Pair, *, details: bool = True) -> list[Found]:
        try:
            cursor = self._cursor or self._open().cursor()
            self._cursor = cursor
            self._in_turn = in_turn = self._in_turn + 1
            if in_turn == 1:  # by itself: one alone in its turn has nobody to share with
                self._loop.call_soon(self._end_turn)
            elif in_turn == 2:
                cursor.execute("BEGIN")
            if cursor.execute(PRESENT, pair).fetchone() is None:
                return []
            rows = cursor.execute(ONE, pair) if details else cursor.execute(_DECISIVE_ONE, pair[1:])
            return [Found._make(row) for row in rows]
        except sqlite3.Error as error:
            raise _unreadable(error) from error

    def _end_turn(self) -> None:
        self._in_turn = 0
        self._see_newest()

    def _see_newest(self) -> None:
        """End the transaction of this turn; the statement that comes next sees what is committed by then."""
        connection = self._connection
        if connection is not None and connection.in_transaction:
            with suppress(sqlite3.Error):  # what was only read is given back, whatever it says
                connection.rollback()

    async def overrides(self, pairs: Sequence[Pair]) -> list[Override]:
        """See `HotLookup.overrides`."""
        with _translated():
            connection = self._open()
            return [Override._make(row) for pair in pairs for row in connection.execute(ALLOWED, pair)]

    async def version(self) -> int:
        """See `HotLookup.version`: the table is read only when another connection has committed something.

        A file that was removed or replaced is let go here; look-ups fail until there is one again, and then read that.
        """
        if self._file is not None and not self._file.is_same():
            await self.aclose()
        self._see_newest()
        with _translated():
            connection = self._open()
            (data_version,) = connection.execute("PRAGMA data_version").fetchone()
            if data_version != self._data_version:
                (self._rules_version, *_) = connection.execute(META_QUERY).fetchone()
                self._data_version = data_version
            return self._rules_version + self._files * _FILE_STEP

    async def rules(self) -> Rules:
        """See `HotLookup.rules`."""
        self._see_newest()
        with _translated():
            connection = self._open()
            connection.execute("BEGIN")
            try:
                version, erasures, secret = connection.execute(META_QUERY).fetchone()
                widths = connection.execute("SELECT version, width FROM blacklist_width").fetchall()
                kinds = frozenset(
                    Kind[code.name]
                    for code in KindCode
                    if connection.execute("SELECT 1 FROM blacklist_entry WHERE kind = ? LIMIT 1", (code,)).fetchone()
                )
                allowing = connection.execute("SELECT 1 FROM blacklist_allow LIMIT 1").fetchone() is not None
                lists = frozenset(name for (name,) in connection.execute(LISTS_QUERY))
            finally:
                connection.execute("ROLLBACK")
            return Rules(
                version + self._files * _FILE_STEP,
                tuple(widths),
                kinds,
                erased=bool(erasures),
                secret=secret if erasures else None,
                allowing=allowing,
                lists=lists,
            )

    async def aclose(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._cursor = self._file = None
            self._data_version = -1


def _bulk(connection: sqlite3.Connection, kind: int, keys: Collection[str], query: str = BULK) -> list[Found]:
    rows = connection.execute(query, (orjson.dumps(sorted(keys)).decode(), kind)).fetchall()
    return [*map(Found._make, rows)]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unreadable(error) from error


def _unreadable(error: sqlite3.Error) -> StorageUnavailable:
    return StorageUnavailable(f"the store cannot be read now ({sqlite_word(error)})")
