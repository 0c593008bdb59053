"""Removing what a filter finds, with a preview before and one token that undoes it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from validator.blacklist.batch import Batch, BatchStatus, Operation
from validator.blacklist.clock import Clock
from validator.blacklist.entries import clean_text
from validator.blacklist.entry import BLOCKING, Entry
from validator.blacklist.filter import Filter
from validator.blacklist.store.batches import batch_by_id, create, finish, remove_found
from validator.blacklist.store.searching import count, page
from validator.database import Database
from validator.errors import Conflict, RequestRefused

BULK_TIMEOUT_S = 120.0
"""Longest time that one statement over the whole list may take."""
_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """What a removal would remove."""

    number: int
    """How many entries."""
    sample: tuple[Entry, ...]
    """The newest of them."""


class Removal:
    """Bulk removal by filter."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def preview(self, wanted: Filter) -> Preview:
        """How many entries a removal would remove, and some of them; changes nothing."""
        _require_narrowed(wanted)
        async with self._database.reading(timeout_s=BULK_TIMEOUT_S) as conn:
            number = await count(conn, wanted, now=self._clock())
            return Preview(number, tuple(await page(conn, wanted, now=self._clock(), limit=_SAMPLE)))

    async def remove(self, wanted: Filter, *, why: str, actor: str, expected: int | None = None) -> Batch:
        """Remove everything a filter finds, in one transaction; the batch's id is the token that undoes it.

        *expected* is the number that a preview showed: when it is a different one now, nothing is removed and
        `Conflict` is raised.
        """
        _require_narrowed(wanted)
        now = self._clock()
        async with self._database.transaction(timeout_s=BULK_TIMEOUT_S) as conn:
            identifier = await create(
                conn,
                Operation.REMOVAL,
                BatchStatus.RUNNING,
                name="bulk removal",
                actor=actor,
                options=filter_document(wanted),
                now=now,
                owner="",
            )
            reason = clean_text(why, "/why")
            number = await remove_found(conn, wanted, identifier, why=reason, now=now, actor=actor)
            if expected is not None and number != expected:
                raise Conflict(f"the filter finds {number} entries now, not {expected}")
            await finish(conn, identifier, BatchStatus.DONE, now=now, counts={"removed": number})
            return await batch_by_id(conn, identifier)


def filter_document(wanted: Filter) -> dict[str, Any]:
    """A filter as JSON, for the record. A text may be an address, so only its presence is kept."""
    document: dict[str, Any] = {}
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value not in (None, (), []):
            document[field.name] = value.isoformat() if isinstance(value, datetime) else value
    if "text" in document:
        document["text"] = True
    return document


def _require_narrowed(wanted: Filter) -> None:
    narrowing = (wanted.kinds, wanted.causes, wanted.lists, wanted.source, wanted.batch, wanted.domain, wanted.text)
    exact = (wanted.since, wanted.until, wanted.expired, wanted.overridden)
    if not any(narrowing) and all(part is None for part in exact):
        raise RequestRefused("an empty filter would remove the whole list; say which entries")
    if not set(wanted.states) <= BLOCKING:
        raise RequestRefused("only active and archived entries can be removed")
