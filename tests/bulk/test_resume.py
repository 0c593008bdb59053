"""A run that is cut off anywhere and resumed writes what an uninterrupted one writes, byte for byte."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

import pytest

from validator.bulk.checkpoint import ListOutput, fingerprint
from validator.bulk.files import ListFile, ListFormat, ListShape
from validator.bulk.output import OutputShape
from validator.bulk.rows import RowOptions, Rows
from validator.bulk.running import Block, Judge, LocalJudge, run_list
from validator.bulk.summary import Summary
from validator.checker import CheckOptions
from validator.errors import RequestRefused
from validator.settings import OnUnknown
from validator.verdict import Reason, Status, Verdict

OPTIONS = RowOptions(CheckOptions(), OnUnknown.ACCEPT)


class Fake:
    """Verdicts that depend on nothing but the text."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s

    async def check_many(self, texts: Sequence[str], options: CheckOptions = OPTIONS.check) -> list[Verdict]:
        await asyncio.sleep(self._pause_s)
        return [
            Verdict(text, True, text.lower(), None, Status.VALID, None, domain="b.c")
            if len(text) % 3
            else Verdict(text, False, text, Reason.MX_RECORD, Status.INVALID, None, domain="y.z")
            for text in texts
        ]


class CutOff(Exception):
    """Stands for the end of the process."""


class Cutting:
    """A judge that ends the process, as it were, after some blocks."""

    def __init__(self, inner: Judge, blocks: int) -> None:
        self._inner = inner
        self._left = blocks

    async def blocks(self, source: AsyncIterator[tuple[Rows, bool]]) -> AsyncGenerator[Block]:
        async for block in self._inner.blocks(source):
            if not self._left:
                raise CutOff
            self._left -= 1
            yield block


def write_list(path: Path, rows: int) -> None:
    path.write_text("id,email\n" + "".join(f"{number},User{number}@b.c\n" for number in range(rows)))


async def run(
    source: Path, out: Path, *, kind: ListFormat, blocks: int = 1_000_000, resume: bool = False, packed: bool = False
) -> Summary:
    file = ListFile(source, ListShape(ListFormat.CSV))
    output = ListOutput(out)
    output.SAVE_EVERY_S = 0.0  # type: ignore[misc] - every block, so that a cut is never far from a checkpoint

    def make_judge(shape: OutputShape | None) -> Judge:
        return Cutting(LocalJudge(Fake(), OPTIONS, shape), blocks)

    summary, _ = await run_list(
        file,
        make_judge,
        shape_of=lambda read: OutputShape(kind, tuple(read.header or ()), gzip=packed),
        output=output,
        expected=lambda shape: fingerprint(file, shape, {}),
        resume=resume,
        window_rows=50,
    )
    return summary


@pytest.mark.parametrize("kind", [ListFormat.CSV, ListFormat.NDJSON, ListFormat.JSON, ListFormat.TSV])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_cut_anywhere_leaves_no_trace(tmp_path: Path, kind: ListFormat, packed: bool) -> None:
    source = tmp_path / "list.csv"
    write_list(source, 1_030)
    whole = await run(source, tmp_path / "whole", kind=kind, packed=packed)
    choose = random.Random(f"{kind}{packed}")
    for _ in range(6):
        out = tmp_path / "cut"
        summary = None
        while summary is None:
            try:
                summary = await run(
                    source,
                    out,
                    kind=kind,
                    packed=packed,
                    blocks=choose.randrange(12),
                    resume=out.with_name("cut.partial").exists(),
                )
            except CutOff:
                # what the system had not written, or half written, when the process died
                with out.with_name("cut.partial").open("ab") as file:
                    file.write(b"half a li"[: choose.randrange(9)])
        assert out.read_bytes() == (tmp_path / "whole").read_bytes()
        assert summary == whole
        assert sorted(os.listdir(tmp_path)) == ["cut", "list.csv", "whole"]


async def test_another_list_or_other_options_are_not_resumed(tmp_path: Path) -> None:
    source, out = tmp_path / "list.csv", tmp_path / "out"
    write_list(source, 500)
    with pytest.raises(CutOff):
        await run(source, out, kind=ListFormat.CSV, blocks=3)
    with pytest.raises(RequestRefused, match="--resume"):
        await run(source, out, kind=ListFormat.NDJSON, resume=True)
    write_list(source, 501)
    with pytest.raises(RequestRefused, match="--resume"):
        await run(source, out, kind=ListFormat.CSV, resume=True)


async def test_a_run_without_resume_starts_afresh(tmp_path: Path) -> None:
    source, out = tmp_path / "list.csv", tmp_path / "out"
    write_list(source, 500)
    with pytest.raises(CutOff):
        await run(source, out, kind=ListFormat.CSV, blocks=3)
    assert not out.exists()
    summary = await run(source, out, kind=ListFormat.CSV)
    assert summary.rows == 500
    assert out.read_text().count("\n") == 501


def test_a_killed_process_is_continued(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    write_list(source, 3_000)
    asyncio.run(run(source, tmp_path / "whole", kind=ListFormat.NDJSON))
    out = tmp_path / "killed"
    code = (
        "import asyncio, sys; from pathlib import Path; import tests.bulk.test_resume as t; "
        "fake = t.Fake; t.Fake = lambda: fake(0.02); "
        "asyncio.run(t.run(Path(sys.argv[1]), Path(sys.argv[2]), kind=t.ListFormat.NDJSON, resume=True))"
    )
    command = [sys.executable, "-c", code, str(source), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    choose = random.Random(7)
    kills = 0
    for _ in range(30):
        process = subprocess.Popen(command, env=environment)
        partial = out.with_name("killed.partial")
        before = partial.stat().st_size if partial.exists() else 0
        if kills < 3:
            while process.poll() is None and not (partial.exists() and partial.stat().st_size > before):
                time.sleep(0.005)
            time.sleep(choose.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait(60)
        if out.exists():
            break
    assert kills == 3
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
