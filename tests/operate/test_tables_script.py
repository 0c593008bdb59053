"""`tables.sql` is what all migrations come to, and a new file made from it is like one made by them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from validator import migrations
from validator.migrations.running import upgrade
from validator.migrations.script import script


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        statements = [" ".join(line.split()) for line in connection.iterdump()]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    return [line for line in statements if not line.startswith('INSERT INTO "blacklist_list"')]


def test_the_script_is_what_the_migrations_come_to() -> None:
    written = (migrations.FOLDER / "tables.sql").read_text("utf-8")
    assert written == script(), "python -m validator.migrations.script > validator/migrations/tables.sql"


def test_a_file_made_by_the_script_equals_one_that_was_migrated(tmp_path: Path) -> None:
    made, migrated = tmp_path / "made.db", tmp_path / "migrated.db"
    assert not migrations.is_current_file(made)
    assert migrations.make_file(made)
    upgrade(f"sqlite:///{migrated}")
    assert dump(made) == dump(migrated)
    assert migrations.is_current_file(made)
    with closing(sqlite3.connect(made)) as connection:
        ((created,),) = connection.execute("SELECT created FROM blacklist_list").fetchall()
    assert created > 1_700_000_000_000_000


def test_a_file_with_other_tables_is_left_to_the_migrations(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
        connection.commit()
    assert not migrations.is_current_file(path)
    assert not migrations.make_file(path)


def _enter(connection: sqlite3.Connection, key: str, state: int = 0) -> int:
    values = (0, key, 1, False, 1, state, 1_700_000_000_000_000, 7, 0)
    return connection.execute(
        "INSERT INTO blacklist_entry (kind, key, list_id, below, cause, state, created, batch_id, revision)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        values,
    ).rowcount


def test_entries_of_older_tables_are_all_there_and_still_once_each(tmp_path: Path) -> None:
    """`0004` makes the table of entries anew; what stood in it, its numbers and what keeps it single stay."""
    path = tmp_path / "old.db"
    upgrade(f"sqlite:///{path}", "0003")
    with closing(sqlite3.connect(path)) as connection:
        entered = [_enter(connection, key, state) for key, state in (("b@x.test", 0), ("a@x.test", 2), ("b@x.test", 1))]
        assert entered == [1, 1, 0]
        connection.execute("UPDATE blacklist_entry SET id = 70 WHERE key = 'a@x.test'")
        connection.commit()
        before = connection.execute("SELECT * FROM blacklist_entry ORDER BY id").fetchall()
    assert upgrade(f"sqlite:///{path}") == ("0003", migrations.head())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM blacklist_entry ORDER BY id").fetchall() == before
        assert [_enter(connection, key) for key in ("a@x.test", "b@x.test", "c@x.test", "c@x.test")] == [0, 0, 1, 0]
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE blacklist_entry SET key = 'b@x.test' WHERE key = 'c@x.test'")
        connection.execute("UPDATE blacklist_entry SET key = 'd@x.test' WHERE key = 'c@x.test'")
        assert connection.execute("SELECT id, key FROM blacklist_entry ORDER BY id").fetchall() == [
            (1, "b@x.test"), (70, "a@x.test"), (71, "d@x.test"),
        ]  # fmt: skip
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_old_table_is_not_copied_to_the_temporary_folder(tmp_path: Path) -> None:
    """That folder may be small, as in a container; a table that is dropped while full is copied there (4 MB here)."""
    path = tmp_path / "old.db"
    upgrade(f"sqlite:///{path}", "0003")
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "INSERT INTO blacklist_entry (kind, key, list_id, below, cause, state, created, revision)"
            " VALUES (0, ?, 1, FALSE, 1, 0, 1700000000000000, 0)",
            ((f"person{number:06}@example.com",) for number in range(40_000)),
        )
        connection.commit()
    sizes: list[int] = []

    def measure(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "DROP TABLE" in statement:
            opened = (Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd"))
            files = [file for file in opened if file.is_symlink() and "etilqs_" in str(file.readlink())]
            sizes.append(sum(file.stat().st_size for file in files))

    event.listen(Engine, "after_cursor_execute", measure)
    try:
        upgrade(f"sqlite:///{path}")
    finally:
        event.remove(Engine, "after_cursor_execute", measure)
    (copied,) = sizes
    assert copied < 500_000


def test_a_service_that_only_checks_imports_neither_sqlalchemy_nor_cryptography(tmp_path: Path) -> None:
    source = (
        "import asyncio, sys\n"
        "from pydantic import SecretStr\n"
        "from validator.runtime import open_runtime\n"
        "from validator.settings import Settings\n"
        "import validator.server.serving\n"
        "async def main():\n"
        f"    url = SecretStr('sqlite:///{tmp_path / 'new.db'}')\n"
        "    async with open_runtime(Settings(database_url=url, dns_zone_file='data/demo.zone')) as runtime:\n"
        "        await runtime.checker.check('somebody@gmail.com')\n"
        "        await runtime.health()\n"
        "        print(sorted({'sqlalchemy', 'alembic', 'cryptography'} & set(sys.modules)))\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", source], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
