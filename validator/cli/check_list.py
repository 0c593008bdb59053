"""One list of any length: read, judged, written, with a progress bar and a closing report."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from validator.bulk.checkpoint import ListOutput, fingerprint
from validator.bulk.files import (
    STDIN,
    UNREADABLE_ENDINGS,
    ListFile,
    ListFormat,
    ListShape,
    format_of_content,
    format_of_name,
    head_of,
    refuse_foreign,
    require_format,
)
from validator.bulk.findings import summary_lines
from validator.bulk.output import OutputShape
from validator.bulk.processes import ProcessesJudge
from validator.bulk.rows import WINDOW_ROWS
from validator.bulk.running import Judge, LocalJudge, Progress, run_list
from validator.bulk.summary import Summary
from validator.cli.check_engine import Engine, run
from validator.cli.check_report import write_report
from validator.cli.check_rules import Rules
from validator.cli.exits import Exit
from validator.cli.written import shown_name
from validator.errors import RequestRefused, ValidatorError


@dataclass(frozen=True, slots=True)
class ListRun:
    """What is to be done with one list."""

    path: Path
    """The list, or `-`."""
    out: Path | None
    """Where rows go with their verdicts."""
    resume: bool
    """Continue a run that was cut off."""
    report: Path | None
    """Where the HTML report goes."""
    read_as: str | None
    """Format that was named."""
    write_as: str | None
    """Output format that was named."""
    column: str | None
    """Column or member of the address."""
    raw_cells: bool
    """Leave formulas in tables."""
    jobs: int
    """Processes."""

    def run(self, engine: Engine, rules: Rules) -> Exit:
        """Do it; what it came to. Raises `RequestRefused` for what cannot be done."""
        if rules.allowed or rules.patterns:
            raise RequestRefused("--allow: takes findings away, and a list has counts only; add --format text")
        kind = self._input_format()
        written = self._output_format(kind) if self.out is not None else kind
        if ListFormat.PARQUET in {kind, written}:
            self._require_parquet(kind, written)
            self._output()
            from validator.cli.check_parquet import check_parquet

            with progress_bar(self.path.name) as show:
                found = run(check_parquet(self.path, self.out, self.column, engine, show))
            return self._close(*found, rules)
        source = ListFile(self.path, ListShape(kind, self.column, engine.settings.stream_max_line_bytes))
        if self.out is not None and self.resume and ListOutput(self.out).is_complete():
            typer.echo(f"{self.out} is complete: nothing to resume", err=True)
            return Exit.ALL_VALID
        output = self._output()
        try:
            summary, seconds = run(self._judge(engine, source, kind, output))
        except (KeyboardInterrupt, ValidatorError, OSError):
            if output is not None and output.has_begun and output.is_cut_off() and self.path != STDIN:
                typer.echo("cut off; the same command with --resume goes on", err=True)
            raise
        return self._close(summary, seconds, rules)

    def _require_parquet(self, kind: ListFormat, written: ListFormat) -> None:
        """Raises `RequestRefused` for what Parquet cannot do: its index is written last, over the whole file."""
        if kind is not written:
            raise RequestRefused(f"{kind} to {written}: Parquet is read and written as Parquet only")
        if self.path == STDIN:
            raise RequestRefused("Parquet is read from its end: give a file, not standard input")
        if self.resume:
            raise RequestRefused("--resume: a Parquet file that was cut off cannot be continued; run it again without")
        if self.jobs > 1:
            raise RequestRefused("--jobs: Parquet is judged by one process")

    def _close(self, summary: Summary, seconds: float, rules: Rules) -> Exit:
        rate = f" ({summary.rows / seconds:,.0f}/s)" if seconds else ""
        lines = [f"{summary.rows:,} addresses in {seconds:.1f} s{rate}", *summary_lines(summary)]
        typer.echo("\n".join(lines), err=self.out == STDIN)
        if self.report is not None:
            write_report(self.report, summary, source=shown_name(Path(self.path.name)), seconds=seconds)
        return rules.exit_of_counts(summary)

    async def _judge(
        self, engine: Engine, source: ListFile, kind: ListFormat, output: ListOutput | None
    ) -> tuple[Summary, float]:
        options: dict[str, Any] = {
            "sanitize": engine.options.sanitize, "explain": engine.options.explain, "lists": list(engine.options.lists),
            "dns": engine.answered_by,
        }  # fmt: skip
        async with contextlib.AsyncExitStack() as stack:
            if self.jobs == 1:
                checker = await stack.enter_async_context(engine.open_checker())

            def make_judge(shape: OutputShape | None) -> Judge:
                if self.jobs > 1:
                    return ProcessesJudge(engine.opener(), self.jobs, engine.row_options, shape)
                return LocalJudge(checker, engine.row_options, shape)

            show = stack.enter_context(progress_bar(self.path.name))
            return await run_list(
                source,
                make_judge,
                shape_of=None if output is None else lambda read: self._shape(read, kind),
                output=output,
                expected=None if self.path == STDIN else lambda shape: fingerprint(source, shape, options),
                resume=self.resume,
                report=show,
                window_rows=WINDOW_ROWS if self.jobs == 1 else 4 * WINDOW_ROWS,
            )

    def _output(self) -> ListOutput | None:
        """The output, not begun; raises `RequestRefused` for what cannot be one."""
        if self.out is None:
            if self.resume:
                raise RequestRefused("--resume: needs --out")
            return None
        if self.path == STDIN and self.resume:
            raise RequestRefused("--resume: standard input cannot be read again")
        if self.out == STDIN:
            raise RequestRefused("--out: name a file")
        if self.out.exists() and not self.out.is_file():
            raise RequestRefused(f"--out: {self.out} is not a file; it would be replaced by one")
        return ListOutput(self.out)

    def _input_format(self) -> ListFormat:
        if self.read_as is not None:
            return require_format(self.read_as, "--input")
        found = format_of_name(self.path) if self.path != STDIN else None
        if found is None and self.path == STDIN:
            raise RequestRefused("standard input: say what it is with --input, such as --input txt")
        head = head_of(self.path)
        refuse_foreign(self.path, head)
        return found or format_of_content(head)

    def _output_format(self, kind: ListFormat) -> ListFormat:
        assert self.out is not None
        if self.write_as is not None:
            named: ListFormat | None = require_format(self.write_as, "--output")
        else:
            named = format_of_name(self.out)
            if named is None and self.out.suffix.lower() in UNREADABLE_ENDINGS:
                raise RequestRefused(f"--out: {self.out.suffix} cannot be written; csv opens in spreadsheets")
        if named is ListFormat.YAML:
            raise RequestRefused("YAML: lists are written as csv, tsv, txt, ndjson, json or parquet")
        return named or kind

    def _shape(self, source: ListFile, kind: ListFormat) -> OutputShape:
        assert self.out is not None
        written = self._output_format(kind)
        if source.header is not None:
            columns: tuple[str, ...] | None = tuple(source.header)
        elif source.is_table:
            columns = ()
        else:
            columns = None
        delimiter = source.delimiter if kind is ListFormat.CSV else ","
        return OutputShape(written, columns, delimiter, self.raw_cells, self.out.suffix.lower() == ".gz")


@contextlib.contextmanager
def progress_bar(name: str) -> Iterator[Callable[[Progress], None]]:
    """A bar on the terminal with rate, time left and counts; nothing when nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    counts = Text(no_wrap=True, overflow="ellipsis")

    class Bar(Progress):
        """The bar, and the counts on a line of their own, where both fit into 80 columns."""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            yield counts

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    begun = time.monotonic()
    shown = name if len(name) <= 24 else f"{name[:11]}…{name[-12:]}"
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(shown, total=None, rate="")
        first_rows: list[int] = []

        def show(now: Any) -> None:
            first_rows[:] = first_rows or [now.rows]
            rate = (now.rows - first_rows[0]) / max(0.001, time.monotonic() - begun)
            open_ones = ("unknown", now.summary.statuses["unknown"])
            rest = [(word, count) for word, count in (open_ones, *now.summary.reasons.most_common()) if count]
            words = [("valid", now.summary.statuses["valid"]), *rest]
            counts.plain = "  ".join((f"{now.rows:,} rows", *(f"{word} {count:,}" for word, count in words)))
            bar.update(task, completed=now.read_bytes, total=now.total_bytes, rate=f"{rate:,.0f}/s")

        yield show
