"""Schemathesis against the live server: what OpenAPI says is what happens, and nothing is ever a 500."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import ROOT, live_service

RUNS = {
    "everything else": ("--exclude-path-regex", "^/(check/stream|blacklist|allowlist|events$)"),
    # A CSV without a recognisable address column is refused as a whole: a rule between the query and the first line of
    # the body, which OpenAPI cannot say; every other check applies.
    "the stream": ("--include-path", "/check/stream", "--exclude-checks", "positive_data_acceptance"),
    # Whether a text is an address, a domain or a network is more than a schema says; so is whether one event of a
    # list fits, without which the list is refused.
    "the lists": (
        "--include-path-regex",
        "^/(blacklist|allowlist|events$)",
        "--exclude-checks",
        "positive_data_acceptance",
    ),
}


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_schemathesis_finds_no_failure(tmp_path: Path, words: tuple[str, ...]) -> None:
    schemathesis = Path(sys.executable).with_name("schemathesis")
    command = [
        schemathesis, "run", str(ROOT / "openapi.yaml"), "--seed", "1", "--max-examples", "15", "--no-color",
        "--phases", "examples,coverage,fuzzing", *words,
    ]  # fmt: skip
    with live_service(tmp_path) as (base, process):
        done = subprocess.run([*command, "--url", base], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert process.poll() is None
    assert done.returncode == 0, done.stdout[-8000:]
    assert "request.bug" not in (tmp_path / "live.log").read_text("utf-8")
