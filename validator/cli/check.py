"""`validator check`: judge addresses, lists and fixtures from the command line.

This file only reads the options; `check_addresses`, `check_list` and `check_fixtures` do the work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from validator.errors import RequestRefused


class OutputFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    """For people."""
    JSON = "json"
    """One JSON object a line."""
    GITHUB = "github"
    """Annotations of a GitHub workflow."""
    JUNIT = "junit"
    """JUnit XML, which most CI systems read."""
    SARIF = "sarif"
    """SARIF 2.1.0, which code scanning reads."""


_OF_FIXTURES = frozenset({OutputFormat.GITHUB, OutputFormat.JUNIT, OutputFormat.SARIF})


def check_command(
    what: Annotated[list[str], typer.Argument(metavar="ADDRESS…|FILE…|-", help="Addresses, or files of addresses.")],
    sanitize: Annotated[bool, typer.Option(help="Repair before judging.")] = True,
    explain: Annotated[bool, typer.Option("--explain", help="Addresses: show the evidence.")] = False,
    output: Annotated[
        OutputFormat | None, typer.Option("--format", help="How findings are printed; files are then read as fixtures.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write every row with its verdict here (or the findings).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run to --out that was cut off; 0 when nothing is left to do.")
    ] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the closing report as an HTML file.")] = None,
    read_as: Annotated[
        str | None, typer.Option("--input", help="txt, csv, tsv, ndjson, json, yaml or parquet.")
    ] = None,
    write_as: Annotated[
        str | None, typer.Option("--output", help="Format of --out; default: by its name, else as read.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", help="Column or member: name, number or pattern.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="Fixtures: path such as '$.users[*].email'.")
    ] = None,
    raw_cells: Annotated[
        bool, typer.Option("--raw-cells", help="Do not defuse spreadsheet formulas in --out.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Processes that share the work on a list.")] = 1,
    url: Annotated[str | None, typer.Option("--url", help="Ask this service instead of checking here.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", envvar="VALIDATOR_KEY", help="Key for --url; better in the environment.")
    ] = None,
    lists: Annotated[
        list[str] | None, typer.Option("--list", help="Named exclusion list that applies besides default.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", help="Reasons that make the run fail, comma-separated; also unknown, repaired."),
    ] = None,
    allow: Annotated[
        list[Path] | None, typer.Option("--allow", help="File of addresses and domains that are never a finding.")
    ] = None,
    addresses: Annotated[bool, typer.Option("--addresses", help="Name addresses in findings.")] = False,
    zone: Annotated[Path | None, typer.Option("--zone", help="Answer DNS from this zone file; no network.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Answer DNS from this recording; no network.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write what DNS answers to this recording.")] = None,
    no_dns: Annotated[bool, typer.Option("--no-dns", help="Ask nobody; what depends on DNS is not judged.")] = False,
    settings_file: Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")] = None,
) -> None:
    """Judge ADDRESSES, or the addresses in FILES. The file - is standard input.

    Exit code: 0 all acceptable, 1 some not, 2 usage, 3 could not decide.
    """
    from validator.bulk.files import require_format
    from validator.cli.check_engine import Engine
    from validator.cli.written import refuse_unwritable

    files = files_among(what)
    read = [path for path in (*files, *(allow or ()), zone, replay, settings_file) if path is not None]
    refuse_unwritable({"--out": out, "--report": report, "--record": record}, read)
    engine = Engine.choose(
        settings_file=settings_file, zone=zone, replay=replay, record=record, no_dns=no_dns,
        url=url, key=key, sanitize=sanitize, explain=explain, lists=tuple(lists or ()),
    )  # fmt: skip
    if read_as is not None:
        require_format(read_as, "--input")
    if record is not None and jobs > 1:
        raise RequestRefused("--record: by one process only")
    if not files:
        for_files = {
            "--out": out, "--resume": resume, "--report": report, "--input": read_as, "--output": write_as,
            "--column": column, "--field": field, "--raw-cells": raw_cells, "--fail-on": fail_on, "--allow": allow,
        }  # fmt: skip
        _refuse(for_files, "for files only")
        what = [os.fsencode(word).decode("utf-8", "replace") for word in what]
        from validator.cli.check_addresses import check_addresses

        if output in _OF_FIXTURES:
            raise RequestRefused(f"--format {output}: for files only")
        raise typer.Exit(check_addresses(engine, what, as_json=output is OutputFormat.JSON))
    from validator.cli.check_rules import Rules

    rules = Rules.read(fail_on, allow or (), no_dns=no_dns)
    is_document = output is None and not field and len(files) == 1 and is_fixture(files[0], read_as)
    if out is not None and output is None and (is_document or field or len(files) > 1):
        what_it_is = f"{files[0]} is a document" if is_document else "these are fixtures"
        raise RequestRefused(f"--out: {what_it_is}, not one list; add --format to write the findings")
    if output is not None or field or len(files) > 1 or is_document:
        from validator.cli.check_fixtures import check_fixtures

        for_lists = {"--resume": resume, "--output": write_as, "--raw-cells": raw_cells}
        _refuse(for_lists, "for one list without --format only")
        raise typer.Exit(
            check_fixtures(
                engine, files, rules, form=output or OutputFormat.TEXT, read_as=read_as, fields=field or (),
                columns=column or (), out=out, report=report, addresses=addresses,
            )
        )  # fmt: skip
    if column is not None and len(column) > 1:
        raise RequestRefused("--column: a list has one column of addresses; add --format for several")
    from validator.cli.check_list import ListRun

    run = ListRun(
        files[0], out=out, resume=resume, report=report, read_as=read_as, write_as=write_as,
        column=column[0] if column else None, raw_cells=raw_cells, jobs=jobs,
    )  # fmt: skip
    raise typer.Exit(run.run(engine, rules))


def files_among(what: list[str]) -> list[Path]:
    """*what* as files, each once, or nothing when they are addresses; raises `RequestRefused` for a mixture."""
    what = list(dict.fromkeys(what))
    paths = [Path(word) for word in what]
    are_files = [_is_file(word, path) for word, path in zip(what, paths, strict=True)]
    if not any(are_files):
        return []
    if not all(are_files):
        raise RequestRefused("give either addresses or files, not both")
    for word, path in zip(what, paths, strict=True):
        if word == "-" or path.is_file():
            continue
        if path.is_dir():
            raise RequestRefused(f"{word}: is a folder; name the files in it")
        if path.exists():
            raise RequestRefused(f"{word}: is a pipe or a device; send it to standard input and name that with -")
        raise RequestRefused(f"{word}: no such file")
    return paths


def _is_file(word: str, path: Path) -> bool:
    """A file or folder that is there, standard input, or a name that only a file can have."""
    from validator.bulk.files import format_of_name

    if word == "-" or os.path.isfile(word):
        return True
    return "@" not in word and (format_of_name(path) is not None or "/" in word or os.path.isdir(word))


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Raise `RequestRefused` for the first option that was given although it would change nothing."""
    for name, value in options.items():
        if value not in (None, False, []):
            raise RequestRefused(f"{name}: {why}")


def is_fixture(path: Path, read_as: str | None) -> bool:
    """A document that is no list: YAML, or JSON that does not begin with an array."""
    from validator.bulk.files import STDIN, ListFormat, format_of_name, head_of

    kind = ListFormat(read_as) if read_as is not None else format_of_name(path)
    if kind is ListFormat.YAML:
        return True
    return (
        kind is ListFormat.JSON and path != STDIN and not head_of(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    )
