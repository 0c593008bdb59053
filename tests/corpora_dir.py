"""Where the shared corpora are; tests that need them skip, saying so, in a checkout that has none."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(os.environ.get("VALIDATOR_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")


def corpora(*parts: str) -> Path:
    """The path of a corpus file or folder; skips the test when it is not there."""
    path = _ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no corpus {'/'.join(parts)} beside this checkout")
    return path


def tsv(*parts: str) -> Iterator[dict[str, str]]:
    """The rows of a corpus table: header line, tab-separated, no quoting."""
    with corpora(*parts).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
