"""Runs the steps that a database lacks, with SQLAlchemy and Alembic."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from validator.migrations import FOLDER, WAIT_MS, head

_LOCK = 7_263_541_990_021
"""Number of the PostgreSQL advisory lock that one migrating process holds."""


def current(url: str) -> str | None:
    """Revision of the tables in *url*; None for an empty database."""
    engine = _engine(url, writing=False)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def upgrade(url: str, target: str = "") -> tuple[str | None, str]:
    """Bring the tables to *target*, by default `head()`, in one transaction and under a lock: replicas start together.

    Answers the revisions before and after. A database that is newer than the code is left alone.
    """
    target = target or head()
    before = current(url)
    if before is not None and before >= target:
        return before, before
    engine = _engine(url, writing=True)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            before = _revision(connection)
            if before is None or before < target:
                _run(connection, target)
        return before, target
    finally:
        engine.dispose()


def _run(connection: Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _engine(url: str, *, writing: bool) -> Engine:
    parsed = make_url(url)
    if parsed.drivername.startswith("sqlite"):
        engine = create_engine(parsed.set(drivername="sqlite"), poolclass=NullPool)

        @event.listens_for(engine, "connect")
        def _prepare(connection: object, _record: object) -> None:
            connection.isolation_level = None  # type: ignore[attr-defined]
            connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")  # type: ignore[attr-defined]
            if writing:  # stays in the file: readers and the writer do not wait for each other
                connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return engine
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"), poolclass=NullPool, connect_args={"connect_timeout": 5}
    )
