"""Imports and bulk removals: what can be undone as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Operation(StrEnum):
    """What a batch did."""

    IMPORT = "import"
    """Entered a file."""
    REMOVAL = "removal"
    """Removed what a filter found."""


class BatchStatus(StrEnum):
    """How far a batch is."""

    RECEIVING = "receiving"
    """Its body is still arriving; nothing was acknowledged."""
    RUNNING = "running"
    """Accepted, and being entered block by block."""
    DONE = "done"
    """Wholly entered."""
    FAILED = "failed"
    """Given up; what was entered is visible and can be undone."""
    UNDOING = "undoing"
    """Being undone block by block."""
    UNDONE = "undone"
    """As if it had never been."""


@dataclass(frozen=True, slots=True)
class Batch:
    """An import or a bulk removal."""

    id: str
    """Stable identifier, and the undo token."""
    operation: Operation
    """What it did."""
    name: str
    """File name, or what was asked for; for people."""
    actor: str
    """Who started it."""
    status: BatchStatus
    """How far it is."""
    options: Mapping[str, Any]
    """What was asked for."""
    counts: Mapping[str, int]
    """What it has come to so far."""
    created: datetime
    """When it was accepted."""
    finished: datetime | None
    """When it was wholly entered."""
    undone: datetime | None
    """When it was undone."""
    undone_by: str | None
    """Who undid it."""
    lines_done: int
    """Lines that are entered for good."""
    bytes_done: int
    """Bytes read so far."""
    bytes_total: int | None
    """Size of the body, when it is known."""
    digest: str | None
    """SHA-256 of the file, when it was known beforehand."""
    error: str | None
    """Why it was given up."""
    heartbeat: datetime | None
    """When its process last said that it works on it."""
    owner: str | None
    """That process."""
