"""data/ -> frozen tables with version and SHA-256. Loading builds everything first; the caller swaps last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from validator.errors import DatasetError
from validator.reference.tables import Table, default_data_dir, parse_table, read_manifest, table_faults

__all__ = ["Reference", "Table", "load_reference"]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """All reference data of one load; immutable, shared by every check until the next load is swapped in."""

    version: str
    """First 12 hex digits of the SHA-256 over all tables: the rule version that answers can name."""
    tables: Mapping[str, Table]
    """Every table by name."""
    date: str = "1970-01-01"
    """Day of the latest review of any table, ISO 8601."""
    shipped: bool = False
    """Exactly the tables that came with the installation: their rules were compared with each other beforehand."""

    def timestamp(self) -> float:
        """`date` as a Unix time."""
        return datetime.fromisoformat(self.date).replace(tzinfo=UTC).timestamp()

    def table(self, name: str) -> Table:
        """One table; raises `DatasetError` when there is none of that name."""
        try:
            return self.tables[name]
        except KeyError:
            raise DatasetError(f"no table named {name}") from None


def load_reference(data_dir: Path | None = None) -> Reference:
    """Read and verify every table that the manifest names; raises `DatasetError`, never loads an empty list.

    The tables that came with the installation must equal their manifest; a folder of the operator's own may differ in
    content, but no table may shrink by more than its manifest allows.
    """
    folder = data_dir or default_data_dir()
    exact = data_dir is None or data_dir.resolve() == default_data_dir().resolve()
    tables: dict[str, Table] = {}
    faults: list[str] = []
    digest = hashlib.sha256()
    manifest = read_manifest(folder)
    for name, entry in sorted(manifest.items()):
        try:
            raw = (folder / f"{name}.tsv").read_bytes()
        except OSError as error:
            raise DatasetError(f"{name}: {error.strerror}") from error
        table = parse_table(name, raw)
        faults += table_faults(table, entry, exact=exact)
        tables[name] = table
        digest.update(f"{name}:{table.sha256}\n".encode())
    if faults:
        raise DatasetError("; ".join(faults))
    if not tables:
        raise DatasetError("the manifest names no table")
    return Reference(digest.hexdigest()[:12], tables, max(entry.date for entry in manifest.values()), exact)
