"""The work of an import, from bytes to committed blocks, and of an undo. Synchronous: runs in a thread of its own."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from validator.blacklist.entry import MAX_LISTS, Cause, Kind, State
from validator.blacklist.guard import WITH_FORCE, Guard
from validator.blacklist.importing import NOT_THE_RECIPIENT, WARNINGS, Defaults, Fault, Reader, Row, Run
from validator.blacklist.keys import erased_key
from validator.blacklist.store.block import Block, Counts, Staged
from validator.blacklist.store.codes import CauseCode, KindCode, StateCode
from validator.blacklist.store.loading import (
    BLOCK_ROWS,
    ErasedMeanwhile,
    Link,
    Superseded,
    chunks_of,
    list_id,
    load,
    rehearse,
)
from validator.blacklist.store.undoing import undo_additions, undo_changes
from validator.database import microseconds

MAX_FAULTS: Final = 10_000
"""Faults of one import that are kept with line and cause; further ones are only counted."""
CHUNK_BYTES: Final = 262_144
"""Bytes read at a time."""

_KINDS = {kind: int(KindCode[kind.name]) for kind in Kind}
_CAUSES = {code.name: int(code) for code in CauseCode}
_STATES = {code.name: int(code) for code in StateCode}
_MOST_ITEMS = 4 * BLOCK_ROWS
_FIRST = 2**62
_TOO_MANY_LISTS = f"there are {MAX_LISTS} lists already"
_ERASE_KEY = "SELECT erase_key FROM blacklist_meta"
_CURSOR = "SELECT b.status, b.owner, b.undo_cursor FROM blacklist_batch b WHERE b.id = :batch"

Clock = Callable[[], int]
"""Now, as microseconds since 1970."""
Progress = Callable[[Counts, int], None]
"""Told after each block: the counts so far and the bytes read."""


class Stopped(Exception):
    """The process is about to end; what is committed stays, the rest is continued later."""


@dataclass(frozen=True, slots=True)
class Job:
    """What an import is to do, besides the file itself."""

    batch: int
    """Its row; 0 for a dry run."""
    owner: str
    """The process that works on it."""
    actor: str
    """Who started it."""
    defaults: Defaults
    """What holds for lines that do not say otherwise."""
    revive: bool = False
    """Entries that were removed block again."""
    replace: bool = False
    """Cause and expiry of the file replace those of entries that are there."""
    force: bool = False
    """Also rules that would hit half the world."""
    secret: bytes | None = None
    """Key of erased addresses' hashes, when something was erased."""
    own_secret: bytes | None = None
    """The operator's key for them, if there is one: used from the first erasure on."""


