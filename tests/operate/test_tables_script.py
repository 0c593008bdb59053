"""`tables.sql` is what all migrations come to, and a new file made from it is like one made by them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

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
