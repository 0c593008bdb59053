"""An open database: transactions, and who is told after a commit.

Every failure of the store leaves here as `StorageUnavailable`; nothing above sees a driver's exception.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from validator import metrics, migrations
from validator.database.location import Location, locate
from validator.errors import StorageUnavailable
from validator.store_file import StoreFile, existing_uri, sqlite_word

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from validator.database.connecting import Engines


class Changed(StrEnum):
    """What a transaction touched that somebody keeps in memory; reported to the listeners after its commit."""

    RULES = "rules"
    """A domain, mail host, network or allow-list rule, or the first erasure."""


Listener = Callable[[frozenset[Changed]], Awaitable[None]]


def revision_of(url: str) -> str | None:
    """Revision of the tables; None for an empty database. Raises `StorageUnavailable`."""
    from validator.database.connecting import translated
    from validator.migrations.running import current

    with translated():
        return current(locate(url).url)


class Database:
    """An open database. One writer at a time on SQLite; READ COMMITTED transactions on PostgreSQL."""

    def __init__(self, location: Location, *, timeout_s: float, erase_key: bytes | None) -> None:
        """Use `open`."""
        self.location: Final = location
        self.timeout_s: Final = timeout_s
        self.erase_key: Final = erase_key
        self.made = False
        """There were no tables: it is the first start, or what should be here is elsewhere."""
        self._engines: Engines | None = None
        self._importing = asyncio.Lock()
        self._listeners: list[Listener] = []

    @classmethod
    async def open(
        cls, url: str, *, migrate: bool = True, timeout_s: float = 5.0, erase_key: bytes | None = None
    ) -> Database:
        """Open *url* and, unless told not to, bring its tables up to date under a lock.

        *timeout_s* bounds every wait for a connection, a lock or an answer; *erase_key* is the operator's own key for
        the hashes of erased addresses. Raises `SettingsError` for a URL that names no database and
        `StorageUnavailable` when it cannot be reached.
        """
        location = locate(url)
        made = False
        if migrate:
            made = await asyncio.to_thread(_bring_up_to_date, location)
        elif location.path is not None and not location.path.exists():
            raise StorageUnavailable("VALIDATOR_DATABASE_URL: there is no file yet; `validator db upgrade` makes one")
        database = cls(location, timeout_s=timeout_s, erase_key=erase_key)
        database.made = made
        return database

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None for a server."""
        return self.location.path

    def on_commit(self, listener: Listener) -> None:
        """Have *listener* told, after each commit, what the transaction marked with `mark`."""
        self._listeners.append(listener)

    async def committed(self, changed: frozenset[Changed]) -> None:
        """Tell the listeners; for writers that do not go through `transaction`."""
        for listener in self._listeners:
            await listener(changed)

    @staticmethod
    def mark(conn: AsyncConnection, change: Changed) -> None:
        """Note in the running transaction that something kept in memory changes with it."""
        conn.info.setdefault("changed", set()).add(change)

    @asynccontextmanager
    async def transaction(self, *, timeout_s: float | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write; committed at the end, rolled back when the body raises.

        Acknowledge nothing before the block has ended. Raises `StorageUnavailable`, also when *timeout_s* is over and
        when the file of a SQLite database was taken away or replaced while it was open.
        """
        engines = await self._opened()
        async with self._connection(engines.writer, timeout_s) as conn:
            conn.info["changed"] = set()
            conn.info["erase_key"] = self.erase_key
            file: StoreFile | None = conn.info.get("file")
            async with conn.begin():
                yield conn
                if file is not None:
                    file.require_same()
            if file is not None:  # once more: it may have gone during the commit
                file.require_same()
            changed = frozenset(conn.info["changed"])
        if changed:
            await self.committed(changed)

    @asynccontextmanager
    async def reading(self, *, timeout_s: float | None = None) -> AsyncIterator[AsyncConnection]:
        """One consistent view for reading; never waits for a writer on SQLite."""
        engines = await self._opened()
        async with self._connection(engines.reader, timeout_s) as conn:
            conn.info["erase_key"] = self.erase_key
            async with conn.begin():
                yield conn

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """Rows of a small constant *query*, for what is read again and again in the background.

        Goes past SQLAlchemy on SQLite, where that costs microseconds and needs none of its import.
        """
        path = self.location.path
        if path is None:
            async with self.reading() as conn:
                return list((await conn.exec_driver_sql(query)).all())
        try:
            return _read_file(path, query)
        except sqlite3.Error as error:
            metrics.STORE_UNAVAILABLE.labels("transaction").inc()
            raise StorageUnavailable(f"the store cannot be read now ({sqlite_word(error)})") from error

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine, timeout_s: float | None) -> AsyncIterator[AsyncConnection]:
        from validator.database.connecting import translated

        deadline = asyncio.timeout(self.timeout_s if timeout_s is None else timeout_s)
        try:
            async with deadline:
                with translated():
                    async with engine.connect() as conn:
                        yield conn
        except StorageUnavailable:
            metrics.STORE_UNAVAILABLE.labels("transaction").inc()
            raise
        except TimeoutError as error:
            if not deadline.expired():
                raise
            metrics.STORE_UNAVAILABLE.labels("transaction").inc()
            raise StorageUnavailable("the store did not answer in time") from error

    async def _opened(self) -> Engines:
        """The engines, made with the first transaction; the import goes on beside the checks of the event loop."""
        if self._engines is None:
            async with self._importing:
                if self._engines is None:
                    self._engines = await asyncio.to_thread(_make_engines, self.location, self.timeout_s)
        return self._engines

    async def aclose(self) -> None:
        """Close every connection."""
        if self._engines is not None:
            await self._engines.dispose()


_CANNOT_BE_USED: Final = "VALIDATOR_DATABASE_URL: the store cannot be used now"


def _make_engines(location: Location, timeout_s: float) -> Engines:
    from validator.database.connecting import Engines

    return Engines(location, timeout_s)


def _read_file(path: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(existing_uri(path, "ro"), uri=True, isolation_level=None, timeout=0.05)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _bring_up_to_date(location: Location) -> bool:
    """Run what is missing; a SQLite file that is new or current needs no Alembic for it. True: there were no tables."""
    if location.path is not None:
        if not location.path.absolute().parent.is_dir():
            raise StorageUnavailable("VALIDATOR_DATABASE_URL: the folder of the file is not there")
        if location.path.is_dir():
            raise StorageUnavailable("VALIDATOR_DATABASE_URL: a folder stands where the file should be")
        is_new = not location.path.exists()
        try:
            if migrations.is_current_file(location.path) or migrations.make_file(location.path):
                return is_new
        except sqlite3.Error as error:
            if not location.path.exists() and not os.access(location.path.absolute().parent, os.W_OK):
                raise StorageUnavailable(
                    "VALIDATOR_DATABASE_URL: the folder of the file cannot be written to"
                ) from error
            raise StorageUnavailable(f"{_CANNOT_BE_USED} ({sqlite_word(error)})") from error
    from validator.database.connecting import translated
    from validator.migrations.running import upgrade

    try:
        with translated():
            before, _ = upgrade(location.url)
    except StorageUnavailable as error:
        raise StorageUnavailable(f"VALIDATOR_DATABASE_URL: {error}") from error
    return before is None