class Importer:
    """Enters one file, block by block; each block is committed together with how far it goes."""

    def __init__(self, link: Link, guard: Guard, job: Job, *, clock: Clock, stop: threading.Event) -> None:
        self._link = link
        self._guard = guard
        self._job = job
        self._clock = clock
        self._stop = stop
        self._secret = job.secret
        self._reader = Reader(job.defaults)
        self._block = Block()
        self._items = 0
        self._faults_kept = 0
        self._faulty_line = 0
        self._line = 0
        self._bytes = 0
        self._lists: dict[str, int] = {}
        self._now = clock()
        self._cause, self._cause_code = Cause.IMPORT, int(CauseCode.IMPORT)
        self.counts = Counts()
        """What is committed so far."""
        self.first_faults: list[tuple[int, str, str]] = []
        """In a dry run: the faults, as far as they are kept."""

    def run(
        self, chunks: Iterable[bytes], *, after_line: int = 0, done: Counts | None = None, progress: Progress
    ) -> Counts:
        """Enter what follows line *after_line*, where an interrupted run had come to with the counts *done*.

        Raises `Stopped`, `Superseded` and `StorageUnavailable`; the blocks before stay.
        """
        if done is not None:
            self.counts = done
            self._faults_kept = min(MAX_FAULTS, done.faults + done.left_out + done.warnings)
        self._line = after_line
        for item in self._items_of(chunks):
            if isinstance(item, Run):
                self._take_run(item, after_line, progress)
            elif item.line > after_line:
                self._take(item, progress)
        self._commit(self._reader.lines, progress)
        return self.counts

    def _items_of(self, chunks: Iterable[bytes]) -> Iterator[Row | Fault | Run]:
        for chunk in chunks:
            if self._stop.is_set():
                raise Stopped
            self._bytes += len(chunk)
            runs = self._secret is None  # among erased addresses each one is looked for by a hash of its own
            yield from self._reader.feed_runs(chunk) if runs else self._reader.feed(chunk)
        yield from self._reader.finish()

    def _take(self, item: Row | Fault, progress: Progress) -> None:
        if item.line != self._line:
            self._make_room(progress)
        self._line = item.line
        self._items += 1
        if isinstance(item, Fault):
            self._fault(item)
            return
        row = self._staged(item)
        if row is not None:
            self._block.add(row)

    def _take_run(self, run: Run, after_line: int, progress: Progress) -> None:
        rest: Run | None = run
        if run.first.line <= after_line:
            done = after_line - run.first.line + 1
            rest = run.cut(done)[1]
        while rest is not None:
            self._make_room(progress)
            if self._secret is not None:  # somebody was erased while this import went on
                for one in rest.rows():
                    self._take(one, progress)
                return
            part, rest = rest.cut(BLOCK_ROWS - self._block.size)
            row = self._staged(part.first)
            if row is not None:
                self._block.add_run(row, part.text, part.lines)
            else:  # an address is never too wide, but its list may be one too many
                for line in range(part.first.line + 1, part.first.line + part.lines):
                    self._fault(Fault(line, "list", _TOO_MANY_LISTS))
            self._line = part.first.line + part.lines - 1

    def _make_room(self, progress: Progress) -> None:
        """Commit the block when it is full; only at a line's end."""
        if self._block.size >= BLOCK_ROWS or self._items >= _MOST_ITEMS:
            self._commit(self._line, progress)

    def _fault(self, fault: Fault) -> None:
        if fault.code == NOT_THE_RECIPIENT:
            self._block.counts.left_out += 1
        elif fault.code in WARNINGS:
            self._block.counts.warnings += 1
        elif fault.line == self._faulty_line:
            return  # one a line, however many values of it are none
        else:
            self._faulty_line = fault.line
            self._block.counts.faults += 1
        if self._faults_kept < MAX_FAULTS:
            self._faults_kept += 1
            self._block.faults.append((fault.line, fault.code, fault.detail))

    def _staged(self, row: Row) -> Staged | None:
        """A row as it is staged; None for one whose rule or list is refused, which is then a fault."""
        rule, job = row.rule, self._job
        plain = rule.kind is Kind.ADDRESS
        if not plain and not job.force:
            reach = self._guard.reach(rule)
            if reach.refused:
                self._fault(Fault(row.line, "too_wide", f"{reach.sentence}; {WITH_FORCE}"))
                return None
        list_number = self._lists.get(row.list)
        if list_number is None:
            list_number = self._list(row.list)
            if list_number is None:
                self._fault(Fault(row.line, "list", _TOO_MANY_LISTS))
                return None
            self._lists[row.list] = list_number
        kind = 0 if plain else _KINDS[rule.kind]
        if not plain:
            self._block.rules = True
            if rule.kind is Kind.MX_IP:
                self._block.widths.add((6 if ":" in rule.key else 4, int(rule.key.rpartition("/")[2])))
        if row.cause is not self._cause:
            self._cause, self._cause_code = row.cause, _CAUSES[row.cause.name]
        now = self._now
        return (
            kind,
            rule.key,
            list_number,
            rule.value if rule.value != rule.key else None,
            rule.below,
            self._cause_code,
            0 if row.state is State.ACTIVE else _STATES[row.state.name],
            row.source,
            row.note,
            now if row.created is None else min(now, microseconds(row.created)),
            None if row.last_event is None else microseconds(row.last_event),
            None if row.expires is None else microseconds(row.expires),
            erased_key(rule.key, self._secret) if plain and self._secret is not None else None,
        )

    def _list(self, name: str) -> int | None:
        """The number of a named list, None for one too many; in a dry run a new one gets a number that no list has."""
        real = bool(self._job.batch)
        found = list_id(self._link, name, make=real, now=self._now, actor=self._job.actor)
        if found is not None or real:
            return found
        new = sum(number < 0 for number in self._lists.values())
        [(there,)] = self._link.rows("SELECT COUNT(*) FROM blacklist_list")
        return None if there + new >= MAX_LISTS else -1 - new

    def _commit(self, line: int, progress: Progress) -> None:
        block, self._block, self._items = self._block, Block(), 0
        block.lines, block.bytes, block.erased = line, self._bytes, self._secret is not None
        job = self._job
        self._now = self._clock()
        values = {
            "batch": job.batch,
            "owner": job.owner,
            "actor": job.actor,
            "source": f"import:{job.batch}",
            "now": self._now,
            "revive": int(job.revive),
            "replace": int(job.replace),
        }
        if job.batch:
            try:
                load(self._link, block, self.counts, values, _encoded)
            except ErasedMeanwhile:
                secret = self._secret = self._job.own_secret or self._link.rows(_ERASE_KEY)[0][0]
                block.look_for_erased(lambda key: erased_key(key, secret))
                load(self._link, block, self.counts, values, _encoded)
        else:
            rehearse(self._link, block, self.counts, values)
            self.first_faults += block.faults
        progress(self.counts, self._bytes)


def _encoded(document: object) -> str:
    return orjson.dumps(document).decode()


def stored_chunks(link: Link, batch: int) -> Iterator[bytes]:
    """The stored body of an import, as it was sent."""
    for data in chunks_of(link, batch):
        yield zlib.decompress(data)


def undo(link: Link, batch: int, *, owner: str, actor: str, clock: Clock, stop: threading.Event) -> None:
    """Undo a batch block by block, going on where an interrupted undo had come to.

    Raises `Stopped`, `Superseded` and `StorageUnavailable`.
    """
    mine = {"batch": batch, "owner": owner}
    while True:
        if stop.is_set():
            raise Stopped
        values = {**mine, "actor": actor, "now": clock()}
        with link.transaction():
            state = link.rows(
                _CURSOR + link.locking("b"),
                mine,
            )
            if not state or tuple(state[0][:2]) != ("undoing", owner):
                raise Superseded
            cursor = _undo_block(link, values, int(state[0][2]))
            link.run("UPDATE blacklist_meta SET rules_version = rules_version + 1")
            link.run(
                "UPDATE blacklist_batch SET undo_cursor = :cursor, heartbeat = :now WHERE id = :batch",
                {**values, "cursor": cursor if cursor is not None else 1},
            )
        if cursor is None:
            return


def _undo_block(link: Link, values: dict[str, object], cursor: int) -> int | None:
    """One block: negative cursors walk the changes, latest first; positive ones the additions. None at the end."""
    if cursor <= 0:
        low = undo_changes(link, values, -cursor or _FIRST)
        return 1 if low is None else -low
    last = undo_additions(link, values, cursor - 1)
    return None if last is None else last + 1
