"""What a machine in trouble may cost: unreadable files, memory that is full, a killed supervisor, a clock put back."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from bench._served import ROOT, Served
from bench._served import service as served
from tests.operate.test_workers import CHECK, DEMO, until, value_of
from validator.errors import SettingsError
from validator.server import metric_folder
from validator.server.limits import Limit, Windows
from validator.server.metric_files import MetricFile
from validator.settings import load_settings

KEY = "a-secret-of-twenty-characters"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_is_no_text_refuses_a_reload_and_ends_nothing(tmp_path: Path, workers: int) -> None:
    file = tmp_path / "validator.env"
    file.write_text("", "utf-8")
    (secrets := tmp_path / "secrets").mkdir()
    failed = 'validator_reloads_total{outcome="failed"}'
    settings = {"settings_file": str(file), "secrets_dir": str(secrets)}
    with served(tmp_path, workers=workers, **settings, **DEMO) as server:
        before = server.pids()
        file.write_bytes(b"\xff\xfe\x00")
        server.process.send_signal(signal.SIGHUP)
        until(server, failed, 1)
        file.write_text("", "utf-8")
        (secrets / "validator_keys").write_bytes(b"\xff")
        server.process.send_signal(signal.SIGHUP)
        until(server, failed, 2)
        assert server.pids() == before
        assert server.request("POST", "/check", CHECK)[0] == 200
        told = server.log.read_text("utf-8")
        assert "VALIDATOR_SETTINGS_FILE: not UTF-8" in told
        assert "VALIDATOR_SECRETS_DIR: not UTF-8" in told
        assert server.stop() == 0


def test_a_secret_that_is_a_folder_is_no_missing_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "validator_keys").mkdir()
    monkeypatch.setenv("VALIDATOR_SECRETS_DIR", str(tmp_path))
    with pytest.raises(SettingsError, match="validator_keys is a folder, not a file"):
        load_settings()


@pytest.mark.parametrize("workers", [1, 2])
def test_no_reload_opens_a_service_that_had_keys(tmp_path: Path, workers: int) -> None:
    (secrets := tmp_path / "secrets").mkdir()
    (secrets / "validator_keys").write_text(f"app:{KEY}:*", "utf-8")
    with served(tmp_path, workers=workers, secrets_dir=str(secrets), **DEMO) as server:
        (secrets / "validator_keys").unlink()
        server.process.send_signal(signal.SIGHUP)
        for _ in range(400):
            if "reload.failed" in server.log.read_text("utf-8"):
                break
            time.sleep(0.05)
        assert server.request("POST", "/check", CHECK)[0] == 401
        assert server.request("POST", "/check", CHECK, Authorization=f"Bearer {KEY}")[0] == 200
        assert '"why":"VALIDATOR_KEYS: ' in server.log.read_text("utf-8")
        assert server.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_the_date_of_the_tables_does_not_depend_on_the_number_of_workers(tmp_path: Path, workers: int) -> None:
    with served(tmp_path, workers=workers, **DEMO) as server:
        assert value_of(server, "validator_reference_data_timestamp_seconds") > 1.7e9
        assert server.stop() == 0


def test_a_command_without_standard_output_and_error_does_its_work() -> None:
    words = f"exec {sys.executable} -m validator check a@acme.test --no-dns 0</dev/null 2>&-"
    for closed in ("", " >&-"):
        done = subprocess.run(["sh", "-c", words + closed], check=False, capture_output=True, cwd=ROOT)
        assert done.returncode in {0, 3}, done


class NoRoom:
    """A file system that is full while told so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self._take = os.posix_fallocate
        monkeypatch.setattr("validator.server.metric_files.os.posix_fallocate", self)
        monkeypatch.setattr("validator.server.metric_files.AGAIN_S", 0.0)

    def __call__(self, handle: int, offset: int, size: int) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self._take(handle, offset, size)


def stored(path: Path) -> dict[str, float]:
    """What stands in a file of counts."""
    found = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
    return {key: value for key, value, _, _ in found}


