"""Writes `tables.sql`: `python -m validator.migrations.script > validator/migrations/tables.sql` after a new step."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from validator.migrations.running import upgrade

_STAMPED = {"blacklist_list": "created"}
"""Columns whose value is the moment at which the tables are made."""


def script() -> str:
    """The statements that make an empty SQLite file what all steps together make of it."""
    with tempfile.TemporaryDirectory(prefix="validator-") as folder:
        path = Path(folder) / "made.db"
        upgrade(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as connection:
            return ";\n".join([*_definitions(connection), *_rows(connection)]) + ";\n"


def _definitions(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    return [_laid_out(sql) for (sql,) in connection.execute(query)]


def _laid_out(sql: str) -> str:
    first, *columns = (line.strip() for line in sql.splitlines())
    return "\n".join([first, *(column if column == ")" else f"  {column}" for column in columns)])


def _rows(connection: sqlite3.Connection) -> list[str]:
    statements = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall():
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        quoted = ", ".join("':now'" if _STAMPED.get(table) == name else f"quote({name})" for name in columns)
        for values in connection.execute(f"SELECT {quoted} FROM {table}"):  # noqa: S608 - names of our own tables
            statements.append(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(values)})")  # noqa: S608
    return statements


if __name__ == "__main__":
    sys.stdout.write(script())
