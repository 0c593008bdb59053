"""`validator blacklist import|export|undo`: files in and out."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from validator.blacklist.entry import DEFAULT_LIST, Cause, Kind, State
from validator.blacklist.import_options import Encoding
from validator.cli.blacklist import (
    CAUSES,
    Causes,
    Domain,
    Expires,
    Force,
    Kinds,
    ListOption,
    SettingsFile,
    actor,
    expiry_from,
    filter_from,
    on_list,
)
from validator.cli.exits import Exit
from validator.cli.terminal import counted
from validator.cli.written import written_whole
from validator.errors import RequestRefused

if TYPE_CHECKING:
    from validator.blacklist.batch import Batch
    from validator.blacklist.import_options import ImportOptions, LineFault
    from validator.blacklist.service import Blacklist
    from validator.blacklist.store.block import Counts

_SHOWN_FAULTS = 20
_RATE_LINES = 10_000


def import_command(
    file: Annotated[
        Path, typer.Argument(help="txt, CSV with a header, NDJSON, a JSON list, also gzip; - is standard input.")
    ],
    name: ListOption = "default",
    cause: Annotated[
        Cause | None, typer.Option(metavar="<cause>", help=f"Overrules whatever the file says. {CAUSES}")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What values are; told apart when missing.")] = None,
    note: Annotated[str, typer.Option(help="For people, for lines that have none.")] = "",
    expires: Expires = None,
    judge: Annotated[bool, typer.Option(help="Leave out failures that do not speak against their address.")] = True,
    encoding: Annotated[Encoding | None, typer.Option(help="How FILE is written; told from it when missing.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    revive: Annotated[bool, typer.Option("--revive", help="Entries that were removed block again.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Cause and expiry of the file replace the old.")] = False,
    force: Force = False,
    going_on: Annotated[str | None, typer.Option("--continue", help="Number of the import to go on with.")] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Enter FILE; the whole import can be undone. Exit code 1 when some lines made no entry."""
    from validator.blacklist.import_options import ImportOptions
    from validator.blacklist.imports import file_chunks
    from validator.blacklist.keys import list_name
    from validator.bulk.gzipped import plain

    standard_input = str(file) == "-"
    if list_name(name) != name:
        raise typer.BadParameter(f"--list {name!r}: 1 to 64 of a-z, 0-9, dash, underscore")
    if not standard_input and file.exists() and not file.is_file():
        raise typer.BadParameter(f"{file} is no regular file; send it to standard input and name that with -")
    if not standard_input and not file.is_file():
        raise typer.BadParameter(f"no file {file}")
    zipped = not standard_input and _is_gzip(file)
    until = expiry_from(expires)
    options = ImportOptions(name, cause, kind, until, note, revive, replace, force, judge, encoding)
    chunks = plain(_standard_input() if standard_input else file_chunks(file))
    size = None if standard_input or zipped else file.stat().st_size
    with _Bar(size) as bar:
        if dry_run:
            rehearsal = on_list(settings_file, lambda blacklist: blacklist.imports.rehearse(chunks, options))
            counts, faults, headline, number = rehearsal.counts, list(rehearsal.faults), "it would be", None
        else:
            digest = None if standard_input else _digest(file)
            batch, faults = on_list(
                settings_file,
                _importing(chunks, options, file.name, size, digest, going_on, bar.advance),
            )
            from validator.blacklist.store.block import Counts as _Counts

            counts, headline, number = _Counts(**batch.counts), f"import {batch.id} is {batch.status}", batch.id
    _report(headline, counts, bar.seconds)
    for fault in faults[:_SHOWN_FAULTS]:
        typer.echo(f"line {fault.line}: {fault.code}: {fault.detail}", err=True)
    told = counts.faults + counts.left_out + counts.warnings
    if told > _SHOWN_FAULTS:
        where = f": validator blacklist faults {number}" if number else ""
        typer.echo(f"… and {told - _SHOWN_FAULTS:,} more{where}", err=True)
    raise typer.Exit(Exit.SOME_NOT if counts.faults else Exit.ALL_VALID)


def _importing(
    chunks: Iterable[bytes],
    options: ImportOptions,
    name: str,
    size: int | None,
    digest: str | None,
    going_on: str | None,
    progress: Callable[[Counts, int], None],
) -> Callable[[Blacklist], Awaitable[tuple[Batch, list[LineFault]]]]:
    async def run(blacklist: Blacklist) -> tuple[Batch, list[LineFault]]:
        batch = await blacklist.imports.run_file(
            chunks,
            options,
            name=name,
            actor=actor(),
            size=size,
            digest=digest,
            going_on=going_on,
            progress=progress,
        )
        faults, _ = await blacklist.imports.faults(batch.id, limit=_SHOWN_FAULTS)
        return batch, list(faults)

    return run


def _standard_input() -> Iterator[bytes]:
    while chunk := sys.stdin.buffer.read(262_144):
        yield chunk


