"""The counts of workers that are gone stay, their files do not."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from bench._served import Served
from bench._served import service as served
from tests.service import DEMO_ZONE
from validator.server.dead_workers import bury


def counted(server: Served) -> float:
    """Checks answered, of all workers that ever were."""
    _, text = server.request("GET", "/metrics")
    lines = [line for line in text.decode().splitlines() if line.startswith("validator_checks_total{")]
    return sum(float(line.split()[-1]) for line in lines)


def test_counts_are_added_up_and_broken_files_left_alone(tmp_path: Path) -> None:
    for pid in (1, 2):
        file = MmapedDict(str(tmp_path / f"counter_{pid}.db"))  # type: ignore[no-untyped-call]
        file.write_value('["a"]', 2.0 * pid, 5.0)  # type: ignore[no-untyped-call]
        file.write_value(f'["only {pid}"]', 1.0, 5.0)  # type: ignore[no-untyped-call]
        file.close()  # type: ignore[no-untyped-call]
        (tmp_path / f"gauge_livesum_{pid}.db").touch()
    (tmp_path / "histogram_2.db").write_bytes(b"\xff")
    for pid in (1, 2, 3):
        bury(tmp_path, pid)
    values = MmapedDict.read_all_values_from_file(str(tmp_path / "counter_dead.db"))  # type: ignore[no-untyped-call]
    assert {key: value for key, value, _, _ in values} == {'["a"]': 6.0, '["only 1"]': 1.0, '["only 2"]': 1.0}
    assert {path.name for path in tmp_path.iterdir()} == {"counter_dead.db", "histogram_2.db"}


def test_reloads_leave_neither_files_behind_nor_counts_out(tmp_path: Path) -> None:
    with served(tmp_path, workers=2, dns_zone_file=str(DEMO_ZONE)) as server:
        environment = Path(f"/proc/{server.pids()[1]}/maps").read_text("utf-8")
        folder = next(Path(line.split()[-1]).parent for line in environment.splitlines() if "/counter_" in line)
        for number in range(4):
            before = set(server.pids()[1:])
            for _ in range(10):
                assert server.request("POST", "/check", b'{"email": "a@mail.ru"}')[0] == 200
            server.process.send_signal(signal.SIGHUP)
            for _ in range(600):
                if len(server.pids()) == 3 and not before & set(server.pids()):
                    break
                time.sleep(0.05)
            assert not before & set(server.pids())
            assert counted(server) >= 10 * (number + 1)
        alive = {str(pid) for pid in server.pids()}
        assert len(list(folder.iterdir())) == len(list(folder.glob("*.db"))) + 1  # and the lock of those who live
        assert {path.stem.rpartition("_")[2] for path in folder.glob("*.db")} <= alive | {"dead"}
        assert server.stop() == 0
    assert not folder.exists()
