"""How an export is written, and what of an entry."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    """With a header; cells that a spreadsheet would take for a formula begin with an apostrophe."""
    NDJSON = "ndjson"
    """One JSON object a line, nothing altered."""


ADDRESS_ONLY = ("email",)
"""Fields of an export when none are asked for: addresses and nothing else."""


ALL_FIELDS = (
    "kind", "value", "below", "list", "cause", "state", "source", "note", "actor", "created", "last_event", "expires",
)  # fmt: skip
"""Every field, in the order of a CSV export; an import of it makes the same list again."""
