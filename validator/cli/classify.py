"""`validator classify`: say what failure texts or returned messages mean; stores nothing."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from validator.cli.exits import Exit

if TYPE_CHECKING:
    from validator.feedback.classify import Classifier


class Reading(StrEnum):
    """How the input is read."""

    AUTO = "auto"
    """As a message when it begins with header lines, else as replies."""
    MESSAGE = "message"
    """One raw returned message."""
    REPLIES = "replies"
    """One reply of a mail server a line."""


class OutputFormat(StrEnum):
    """How the answer is printed."""

    TEXT = "text"
    """A line for each recipient or reply."""
    JSON = "json"
    """One JSON object a line, as `POST /classify` answers."""


def classify_command(
    file: Annotated[Path, typer.Argument(help="A returned message, or replies one a line; `-` is standard input.")],
    reading: Annotated[Reading, typer.Option("--as", help="auto, message or replies.")] = Reading.AUTO,
    output: Annotated[OutputFormat, typer.Option("--format", help="text or json.")] = OutputFormat.TEXT,
) -> None:
    """Say what FILE means: whom it is about, why, whose fault it is. Exit code: 0 known, 3 at least one unknown."""
    from validator.feedback.classify import Classifier
    from validator.feedback.message import is_raw_message
    from validator.reference import load_reference
    from validator.settings import load_settings

    raw = sys.stdin.buffer.read() if str(file) == "-" else _read(file)
    classifier = Classifier(load_reference(load_settings().data_dir))
    message = reading is Reading.MESSAGE or (reading is Reading.AUTO and is_raw_message(raw))
    rows = _message_rows(raw, classifier) if message else _reply_rows(raw, classifier)
    for row in rows:
        typer.echo(_shown(row, output))
    if not rows:
        typer.echo("nobody is named", err=True)
    raise typer.Exit(Exit.UNDECIDED if any(row["reason"] == "unknown" for row in rows) else Exit.ALL_VALID)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error


def _message_rows(raw: bytes, classifier: Classifier) -> list[dict[str, Any]]:
    from validator.feedback.message import judge_message

    return [outcome.document() for outcome in judge_message(raw, classifier).outcomes]


def _reply_rows(raw: bytes, classifier: Classifier) -> list[dict[str, Any]]:
    lines = raw.decode("utf-8", "replace").splitlines()
    return [classifier.classify_text(line).document() for line in lines if line.strip()]


def _shown(row: dict[str, Any], output: OutputFormat) -> str | bytes:
    if output is OutputFormat.JSON:
        import orjson

        return orjson.dumps(row)
    recipient = "".join(char if char.isprintable() else "?" for char in row["original_recipient"] or "-")
    return f"{recipient}\t{row['reason']}\t{row['disposition']}\t{row['rule']}\t{row['explanation']}"
