"""Schemathesis against the live server: what OpenAPI says is what happens, and nothing is ever a 500."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import examples
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


SECRET = "a-secret-of-more-than-twenty-characters"
KEYED = {
    # `ignored_auth` takes the key away and expects a refusal: of every operation that is described as needing one.
    "with a key": (
        "--header", f"Authorization: Bearer {SECRET}", "--include-path-regex", "^/(check$|reasons|classify|v1)",
    ),
    "with a key, refusing those without": (
        "--header", f"Authorization: Bearer {SECRET}", "--checks", "ignored_auth,not_a_server_error",
        "--phases", "examples,coverage",  # whether a key is asked for does not hang on the body
    ),
    "without the key that is needed": (
        "--checks", "not_a_server_error,response_schema_conformance,content_type_conformance",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_schemathesis_finds_no_failure(tmp_path: Path, words: tuple[str, ...]) -> None:
    explore(tmp_path, examples(8), *words)


@pytest.mark.parametrize("words", KEYED.values(), ids=KEYED)
def test_schemathesis_finds_no_failure_where_keys_are_needed(tmp_path: Path, words: tuple[str, ...]) -> None:
    explore(tmp_path, examples(4), *words, keys=f"all:{SECRET}:*", rate_limit_per_key="")


def explore(folder: Path, number: int, *words: str, **settings: str) -> None:
    """Run it against a service with *settings*."""
    schemathesis = Path(sys.executable).with_name("schemathesis")
    command = [
        schemathesis, "run", str(ROOT / "openapi.yaml"), "--seed", "1", "--max-examples", str(number), "--no-color",
        "--phases", "examples,coverage,fuzzing", *words,
    ]  # fmt: skip
    with live_service(folder, **settings) as (base, process):
        done = subprocess.run([*command, "--url", base], cwd=folder, capture_output=True, text=True, check=False)
        assert process.poll() is None
    assert done.returncode == 0, done.stdout[-8000:]
    assert "request.bug" not in (folder / "live.log").read_text("utf-8")