def _is_gzip(file: Path) -> bool:
    """Whether it is compressed; what cannot be read, is no text or is damaged is refused before any is entered."""
    from validator.blacklist.imports import file_chunks
    from validator.bulk.files import refuse_foreign
    from validator.bulk.gzipped import MAGIC, plain

    try:
        with file.open("rb") as opened:
            head = opened.read(16)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from error
    refuse_foreign(file, head)
    if not head.startswith(MAGIC):
        return False
    try:
        for _ in plain(file_chunks(file)):
            pass
    except RequestRefused as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    return True


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, size: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[lines]} lines, {task.fields[rate]}/s"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("import", total=size, lines="0", rate="0")
        self._started = time.perf_counter()
        self.seconds = 0.0

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def advance(self, counts: Counts, read: int) -> None:
        self.seconds = time.perf_counter() - self._started
        rate = counts.lines / self.seconds if self.seconds else 0
        self._progress.update(self._task, completed=read, lines=f"{counts.lines:,}", rate=f"{rate:,.0f}")

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _report(headline: str, counts: Counts, seconds: float) -> None:
    words = {
        "added": "new",
        "changed": "changed",
        "found_again": "archived and found again",
        "revived": "removed and revived",
        "unchanged": "there already",
        "kept_removed": "removed earlier, stay removed",
        "duplicates": "twice in the file",
        "warnings": "entered without something that stood in the line",
        "left_out": "left out: it does not speak against the address, or only for now",
        "faults": "made no entry",
    }
    rate = f", {counted(round(counts.lines / seconds), 'line')}/s" if seconds and counts.lines > _RATE_LINES else ""
    typer.echo(f"{headline}: {counted(counts.lines, 'line')}{rate}")
    for field, word in words.items():
        number = getattr(counts, field)
        if number:
            typer.echo(f"  {number:>10,}  {word}")


def export_command(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; else standard output.")] = None,
    fields: Annotated[str, typer.Option(help="Fields, separated by comma, or all; addresses only when empty.")] = "",
    form: Annotated[str, typer.Option("--format", help="csv or ndjson.")] = "csv",
    everything: Annotated[
        bool, typer.Option("--everything", help="Every list and state, all fields: an import of it makes the same set.")
    ] = False,
    kind: Kinds = None,
    cause: Causes = None,
    state: Annotated[list[State] | None, typer.Option(help="Only this state, expired or not.")] = None,
    name: Annotated[list[str] | None, typer.Option("--list", help="Only this list; else `default`.")] = None,
    domain: Domain = None,
    settings_file: SettingsFile = None,
) -> None:
    """Write out what blocks now, or --everything. CSV cells are safe to open in a spreadsheet."""
    from dataclasses import replace

    from validator.blacklist.export_form import ADDRESS_ONLY, ALL_FIELDS, ExportFormat
    from validator.blacklist.filter import EVERYTHING, NOW_BLOCKING

    if form not in set(ExportFormat):
        raise typer.BadParameter("csv or ndjson")
    asked = tuple(part.strip() for part in fields.split(",") if part.strip())
    chosen = asked or (ALL_FIELDS if everything else ADDRESS_ONLY)
    if "all" in chosen:
        chosen = ALL_FIELDS
    if not set(chosen) <= {*ALL_FIELDS, *ADDRESS_ONLY}:
        raise typer.BadParameter("fields are: " + ", ".join(ALL_FIELDS))
    wanted = filter_from(kind=kind, cause=cause, state=state, name=name, domain=domain)
    if everything:
        wanted = replace(wanted, states=state or EVERYTHING)
    else:
        wanted = replace(wanted, lists=name or (DEFAULT_LIST,))
        if not state:
            wanted = replace(wanted, states=NOW_BLOCKING.states, expired=False, overridden=False)

    async def write(blacklist: Blacklist) -> None:
        await blacklist.require_lists(name or ())
        with written_whole(output) if output is not None else nullcontext(sys.stdout.buffer) as target:
            async for piece in blacklist.exporting.export(wanted, form=ExportFormat(form), fields=chosen):
                target.write(piece)
            target.flush()

    try:
        on_list(settings_file, write)
    except OSError as error:
        if output is None:  # a pipe that was closed
            raise
        raise typer.BadParameter(f"{output} cannot be written: {error.strerror}") from error


def undo_command(
    identifier: Annotated[str, typer.Argument(help="Number of the import or bulk removal.")],
    settings_file: SettingsFile = None,
) -> None:
    """Undo an import or bulk removal. What was before is restored exactly."""

    from validator.blacklist.batch import BatchStatus

    async def undo(blacklist: Blacklist) -> Batch:
        batch = await blacklist.imports.undo(identifier, actor=actor())
        return await blacklist.imports.wait(batch.id, timeout_s=86_400)

    batch = on_list(settings_file, undo)
    typer.echo(f"{batch.operation} {batch.id} is {batch.status}")
    if batch.status is not BatchStatus.UNDONE:  # the store went away in between; to undo it again goes on
        raise typer.Exit(Exit.UNDECIDED)


def register(app: typer.Typer) -> None:
    """Add these commands to `validator blacklist`."""
    app.command("import")(import_command)
    app.command("export")(export_command)
    app.command("undo")(undo_command)
