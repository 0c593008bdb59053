"""One URL: SQLite by default, PostgreSQL for replicas. Engine, migrations at start under a lock, transactions.

Every failure of the store leaves here as `StorageUnavailable`; nothing above sees a driver's exception.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Dialect, SmallInteger, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from validator import metrics
from validator.errors import Conflict, SettingsError, StorageUnavailable
from validator.migrations import current, upgrade
from validator.store_file import StoreFile, existing_uri

__all__ = [
    "AsyncConnection",
    "Changed",
    "Coded",
    "Database",
    "Engine",
    "Instant",
    "parse_url",
    "revision_of",
    "translated",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FOREIGN: Final = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError, OSError)
_NO_DRIVER = "VALIDATOR_DATABASE_URL: install the extra `postgres` for a postgresql:// database"


class Engine(StrEnum):
    """Which database answers."""

    SQLITE = "sqlite"
    """A file beside the service; one writer at a time."""
    POSTGRESQL = "postgresql"
    """A server that several replicas share."""


class Changed(StrEnum):
    """What a transaction touched that somebody keeps in memory; reported to the listeners after its commit."""

    RULES = "rules"
    """A domain, mail host, network or allow-list rule, or the first erasure."""


Listener = Callable[[frozenset[Changed]], Awaitable[None]]


class Instant(TypeDecorator[datetime]):
    """A moment as whole microseconds since 1970 UTC: exact, sortable and the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Aware moment to number."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Number to aware moment."""
        return None if value is None else moment(value)


class Coded(TypeDecorator[Any]):
    """A member of an enum, stored as the small number that *codes* gives it; numbers are never reused."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, codes: type[IntEnum], values: type[StrEnum]) -> None:
        """*codes* and *values* have the same member names."""
        super().__init__()
        self.codes = codes
        self.values = values

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Member to number."""
        return None if value is None else int(self.codes[value.name])

    def process_result_value(self, value: int | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        """Number to member."""
        return None if value is None else self.values[self.codes(value).name]


def microseconds(value: datetime) -> int:
    """Whole microseconds since 1970 UTC of an aware moment."""
    return (value - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The aware moment of a number of microseconds since 1970 UTC."""
    return _EPOCH + timedelta(microseconds=value)


def parse_url(url: str) -> tuple[Engine, URL]:
    """Which database a URL names; raises `SettingsError`, which never shows the URL (it may hold a password)."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise SettingsError("VALIDATOR_DATABASE_URL: not a database URL") from error
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise SettingsError("VALIDATOR_DATABASE_URL: name a file, such as sqlite:///validator.db")
            return Engine.SQLITE, parsed.set(drivername="sqlite")
        case "postgresql" | "postgres":
            return Engine.POSTGRESQL, parsed.set(drivername="postgresql")
        case _:
            raise SettingsError("VALIDATOR_DATABASE_URL: only sqlite:/// and postgresql:// are understood")


def revision_of(url: str) -> str | None:
    """Revision of the tables; None for an empty database. Raises `StorageUnavailable`."""
    _, parsed = parse_url(url)
    with translated():
        return current(parsed.render_as_string(hide_password=False))


@contextmanager
def translated() -> Iterator[None]:
    """Turn what drivers and SQLAlchemy raise into our own errors; a bug in a statement stays what it is."""
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict("the store holds this already") from error
    except _FOREIGN as error:
        raise StorageUnavailable(_said(error)) from error
    except exc.DBAPIError as error:
        if type(error) is exc.DatabaseError:
            raise StorageUnavailable(_said(error)) from error
        raise
    except ModuleNotFoundError as error:
        raise SettingsError(_NO_DRIVER) from error


def _said(error: BaseException) -> str:
    """The class of a foreign error: its text can hold values of a row."""
    origin = getattr(error, "orig", None) or error
    return f"the store cannot be used now ({type(origin).__name__})"


class Database:
    """An open database. One writer at a time on SQLite; READ COMMITTED transactions on PostgreSQL."""

    def __init__(
        self,
        dialect: Engine,
        url: URL,
        writer: AsyncEngine,
        reader: AsyncEngine,
        *,
        timeout_s: float,
        erase_key: bytes | None,
    ) -> None:
        """Use `open`."""
        self.dialect: Final = dialect
        self.url: Final = url
        self.timeout_s: Final = timeout_s
        self.erase_key: Final = erase_key
        self._writer = writer
        self._reader = reader
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
        dialect, parsed = parse_url(url)
        with translated():
            if migrate:
                await asyncio.to_thread(upgrade, parsed.render_as_string(hide_password=False))
            if dialect is Engine.SQLITE:
                writer = _sqlite_engine(parsed, timeout_s, writing=True)
                reader = _sqlite_engine(parsed, timeout_s, writing=False)
            else:
                writer = reader = _postgres_engine(parsed, timeout_s)
        return cls(dialect, parsed, writer, reader, timeout_s=timeout_s, erase_key=erase_key)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None for a server."""
        return Path(self.url.database or "") if self.dialect is Engine.SQLITE else None

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
        async with self._connection(self._writer, timeout_s) as conn:
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
        async with self._connection(self._reader, timeout_s) as conn:
            conn.info["erase_key"] = self.erase_key
            async with conn.begin():
                yield conn

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine, timeout_s: float | None) -> AsyncIterator[AsyncConnection]:
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

    async def aclose(self) -> None:
        """Close every connection; errors of a server that is gone do not matter any more."""
        for engine in {self._writer, self._reader}:
            with contextlib.suppress(*_FOREIGN):
                await engine.dispose()


def _postgres_engine(url: URL, timeout_s: float) -> AsyncEngine:
    return create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=4,
        pool_timeout=timeout_s,
        pool_pre_ping=True,
        connect_args={"connect_timeout": max(2, int(timeout_s)), "application_name": "validator"},
    )


def _sqlite_engine(url: URL, timeout_s: float, *, writing: bool) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=1 if writing else 4,
        max_overflow=0,
        pool_timeout=timeout_s,
    )

    path = Path(url.database or "")

    @event.listens_for(engine.sync_engine, "do_connect")
    def _open_existing(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> None:
        arguments[0] = existing_uri(path, "rw")
        options["uri"] = True

    @event.listens_for(engine.sync_engine, "checkout")
    def _still_there(_connection: object, record: Any, _proxy: object) -> None:
        if not record.info["file"].is_same():
            raise exc.DisconnectionError("the file was removed or replaced")  # the pool opens what is there now

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        for pragma in _sqlite_pragmas(timeout_s, writing=writing):
            cursor.execute(pragma)
        cursor.close()
        record.info["file"] = StoreFile(path)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _sqlite_pragmas(timeout_s: float, *, writing: bool) -> tuple[str, ...]:
    """WAL is set once by the migration; FULL makes a commit outlive a power cut, not only a killed process."""
    shared = (f"PRAGMA busy_timeout = {int(timeout_s * 1000)}", "PRAGMA foreign_keys = ON", "PRAGMA cache_size = -8192")
    return (*shared, "PRAGMA synchronous = FULL") if writing else (*shared, "PRAGMA query_only = ON")
