"""What goes wrong in one of several processes is told as in one."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import DEMO_ZONE
from validator import errors
from validator.client import ServiceProblem
from validator.errors import NotAuthorised, Overloaded, RequestRefused, UnknownList, ValidatorError


@pytest.mark.parametrize(
    "error",
    [
        UnknownList([(0, "news")]), ServiceProblem(401, {"detail": "A key is needed"}),
        Overloaded("no", retry_after_s=7), NotAuthorised("no", known=True),
        RequestRefused("no", [errors.Complaint("/a", "b")]),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_every_error_crosses_to_another_process_as_it_is(error: ValidatorError) -> None:
    crossed = pickle.loads(pickle.dumps(error))
    assert (type(crossed), str(crossed), vars(crossed)) == (type(error), str(error), vars(error))


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VALIDATOR_")}
    command = [sys.executable, "-m", "validator", "check", "list.txt", "--jobs", "2", "--out", "out.csv", *words]
    return subprocess.Popen(
        command, cwd=folder, env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--zone", "zone"), "zone file, line 1"),
        (("--list", "nosuch", "--zone", str(DEMO_ZONE)), "no list named nosuch"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "zone").write_text("garbage (\nhere")
    (tmp_path / "list.txt").write_text("".join(f"a{number}@acme.test\n" for number in range(20_000)))
    process = started(tmp_path, *words)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert said.startswith("validator: ")
    assert told in said
    assert len(said.splitlines()) == 1


def children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes through /proc")
def test_a_process_that_is_killed_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"a{number}@gmial.com\n" for number in range(300_000)))
    process = started(tmp_path, "--no-dns")
    give_up = time.monotonic() + 60
    while not (tmp_path / "out.csv.resume").exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    os.kill(max(children(process.pid)), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert said.splitlines()[0] == "cut off; the same command with --resume goes on"
    assert said.splitlines()[1].startswith("validator: a process of --jobs was ended")
    assert len(said.splitlines()) == 2
