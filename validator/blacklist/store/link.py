"""Chooses the hot look-up and the bulk connection for a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from validator.blacklist.store.hot import HotLookup
from validator.blacklist.store.hot_sqlite import SqliteLookup
from validator.database import Database

if TYPE_CHECKING:
    from validator.blacklist.store.loading import Link


def hot_lookup(database: Database) -> HotLookup:
    """The look-up of *database*'s dialect, not started yet."""
    path = database.path
    if path is not None:
        return SqliteLookup(path)
    from validator.blacklist.store.hot_postgres import PostgresLookup

    return PostgresLookup(database.location.url, timeout_s=database.timeout_s)


def bulk_link(database: Database) -> Link:
    """A connection for bulk work; blocks while it connects. Raises `StorageUnavailable`."""
    path = database.path
    if path is not None:
        from validator.blacklist.store.load_sqlite import SqliteLink

        return SqliteLink(path, timeout_s=max(30.0, database.timeout_s))
    from validator.blacklist.store.load_postgres import PostgresLink

    return PostgresLink(database.location.url, timeout_s=database.timeout_s)
