"""Export: CSV that spreadsheets take for text, NDJSON as it is; streamed page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from validator.blacklist.clock import Clock
from validator.blacklist.entry import Entry, Kind
from validator.blacklist.export_form import ADDRESS_ONLY, ExportFormat
from validator.blacklist.filter import Filter
from validator.blacklist.importing.columns import defused
from validator.blacklist.store.searching import addresses_page, page
from validator.database import Database

PAGE_ROWS = 500
"""Entries read at a time: checks wait for each page, and no transaction is held while a client is slow."""
PAGE_ADDRESSES = 3_000
"""The same for addresses alone."""


class Exporting:
    """Writes the list out."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def export(
        self, wanted: Filter, *, form: ExportFormat, fields: Sequence[str] = ADDRESS_ONLY
    ) -> AsyncIterator[bytes]:
        """The entries that a filter finds, oldest first, in pieces; erased ones have nothing to show and are left out.

        With `ADDRESS_ONLY` only addresses. What is entered or changed meanwhile may or may not be in it. The first
        piece comes when the store was read, so that an unreadable one gives none: raises `StorageUnavailable`.
        """
        head = _csv([list(fields)]) if form is ExportFormat.CSV else b""
        pages = self._addresses(wanted, form) if tuple(fields) == ADDRESS_ONLY else self._entries(wanted, form, fields)
        async for piece in pages:
            yield head + piece
            head = b""
        if head:
            yield head

    async def _addresses(self, wanted: Filter, form: ExportFormat) -> AsyncIterator[bytes]:
        above = 0
        while True:
            async with self._database.reading(timeout_s=30) as conn:
                found = await addresses_page(conn, wanted, now=self._clock(), limit=PAGE_ADDRESSES, above=above)
            if not found:
                return
            above = found[-1][0]
            shown = [address for _, address in found if address]
            if form is ExportFormat.CSV:
                yield _csv([[defused(address)] for address in shown])
            else:
                yield b"".join(orjson.dumps({"email": address}) + b"\n" for address in shown)

    async def _entries(self, wanted: Filter, form: ExportFormat, fields: Sequence[str]) -> AsyncIterator[bytes]:
        above = 0
        while True:
            async with self._database.reading(timeout_s=30) as conn:
                found = await page(conn, wanted, now=self._clock(), limit=PAGE_ROWS, above=above)
            if not found:
                return
            above = int(found[-1].id)
            shown = [entry for entry in found if entry.value and _is_shown(entry, fields)]
            if form is ExportFormat.CSV:
                yield _csv([[defused(_cell(entry, field)) for field in fields] for entry in shown])
            else:
                yield b"".join(
                    orjson.dumps({field: _plain(entry, field) for field in fields}) + b"\n" for entry in shown
                )


def _is_shown(entry: Entry, fields: Sequence[str]) -> bool:
    return entry.kind is Kind.ADDRESS or "email" not in fields


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(entry: Entry, field: str) -> str:
    value = _plain(entry, field)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(entry: Entry, field: str) -> Any:
    value = entry.value if field == "email" else getattr(entry, field)
    return value.isoformat() if isinstance(value, datetime) else value
