"""The wire contract of imports as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from validator.blacklist.batch import Batch, BatchStatus, Operation
from validator.blacklist.entry import Cause, Kind
from validator.blacklist.import_options import Encoding
from validator.server.wire_types import Cursor, Expiry, ListName, ShortText, StrictRequest, Wire


class ImportQuery(StrictRequest):
    """How a file is to be entered."""

    list: ListName = Field("default", description="Named list, for lines that name none.")
    cause: Cause | None = Field(None, description="Overrules whatever the file says.")
    kind: Kind | None = Field(None, description="What values are; told apart when missing (hosts need it).")
    expires: Expiry | None = Field(None, description="When entries stop blocking; a plain date is its end, UTC.")
    note: ShortText = Field("", description="For people, for lines that have none.")
    name: ShortText = Field("", description="Name of the file, for the report.")
    dry_run: bool = Field(False, description="Only say what it would do.")
    revive: bool = Field(False, description="Entries that were removed block again.")
    replace: bool = Field(False, description="Cause and expiry of the file replace those of entries that are there.")
    force: bool = Field(False, description="Also rules that would hit half the world.")
    judge: bool = Field(True, description="Leave out failures that do not speak against their address.")
    encoding: Encoding | None = Field(
        None, description="How the file is written, when it is neither UTF-8 nor UTF-16 nor has a header in Russian."
    )


class ImportPaste(StrictRequest):
    """A pasted list."""

    text: str = Field(
        min_length=1,
        max_length=8_000_000,
        description="What was pasted: lines, CSV with a header, NDJSON, or a JSON list.",
    )


class ImportCounts(Wire):
    """What an import has come to so far."""

    lines: int = Field(0, description="Lines read.")
    added: int = Field(0, description="Entries that were not there.")
    changed: int = Field(0, description="Entries whose cause, expiry or last event changed.")
    found_again: int = Field(0, description="Archived entries that are seen again.")
    revived: int = Field(0, description="Removed entries that block again.")
    unchanged: int = Field(0, description="Entries that were there already.")
    kept_removed: int = Field(0, description="Removed entries that stay removed.")
    duplicates: int = Field(0, description="Values that stood in the file before.")
    warnings: int = Field(0, description="Lines that made an entry without something that stood in them.")
    faults: int = Field(0, description="Lines with something that makes no entry.")
    left_out: int = Field(0, description="Failures that do not speak against their address.")


class FaultModel(Wire):
    """A line that made no entry, or not with everything that stands in it."""

    line: int = Field(description="From 1.")
    code: str = Field(description="Machine-readable.")
    detail: str = Field(description="In words; never quotes the line.")


class ImportSummary(Wire):
    """The report of an import (or bulk removal), without lines."""

    id: str | None = Field(description="Identifier and undo token; null for a dry run.")
    operation: Operation = Field(description="import or removal.")
    status: BatchStatus | None = Field(description="How far it is; null for a dry run.")
    name: str = Field(description="Name of the file.")
    actor: str = Field(description="Who started it.")
    counts: ImportCounts = Field(description="What it has come to so far.")
    removed: int | None = Field(description="Entries that a bulk removal removed.")
    created: datetime | None = Field(description="When it was accepted.")
    finished: datetime | None = Field(description="When it was wholly entered.")
    undone: datetime | None = Field(description="When it was undone.")
    undone_by: str | None = Field(description="Who undid it.")
    bytes_done: int = Field(description="Bytes entered for good.")
    bytes_total: int | None = Field(description="Size of the body, when it is known.")
    error: str | None = Field(description="Why it was given up.")


class ImportModel(ImportSummary):
    """The report of an import (or bulk removal)."""

    faults: list[FaultModel] = Field(
        description="The first hundred lines that made no entry, or not a whole one; see `/faults` for all."
    )


class ImportPage(Wire):
    """Some imports, newest first."""

    imports: list[ImportSummary] = Field(description="Their reports, without lines.")
    cursor: str | None = Field(description="For the next page; null when this was the last.")


class FaultPage(Wire):
    """Some faults of an import, in the order of the file."""

    faults: list[FaultModel] = Field(description="Lines that made no entry.")
    cursor: str | None = Field(description="For the next page; null when this was the last.")


class PageQuery(StrictRequest):
    """Which page."""

    limit: int = Field(100, ge=1, le=1_000, description="Rows in a page.")
    cursor: Cursor | None = None


def import_document(batch: Batch) -> dict[str, Any]:
    """The wire form of a report without lines."""
    from validator.blacklist.store.block import Counts

    return {
        "id": batch.id,
        "operation": batch.operation,
        "status": batch.status,
        "name": batch.name,
        "actor": batch.actor,
        "counts": Counts().document() | {name: n for name, n in batch.counts.items() if name != "removed"},
        "removed": batch.counts.get("removed"),
        "created": batch.created,
        "finished": batch.finished,
        "undone": batch.undone,
        "undone_by": batch.undone_by,
        "bytes_done": batch.bytes_done,
        "bytes_total": batch.bytes_total,
        "error": batch.error,
    }
