"""A file that is being written belongs to one process, until it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from validator.bulk.checkpoint import ListOutput
from validator.bulk.partial import open_alone
from validator.cli.written import written_whole
from validator.errors import RequestRefused


def begun(path: Path, piece: bytes) -> ListOutput:
    output = ListOutput(path)
    output.begin()
    output.write(piece)
    return output


def test_two_runs_do_not_write_into_each_others_rows(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    first = begun(path, b"first\n")
    for open_second in (ListOutput(path).begin, lambda: ListOutput(path).resume({})):
        with pytest.raises(RequestRefused, match="another command"):
            open_second()
    first.finish()
    assert path.read_bytes() == b"first\n"
    second = begun(path, b"second\n")
    second.finish()
    assert path.read_bytes() == b"second\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_finished_while_we_waited_is_not_written_to(tmp_path: Path) -> None:
    partial, whole = tmp_path / "out.partial", tmp_path / "out"
    file = open_alone(partial)
    later: list[bytes] = []

    def wait() -> None:
        with open_alone(partial, wait=True) as own:
            own.write(b"later")
            later.append(partial.name.encode())

    waiting = Thread(target=wait)
    waiting.start()
    file.write(b"whole")
    file.flush()
    partial.replace(whole)
    file.close()
    waiting.join(10)
    assert (whole.read_bytes(), partial.read_bytes(), len(later)) == (b"whole", b"later", 1)


def test_of_two_that_write_a_whole_file_the_later_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.sarif"

    def write() -> None:
        with written_whole(path) as file:
            file.write(b"later")

    waiting = Thread(target=write)
    with written_whole(path) as file:
        waiting.start()
        file.write(b"first" * 1_000)
    waiting.join(10)
    assert path.read_bytes() == b"later"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link_and_what_was_private_stays_private(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "list.csv", tmp_path / "latest.csv"
    target.write_bytes(b"before\n")
    target.chmod(0o600)
    link.symlink_to(target)
    output = begun(link, b"after\n")
    assert [path.stat().st_mode & 0o777 for path in target.parent.iterdir()] == [0o600, 0o600]
    output.finish()
    assert (link.is_symlink(), target.read_bytes(), target.stat().st_mode & 0o777) == (True, b"after\n", 0o600)
    assert os.listdir(target.parent) == ["list.csv"]


def test_a_parquet_file_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from validator.bulk.parquet import ParquetOutput

    path = tmp_path / "out.parquet"
    schema = pyarrow.schema([("email", pyarrow.string())])
    output = ParquetOutput(path, schema)
    with pytest.raises(RequestRefused, match="another command"):
        ParquetOutput(path, schema)
    output.abandon()
    assert list(tmp_path.iterdir()) == []
    output = ParquetOutput(path, schema)
    output.finish()
    output.abandon()
    assert list(tmp_path.iterdir()) == [path]
