"""Fixtures: every address of some files, found with its place, judged, reported in the form that was asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from validator import __version__
from validator.bulk.answers import Answer
from validator.bulk.documents import Cell
from validator.bulk.files import STDIN, ListFormat, format_of_content, format_of_name, refuse_foreign
from validator.bulk.findings import (
    Level,
    ListFinding,
    Placed,
    as_github,
    as_json,
    as_junit,
    as_sarif,
    as_text,
    closing_lines,
    describe,
)
from validator.bulk.gzipped import MAGIC, Gunzip
from validator.bulk.judging import judge_windows
from validator.bulk.scanning import scan_all
from validator.bulk.summary import Summary
from validator.bulk.texts import rows_of_texts
from validator.cli.check import OutputFormat
from validator.cli.check_engine import Engine, run
from validator.cli.check_report import write_report
from validator.cli.check_rules import Rules
from validator.cli.exits import Exit
from validator.cli.written import shown_name, write_whole
from validator.errors import RequestRefused
from validator.verdict import Verdict

MAX_FIXTURE_BYTES = 512 * 1024 * 1024
"""Largest file that is read as a fixture; longer ones are lists."""


@dataclass(slots=True)
class Outcome:
    """What a run over fixtures came to."""

    findings: list[ListFinding]
    """In order of file and place."""
    checked: list[tuple[str, int]]
    """Every file with the number of its addresses."""
    summary: Summary
    """Counts over all files."""
    exit: Exit
    """The worst of all verdicts."""


def check_fixtures(
    engine: Engine,
    files: Sequence[Path],
    rules: Rules,
    *,
    form: OutputFormat,
    read_as: str | None,
    fields: Sequence[str],
    columns: Sequence[str],
    out: Path | None,
    report: Path | None,
    addresses: bool,
) -> Exit:
    """Judge every address of *files*, report, say what it came to."""
    begun = time.monotonic()
    outcome = run(_judge(engine, files, rules, read_as, fields, columns, addresses))
    seconds = time.monotonic() - begun
    text = b"".join(_formed(outcome, form, addresses=addresses))
    if out is not None and out != STDIN:
        write_whole(out, text)
    else:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    failed = sum(finding.level is Level.ERROR for finding in outcome.findings)
    closing = closing_lines(outcome.summary, failed=failed, found=len(outcome.findings), seconds=seconds)
    # machine-readable forms keep standard output for themselves
    typer.echo("\n".join(closing), err=form is not OutputFormat.TEXT)
    if not outcome.summary.rows and not outcome.summary.errors:  # no fault: of many files not all have addresses
        typer.echo(_nothing_found((*fields, *columns)), err=True)
    if report is not None:
        write_report(report, outcome.summary, source=_named(files), seconds=seconds)
    return outcome.exit


def _nothing_found(places: Sequence[str]) -> str:
    if places:
        return f"no address found: nothing stands at {', '.join(places)}"
    return "no address found; --field, in tables --column, names where they stand"


def _named(files: Sequence[Path]) -> str:
    """The first three, and how many more."""
    more = f" and {len(files) - 3:,} more" if len(files) > 3 else ""
    return ", ".join(map(shown_name, files[:3])) + more


async def _judge(
    engine: Engine,
    files: Sequence[Path],
    rules: Rules,
    read_as: str | None,
    fields: Sequence[str],
    columns: Sequence[str],
    addresses: bool,
) -> Outcome:
    outcome = Outcome([], [], Summary(), Exit.ALL_VALID)
    async with engine.open_checker() as checker:
        for path in files:
            name = shown_name(path)
            cells: list[Cell] = []
            count = 0
            try:
                source = _noted(_cells(path, read_as, fields, columns), cells)
                async for rows, answers in judge_windows(checker, rows_of_texts(source), engine.row_options):
                    _weigh(outcome, rules, name, cells[: len(rows)], answers, addresses=addresses)
                    del cells[: len(rows)]
                    count += len(rows)
            except RequestRefused as error:
                place = Placed(name, _line_of(str(error)), 1, "")
                outcome.findings.append(ListFinding(place, "unreadable", Level.ERROR, str(error), None))
                outcome.summary.errors += 1
                outcome.exit = Exit.USAGE
            outcome.checked.append((name, count))
    return outcome


def _noted(cells: Iterator[Cell], seen: list[Cell]) -> Iterator[str]:
    """The texts of *cells*, while the cells are kept until they are answered."""
    for cell in cells:
        seen.append(cell)
        yield cell.text


def _weigh(
    outcome: Outcome, rules: Rules, file: str, cells: Sequence[Cell], answers: Sequence[Answer], *, addresses: bool
) -> None:
    outcome.summary.add(answers)
    for cell, answer in zip(cells, answers, strict=True):
        assert isinstance(answer, Verdict)
        exit_ = rules.exit_of(answer)
        if exit_ is Exit.SOME_NOT or (exit_ is Exit.UNDECIDED and outcome.exit is Exit.ALL_VALID):
            outcome.exit = max(outcome.exit, exit_) if outcome.exit is Exit.USAGE else exit_
        found = rules.finding(answer)
        if found is not None:
            rule, level = found
            place = Placed(file, cell.line, cell.column, cell.field)
            message = describe(answer, rule, addresses=addresses)
            outcome.findings.append(ListFinding(place, rule, level, message, answer))


def _cells(path: Path, read_as: str | None, fields: Sequence[str], columns: Sequence[str]) -> Iterator[Cell]:
    raw = _read(path)
    refuse_foreign(path, raw)
    kind = ListFormat(read_as) if read_as is not None else format_of_name(path)
    if kind is ListFormat.PARQUET:
        raise RequestRefused("parquet has no lines to point at; give --out instead of --format")
    try:
        text = raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestRefused(f"line {raw.count(10, 0, error.start) + 1}: not UTF-8") from None
    if "\n" not in text:
        text = text.replace("\r", "\n")  # as old spreadsheets on a Mac end a line
    return scan_all(text, kind or format_of_content(text[:4_096].encode()), fields=fields, columns=columns)


def _read(path: Path) -> bytes:
    if path == STDIN:
        raw = sys.stdin.buffer.read(MAX_FIXTURE_BYTES + 1)
    else:
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FIXTURE_BYTES + 1)
        except OSError as error:
            raise RequestRefused(error.strerror or "cannot be read") from error
    if raw.startswith(MAGIC):
        raw = _unpacked(raw)
    if len(raw) > MAX_FIXTURE_BYTES:
        raise RequestRefused(f"more than {MAX_FIXTURE_BYTES} bytes: read it as a list, without --format")
    return raw


def _unpacked(packed: bytes) -> bytes:
    """The text of a compressed file, and no more than one byte over the limit; one that is cut off is refused."""
    gunzip = Gunzip()
    pieces, length = [], 0
    for piece in gunzip.feed(packed):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_FIXTURE_BYTES:
            break
    else:
        gunzip.finish()
    return b"".join(pieces)


def _line_of(message: str) -> int:
    """Errors of the scanners begin with `line N`."""
    words = message.replace(":", " ").split()
    return int(words[1]) if len(words) > 1 and words[0] == "line" and words[1].isdecimal() else 1


def _formed(outcome: Outcome, form: OutputFormat, *, addresses: bool) -> Iterator[bytes]:
    match form:
        case OutputFormat.TEXT:
            yield from (as_text(finding).encode() + b"\n" for finding in outcome.findings)
        case OutputFormat.JSON:
            yield from (as_json(finding, addresses=addresses) + b"\n" for finding in outcome.findings)
        case OutputFormat.GITHUB:
            yield from (as_github(finding).encode() + b"\n" for finding in outcome.findings)
        case OutputFormat.JUNIT:
            yield from (part.encode() for part in as_junit(outcome.findings, outcome.checked))
        case OutputFormat.SARIF:
            yield as_sarif(outcome.findings, version=__version__, addresses=addresses)
