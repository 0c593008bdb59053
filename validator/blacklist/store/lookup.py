"""Chooses the hot look-up for a database."""

from __future__ import annotations

from validator.blacklist.store.hot import HotLookup
from validator.blacklist.store.hot_sqlite import SqliteLookup
from validator.database import Database


def hot_lookup(database: Database) -> HotLookup:
    """The look-up of *database*'s dialect, not started yet."""
    path = database.path
    if path is not None:
        return SqliteLookup(path)
    from validator.blacklist.store.hot_postgres import PostgresLookup

    return PostgresLookup(database.url, timeout_s=database.timeout_s)
