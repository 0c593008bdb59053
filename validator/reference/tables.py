"""data/ -> frozen tables: read strictly, compare with the manifest, refuse what is empty, shrunken or altered.

A table is a tab-separated text file: `#` comment lines, one header line, then rows, sorted and without duplicates
(sorted is not asked of a table whose manifest entry says `ordered = true`, where the order carries meaning).
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validator.errors import DatasetError

MANIFEST_NAME = "MANIFEST.toml"


@dataclass(frozen=True, slots=True)
class Table:
    """One reference table."""

    name: str
    """File name without `.tsv`."""
    columns: tuple[str, ...]
    """Header."""
    rows: tuple[tuple[str, ...], ...]
    """Cells as text, each row as long as `columns`."""
    sha256: str
    """Hex digest of the file's bytes."""

    def records(self) -> list[dict[str, str]]:
        """The rows as dictionaries, in file order."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """What the manifest promises of one table."""

    name: str
    """Table name."""
    source: str
    """Where the facts come from."""
    licence: str
    """Licence of the facts or `own work`."""
    date: str
    """Day of the last review, ISO 8601."""
    entries: int
    """Number of rows."""
    sha256: str
    """Hex digest of the file's bytes."""
    allowed_change_pct: float
    """How much the number of rows may differ from the manifest's before the table is refused, in per cent."""
    ordered: bool
    """The order of the rows carries meaning; they need not be sorted."""


def default_data_dir() -> Path:
    """The tables that came with this installation: inside the wheel, else beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_data"
    return inside if inside.is_dir() else package.parent / "data"


_EDGE = re.compile(r"[\t\n][^\S\t\n]|[^\S\t\n](?:[\t\n]|\Z)|\A[^\S\t\n]|\r")
"""White space at the edge of a cell, or a carriage return anywhere."""


def parse_table(name: str, raw: bytes) -> Table:
    """Parse one file; raises `DatasetError` naming table and line."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name}: not UTF-8 at byte {error.start}") from error
    edges = _EDGE.search(text) is not None  # looked for cell by cell only when there is one: tables are read at a start
    columns: tuple[str, ...] | None = None
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.startswith("#"):
            continue
        cells = tuple(line.split("\t"))
        if columns is None:
            columns = cells
            continue
        if len(cells) != len(columns):
            raise DatasetError(f"{name}: line {number} has {len(cells)} cells, not {len(columns)}")
        if edges and any(cell != cell.strip() or "\r" in cell for cell in cells):
            raise DatasetError(f"{name}: line {number} has white space at the edge of a cell")
        rows.append(cells)
    if columns is None or not rows:
        raise DatasetError(f"{name}: empty")
    return Table(name, columns, tuple(rows), hashlib.sha256(raw).hexdigest())


def read_manifest(data_dir: Path) -> Mapping[str, ManifestEntry]:
    """Read `MANIFEST.toml`; raises `DatasetError` when it is missing or malformed."""
    path = data_dir / MANIFEST_NAME
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DatasetError(f"manifest of {data_dir.name}: {error}") from error
    entries = {}
    for name, fields in document.items():
        try:
            entries[name] = ManifestEntry(
                name=name,
                source=str(fields["source"]),
                licence=str(fields["licence"]),
                date=str(fields["date"]),
                entries=int(fields["entries"]),
                sha256=str(fields["sha256"]),
                allowed_change_pct=float(fields.get("allowed_change_pct", 20)),
                ordered=bool(fields.get("ordered", False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"manifest entry {name}: {error!r}") from error
    return entries


def table_faults(table: Table, entry: ManifestEntry, *, exact: bool) -> list[str]:
    """What is wrong with *table* against its manifest entry, one sentence each; empty when all is well.

    With `exact` the digest and count must agree (a release); without, the count may differ by `allowed_change_pct`
    (an operator's own edit of a table).
    """
    faults = []
    if exact and table.sha256 != entry.sha256:
        faults.append(f"{table.name}: SHA-256 differs from the manifest")
    if exact and len(table.rows) != entry.entries:
        faults.append(f"{table.name}: {len(table.rows)} rows, manifest says {entry.entries}")
    if entry.entries and len(table.rows) < entry.entries * (1 - entry.allowed_change_pct / 100):
        faults.append(f"{table.name}: shrunk from {entry.entries} to {len(table.rows)} rows")
    if len(set(table.rows)) != len(table.rows):
        faults.append(f"{table.name}: duplicate rows")
    if not entry.ordered and list(table.rows) != sorted(table.rows):
        faults.append(f"{table.name}: rows are not sorted")
    return faults


def write_manifest(data_dir: Path) -> list[str]:
    """Bring `entries` and `sha256` of every manifest entry up to date with the files; returns the names changed."""
    path = data_dir / MANIFEST_NAME
    entries = read_manifest(data_dir)
    lines = [
        "# Provenance of every reference table. `entries` and `sha256` are written by `validator data manifest`.",
        "",
    ]
    changed = []
    for name in sorted(entries):
        entry = entries[name]
        table = parse_table(name, (data_dir / f"{name}.tsv").read_bytes())
        if (table.sha256, len(table.rows)) != (entry.sha256, entry.entries):
            changed.append(name)
        lines += [
            f"[{name}]",
            f"source = {_toml_string(entry.source)}",
            f"licence = {_toml_string(entry.licence)}",
            f"date = {_toml_string(entry.date)}",
            f"entries = {len(table.rows)}",
            f"sha256 = {_toml_string(table.sha256)}",
            f"allowed_change_pct = {entry.allowed_change_pct:g}",
            *(["ordered = true"] if entry.ordered else []),
            "",
        ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return changed


def _toml_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
