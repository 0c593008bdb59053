"""`dev.py`: what it does before each of its commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import dev
from bench._served import ROOT, service_environment
from tests.service import DEMO_ZONE


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


RUN = """
import sys
from pathlib import Path
import dev
dev.PYTHON = Path(sys.executable)
dev.environment = lambda **_: None
dev.run([])
"""


def test_ctrl_c_stops_the_service_cleanly(tmp_path: Path) -> None:
    """A terminal sends it to everybody in the foreground at once."""
    environment = service_environment(tmp_path, port="0", log_level="info", dns_zone_file=str(DEMO_ZONE))
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if '"event":"serving"' in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        assert '"event":"stopped"' in process.stderr.read()
    assert process.returncode == 0
