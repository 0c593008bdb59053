"""What a command that could not end well ends with: never 1, which is a verdict."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import NoReturn

import pytest

from validator.cli.exits import end_with
from validator.errors import NotFound, RequestRefused, StorageUnavailable


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (RequestRefused("--out: name a file"), 2, "validator: --out: name a file\n"),
        (NotFound("no such key"), 1, "validator: no such key\n"),
        (StorageUnavailable("the store is away"), 3, "validator: the store is away\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/list.csv.partial"), 2,
         "validator: /list.csv.partial: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "validator: No space left on device\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_each_end_has_its_code_and_a_sentence(
    raised: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> NoReturn:
        raise raised

    with pytest.raises(SystemExit) as ended:
        end_with(command)
    assert (ended.value.code, capsys.readouterr().err) == (code, told)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_who_stops_reading_does_not_change_the_verdict(code: int) -> None:
    script = f"""
import os, sys
from validator.cli.exits import end_with
def command():
    sys.stdout.write("a word that is still held back")
    sys.exit({code})
end_with(command)
"""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-c", script]
    held_back = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, env=held_back, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, b"")


def test_json_is_utf_8_whatever_the_terminal_has() -> None:
    words = [sys.executable, "-m", "validator", "check", "--no-dns", "émile@mail.ru", "--format", "json"]
    done = subprocess.run(words, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False)
    assert json.loads(done.stdout.decode())["orig"] == "émile@mail.ru"


def test_a_bug_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        end_with(lambda: 1 // 0)
    assert ended.value.code == 3
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r", "utf-8"])
def test_a_terminal_without_the_letters_is_no_bug(encoding: str) -> None:
    words = [sys.executable, "-m", "validator", "check", "--no-dns", "шмфт@ьфшд.кг", "émile@mail.ru"]
    done = subprocess.run(words, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "ivan@mail.ru" in done.stdout.decode(encoding)
