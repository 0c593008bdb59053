"""Schemathesis against the live server: what OpenAPI says is what happens, and nothing is ever a 500."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.live import ROOT, live_service


def test_schemathesis_finds_no_failure(tmp_path: Path) -> None:
    schemathesis = Path(sys.executable).with_name("schemathesis")
    with live_service(tmp_path) as (base, process):
        done = subprocess.run(
            [
                schemathesis,
                "run",
                str(ROOT / "openapi.yaml"),
                "--url",
                base,
                "--checks",
                "all",
                "--seed",
                "1",
                "--max-examples",
                "20",
                "--phases",
                "examples,coverage,fuzzing",
                "--no-color",
            ],  # fmt: skip
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.poll() is None
    assert done.returncode == 0, done.stdout[-8000:]
    log = (tmp_path / "live.log").read_text("utf-8")
    assert "request.bug" not in log
