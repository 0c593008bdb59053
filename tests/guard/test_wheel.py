"""The wheel: the same bytes whenever it is built, with the data inside and nothing of the tests."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> Path:
    """A wheel of this checkout in *folder*."""
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "No module named" in done.stderr:
        pytest.skip("this environment has no build backend")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_two_builds_are_equal_and_complete(tmp_path: Path) -> None:
    one, two = build(tmp_path / "one"), build(tmp_path / "two")
    assert hashlib.sha256(one.read_bytes()).hexdigest() == hashlib.sha256(two.read_bytes()).hexdigest()
    names = set(zipfile.ZipFile(one).namelist())
    assert {"validator/_data/MANIFEST.toml", "validator/_data/openapi.yaml", "validator/py.typed"} <= names
    assert any(name.startswith("validator/migrations/versions/0002") for name in names)
    assert any(name.startswith("validator/server/assets/") for name in names)
    assert not any(name.startswith(("tests/", "bench/")) for name in names)


def test_every_lock_is_pinned_by_hash_and_names_no_index() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text("utf-8")
        requirements = [line for line in text.splitlines() if line and line[0].isalnum()]
        assert requirements, lock.name
        assert all("==" in line for line in requirements), lock.name
        assert text.count("--hash=sha256:") >= len(requirements), lock.name
        assert "://" not in text, lock.name
