"""A place where no store can be is named in words, before SQLite's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from validator.cli.main import build
from validator.errors import StorageUnavailable


def refusal(path: Path) -> str:
    result = CliRunner().invoke(build(), ["db", "upgrade"], env={"VALIDATOR_DATABASE_URL": f"sqlite:///{path}"})
    assert isinstance(result.exception, StorageUnavailable)
    return str(result.exception)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "VALIDATOR_DATABASE_URL: a folder stands where the file should be"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert refusal(tmp_path / "new.db") == "VALIDATOR_DATABASE_URL: the folder of the file cannot be written to"