def test_counts_that_find_no_room_are_written_when_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = NoRoom(monkeypatch)
    file = MetricFile(str(tmp_path / "counter_1.db"))
    assert file.read_value("a") == (0.0, 0.0)
    file.write_value("a", 2.0, 5.0)
    assert file.read_value("a") == (2.0, 5.0)
    assert not file.is_whole
    assert not list(tmp_path.iterdir())  # nothing that /metrics would stumble over
    disk.full = False
    file.write_value("b", 1.0, 0.0)
    assert file.is_whole
    assert stored(tmp_path / "counter_1.db") == {"a": 2.0, "b": 1.0}
    disk.full = True
    names = [f"{number:04}" * 25 for number in range(200)]
    for name in names:
        file.write_value(name, 1.0, 0.0)
    file.write_value("a", 3.0, 0.0)
    assert not file.is_whole
    assert stored(tmp_path / "counter_1.db")["a"] == 3.0
    disk.full = False
    file.write_value("b", 2.0, 0.0)
    file.write_value("c", 1.0, 0.0)
    assert stored(tmp_path / "counter_1.db") == dict.fromkeys(names, 1.0) | {"a": 3.0, "b": 2.0, "c": 1.0}
    file.close()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for folders of counts."""
    monkeypatch.setattr(metric_folder, "MEMORY", tmp_path)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "restored afterwards")
    return tmp_path


def test_folders_of_killed_supervisors_are_taken_away_and_no_others(memory: Path) -> None:
    for name in ("abandoned", "used", "unknown"):
        (memory / f"{metric_folder.PREFIX}{name}").mkdir()
    for name in ("abandoned", "used"):
        (memory / f"{metric_folder.PREFIX}{name}" / metric_folder.OWNER).touch()
    with (memory / f"{metric_folder.PREFIX}used" / metric_folder.OWNER).open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with metric_folder.metric_folder() as first, metric_folder.metric_folder() as second:
            assert first.is_dir()
            assert second.is_dir()
            names = {path.name.removeprefix(metric_folder.PREFIX) for path in memory.iterdir()}
            assert names == {
                "used",
                "unknown",
                *(folder.name[len(metric_folder.PREFIX) :] for folder in (first, second)),
            }
    assert {path.name.removeprefix(metric_folder.PREFIX) for path in memory.iterdir()} == {"used", "unknown"}


def test_a_killed_supervisor_leaves_nothing_for_good(tmp_path: Path) -> None:
    with served(tmp_path, workers=2, **DEMO) as server:
        folder = folder_of(server)
        workers = server.pids()[1:]
        server.process.kill()
        server.process.wait()
        for _ in range(200):
            if not any(Path(f"/proc/{pid}").exists() for pid in workers):
                break
            time.sleep(0.05)
    with served(tmp_path, workers=2, **DEMO) as server:  # or whoever else starts on this machine meanwhile
        assert not folder.exists()
        assert folder_of(server).exists()
        assert server.stop() == 0


def folder_of(server: Served) -> Path:
    """Where its workers count."""
    maps = Path(f"/proc/{server.pids()[1]}/maps").read_text("utf-8")
    return next(Path(line.split()[-1]).parent for line in maps.splitlines() if "/counter_" in line)


def test_a_clock_that_is_put_back_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [10_000.0]
    monkeypatch.setattr("validator.server.limits.time.time", lambda: clock[0])
    windows = Windows()
    limit = Limit(2, 60)
    assert [windows.spend(limit, "key", "one", 1).granted for _ in range(3)] == [True, True, False]
    clock[0] -= 3_600.0
    assert windows.spend(limit, "key", "one", 1).granted


@pytest.mark.parametrize("workers", [1, 2])
def test_why_the_store_cannot_be_used_is_told_by_the_probe_and_the_log(tmp_path: Path, workers: int) -> None:
    entry = b'{"kind": "address", "value": "planted@acme.test", "cause": "manual"}'
    with served(tmp_path, workers=workers, **DEMO) as server:
        assert server.request("POST", "/blacklist", entry)[0] == 201
        for file in tmp_path.glob("validator.db*"):
            file.rename(file.with_name(f"kept-{file.name}"))
        for _ in range(200):
            status, body = server.request("GET", "/readyz")
            if status == 503:
                break
            time.sleep(0.05)
        assert b"SQLITE_CANTOPEN" in body
        assert server.request("POST", "/blacklist", entry)[0] == 503
        line = next(line for line in server.log.read_text("utf-8").splitlines() if "request.failed" in line)
        assert '"why":"the store cannot be used now (OperationalError, SQLITE_CANTOPEN)"' in line
        for file in tmp_path.glob("kept-validator.db*"):
            file.rename(file.with_name(file.name.removeprefix("kept-")))
        assert server.stop() == 0
