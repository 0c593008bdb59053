"""Commands work on the store that the settings name, and say so where it was not there."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.service import DEMO_ZONE
from validator.cli.main import build
from validator.errors import ValidatorError
from validator.migrations import head


def run(*words: str) -> Result:
    return CliRunner().invoke(build(), list(words))


@pytest.mark.parametrize("file", ["my data/list.db", "my%20data/list.db", "my data/list.db?cache=shared"])
def test_a_check_finds_the_blacklist_however_its_url_is_written(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my data").mkdir()
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", f"sqlite:///{tmp_path}/{file}")
    assert run("blacklist", "add", "anna@acme.test", "--cause", "complaint").exit_code == 0
    checked = run("check", "--zone", str(DEMO_ZONE), "--format", "json", "anna@acme.test")
    assert json.loads(checked.stdout)["reason"] == "blacklisted"


def test_a_store_that_was_not_there_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VALIDATOR_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    made = run("keys", "create", "shop")
    assert f"a new store: {tmp_path / 'validator.db'}" in made.stderr
    assert made.stdout.count("\n") == 1, "the key alone"
    assert "a new store" not in run("keys", "list").stderr


def test_keys_leave_the_tables_alone_where_those_are_made_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", f"sqlite:///{tmp_path}/apart.db")
    monkeypatch.setenv("VALIDATOR_MIGRATE", "false")
    refused = run("keys", "create", "shop")
    assert isinstance(refused.exception, ValidatorError)
    assert "validator db upgrade" in str(refused.exception)


def test_tables_that_are_newer_than_this_version_are_left_alone_and_told_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "validator.db"
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", f"sqlite:///{file}")
    assert run("db", "upgrade").stdout == f"tables are at revision {head()}\n"
    with contextlib.closing(sqlite3.connect(file)) as tables, tables:
        tables.execute("UPDATE alembic_version SET version_num = '9999'")
    assert run("db", "upgrade").stdout == "tables are at revision 9999\n"
    assert run("db", "status").stdout == f"tables: 9999, needed: {head()}\n"
