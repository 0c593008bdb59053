"""`dev.py`: what it does before each of its commands."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

import dev


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`dev.py` over a checkout whose environment is there."""
    (tmp_path / "validator").mkdir()
    (tmp_path / "validator" / "one.py").write_text("ONE = 1\n")
    (tmp_path / "stamp").write_text(dev.digest(dev.RUN_LOCK))
    for name, value in (("ROOT", tmp_path), ("STAMP", tmp_path / "stamp"), ("PYTHON", Path(sys.executable))):
        monkeypatch.setattr(dev, name, value)
    return dev


def test_the_package_is_compiled(checkout: ModuleType) -> None:
    checkout.environment(development=False)
    assert list((checkout.ROOT / "validator" / "__pycache__").iterdir())


def test_where_no_bytecode_can_be_kept_it_goes_on_without(
    checkout: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkout.ROOT / "validator" / "__pycache__").write_text("in the way")
    checkout.environment(development=False)
    assert capfd.readouterr() == ("", "")
