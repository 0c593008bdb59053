"""SQLAlchemy's side of a database: its engines, and its exceptions as ours. Imported with the first transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from validator.database.location import Location
from validator.errors import Conflict, SettingsError, StorageUnavailable
from validator.store_file import StoreFile, existing_uri

__all__ = ["AsyncConnection", "Engines", "translated"]

_FOREIGN: Final = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError, OSError)
_NO_DRIVER = "VALIDATOR_DATABASE_URL: install the extra `postgres` for a postgresql:// database"


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
    """The class of a foreign error and SQLite's word for it: its text can hold values of a row."""
    origin = getattr(error, "orig", None) or error
    words = [type(origin).__name__, getattr(origin, "sqlite_errorname", "")]
    return f"the store cannot be used now ({', '.join(filter(None, words))})"


class Engines:
    """The connections of one process: on SQLite one that writes and some that read, on PostgreSQL one pool."""

    def __init__(self, location: Location, timeout_s: float) -> None:
        """Connects to nothing yet. Raises `SettingsError` when the driver is not installed."""
        with translated():
            if location.path is not None:
                self.writer = _sqlite_engine(location, location.path, timeout_s, writing=True)
                self.reader = _sqlite_engine(location, location.path, timeout_s, writing=False)
            else:
                self.writer = self.reader = _postgres_engine(location, timeout_s)

    async def dispose(self) -> None:
        """Close every connection; errors of a server that is gone do not matter any more."""
        for engine in {self.writer, self.reader}:
            with contextlib.suppress(*_FOREIGN):
                await engine.dispose()


def _postgres_engine(location: Location, timeout_s: float) -> AsyncEngine:
    from validator.database.postgres import connect

    return create_async_engine(
        make_url(location.url).set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=4,
        pool_timeout=timeout_s,
        pool_pre_ping=True,
        connect_args={
            "async_creator_fn": connect,
            "connect_timeout": max(2, int(timeout_s)),
            "application_name": "validator",
        },
    )


def _sqlite_engine(location: Location, path: Path, timeout_s: float, *, writing: bool) -> AsyncEngine:
    engine = create_async_engine(
        make_url(location.url).set(drivername="sqlite+aiosqlite"),
        pool_size=1 if writing else 4,
        max_overflow=0,
        pool_timeout=timeout_s,
    )

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
        connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows the letters A to Z
        cursor = connection.cursor()
        for pragma in _sqlite_pragmas(timeout_s, writing=writing):
            cursor.execute(pragma)
        cursor.close()
        record.info["file"] = StoreFile(path)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _lower(value: object) -> object:
    """Text in lower case, whatever its script; anything else as it is."""
    return value.lower() if isinstance(value, str) else value


def _sqlite_pragmas(timeout_s: float, *, writing: bool) -> tuple[str, ...]:
    """WAL is set once by the migration; FULL makes a commit outlive a power cut, not only a killed process."""
    shared = (f"PRAGMA busy_timeout = {int(timeout_s * 1000)}", "PRAGMA foreign_keys = ON", "PRAGMA cache_size = -8192")
    return (*shared, "PRAGMA synchronous = FULL") if writing else (*shared, "PRAGMA query_only = ON")
