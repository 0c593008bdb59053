"""`validator classify` and `validator feedback` from the command line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from tests.feedback.test_message import _dsn
from validator.cli.main import build

RUN = CliRunner()


def test_replies_are_classified_line_by_line() -> None:
    done = RUN.invoke(build(), ["classify", "-"], input="550 5.1.1 User unknown\n\nEnvelope blocked\n")
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["mailbox_not_found", "sender_rejected"]
    assert done.exit_code == 0
    assert RUN.invoke(build(), ["classify", "-"], input="gibberish\n").exit_code == 3


def test_a_message_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "bounce.eml"
    file.write_bytes(_dsn())
    done = RUN.invoke(build(), ["classify", str(file), "--format", "json"])
    row = orjson.loads(done.stdout)
    assert (row["recipient"], row["reason"]) == ("ivan@far.example", "mailbox_not_found")
    assert RUN.invoke(build(), ["classify", str(tmp_path / "none")]).exit_code == 2


def test_replay_and_notices_run_on_an_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", f"sqlite:///{tmp_path}/v.db")
    done = RUN.invoke(build(), ["feedback", "replay", "--dry-run"])
    assert done.exit_code == 0
    assert "0 addresses with events" in done.output
    assert "dead 0" in RUN.invoke(build(), ["feedback", "notices"]).output
