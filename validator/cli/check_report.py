"""The closing report as a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from validator import __version__
from validator.bulk.report import html_report
from validator.bulk.summary import Summary
from validator.cli.written import write_whole


def write_report(path: Path, summary: Summary, *, source: str, seconds: float) -> None:
    """Write the HTML report; raises `RequestRefused` when that cannot be done."""
    finished = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    page = html_report(summary, source=source, finished=finished, seconds=seconds, version=__version__)
    write_whole(path, page.encode())
