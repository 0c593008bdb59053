"""Imports as jobs: accepted when stored, entered block by block, continued after a crash, undone as one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import secrets
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from validator import metrics
from validator.blacklist.batch import Batch, BatchStatus, Operation
from validator.blacklist.clock import Clock
from validator.blacklist.entries import read_cursor, write_cursor
from validator.blacklist.guard import Guard
from validator.blacklist.import_options import ImportOptions, LineFault, Rehearsal
from validator.blacklist.importing import Classify, Defaults
from validator.blacklist.store.batches import (
    batch_by_id,
    batches,
    claim_abandoned,
    create,
    faults,
    finish,
    is_abandoned,
    set_batch,
    still_receiving,
    store_chunk,
)
from validator.blacklist.store.block import Counts
from validator.blacklist.store.link import bulk_link
from validator.blacklist.store.loading import Link, Superseded
from validator.blacklist.store.rows import erasure_secret
from validator.blacklist.worker import CHUNK_BYTES, Importer, Job, Progress, Stopped, stored_chunks, undo
from validator.database import Changed, Database, microseconds
from validator.database.connecting import AsyncConnection
from validator.errors import Conflict, LimitExceeded, StorageUnavailable

PIECE_BYTES: Final = 1_048_576
"""Bytes of a body that are stored as one row before they are compressed."""
_PIECES_AHEAD: Final = 16


class Imports:
    """Imports of this process and the reports of all."""

    def __init__(self, database: Database, guard: Guard, clock: Clock, classify: Classify | None = None) -> None:
        self._database = database
        self._guard = guard
        self._clock = clock
        self._classify = classify
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)
        self._receiving: set[str] = set()
        self._stop = threading.Event()

    async def aclose(self) -> None:
        """Stop at the next block; what is not finished is continued by the next process."""
        self._stop.set()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    async def continue_abandoned(self) -> None:
        """Continue what a process that is gone has left behind; say of bodies that arrive here that they do."""
        async with self._database.transaction() as conn:
            now = self._clock()
            await still_receiving(conn, self._receiving, owner=self._owner, now=now)
            claimed = await claim_abandoned(conn, owner=self._owner, now=now)
        for batch in claimed:
            self._begin(batch)

    async def accept(
        self, body: AsyncIterator[bytes], options: ImportOptions, *, name: str, actor: str, max_bytes: int
    ) -> Batch:
        """Store a body and begin to enter it. When this returns, the import survives the process.

        Raises `LimitExceeded` for a body over *max_bytes*, and `StorageUnavailable` also when another process took this
        one for gone meanwhile; nothing of the body is kept then.
        """
        async with self._database.transaction() as conn:
            identifier = await create(
                conn,
                Operation.IMPORT,
                BatchStatus.RECEIVING,
                name=name,
                actor=actor,
                options=options.document(),
                now=self._clock(),
                owner=self._owner,
            )
        async with contextlib.AsyncExitStack() as unfinished:
            unfinished.push_async_callback(self._give_up, identifier)
            self._receiving.add(identifier)
            size = await self._receive(identifier, body, max_bytes)
            async with self._database.transaction() as conn:
                await self._say_receiving(conn, identifier)
                await set_batch(conn, identifier, status=BatchStatus.RUNNING, bytes_total=size)
            unfinished.pop_all()
            self._receiving.discard(identifier)
        batch = await self.get(identifier)
        self._begin(batch)
        return batch

    async def _give_up(self, identifier: str) -> None:
        """Nothing of the body is kept: it was never acknowledged."""
        self._receiving.discard(identifier)
        with contextlib.suppress(StorageUnavailable):
            async with self._database.transaction() as conn:
                await finish(conn, identifier, BatchStatus.FAILED, now=self._clock(), error="its body did not arrive")

    async def _receive(self, identifier: str, body: AsyncIterator[bytes], max_bytes: int) -> int:
        size, place, piece = 0, 0, bytearray()

        async def put() -> None:
            nonlocal place, piece
            data = await asyncio.to_thread(zlib.compress, bytes(piece), 1)
            async with self._database.transaction() as conn:
                await self._say_receiving(conn, identifier)
                await store_chunk(conn, identifier, place, data)
            place, piece = place + 1, bytearray()

        async for part in body:
            size += len(part)
            if size > max_bytes:
                raise LimitExceeded(f"a body of more than {max_bytes} bytes")
            piece += part
            if len(piece) >= PIECE_BYTES:
                await put()
        await put()
        return size

    async def _say_receiving(self, conn: AsyncConnection, identifier: str) -> None:
        """Say that the body still arrives; raises when it was given up, and its first pieces with it."""
        if not await still_receiving(conn, [identifier], owner=self._owner, now=self._clock()):
            raise StorageUnavailable("the import was given up while its body arrived; send it again")

    async def wait(self, identifier: str, *, timeout_s: float) -> Batch:
        """The report of an import or undo of this process, when it is finished or *timeout_s* is over."""
        task = self._tasks.get(identifier)
        if task is not None:
            await asyncio.wait({task}, timeout=timeout_s)
        return await self.get(identifier)

    async def get(self, identifier: str) -> Batch:
        """The report of one import or bulk removal; raises `NotFound`."""
        async with self._database.reading() as conn:
            return await batch_by_id(conn, identifier)

    async def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[Batch], str | None]:
        """Imports, newest first, and the cursor of the next page."""
        async with self._database.reading() as conn:
            found = await batches(conn, Operation.IMPORT, limit=limit + 1, below=read_cursor(cursor))
        return found[:limit], write_cursor(found[limit - 1].id) if len(found) > limit else None

    async def faults(
        self, identifier: str, *, limit: int, cursor: str | None = None
    ) -> tuple[list[LineFault], str | None]:
        """Lines that made no entry, in the order of the file, and the cursor of the next page; raises `NotFound`."""
        async with self._database.reading() as conn:
            await batch_by_id(conn, identifier, operation=Operation.IMPORT)
            found = await faults(conn, identifier, limit=limit + 1, above=read_cursor(cursor) or 0)
        shown = [LineFault(line, code, detail) for _, line, code, detail in found[:limit]]
        return shown, write_cursor(str(found[limit - 1][0])) if len(found) > limit else None

    async def rehearse(self, chunks: Iterable[bytes], options: ImportOptions) -> Rehearsal:
        """What entering these bytes would do; changes nothing."""
        job = await self._job(0, "", options)

        def work() -> Rehearsal:
            with self._link() as link:
                importer = self._importer(link, job)
                counts = importer.run(chunks, progress=_ignore)
                return Rehearsal(counts, tuple(LineFault(*fault) for fault in importer.first_faults))

        return await asyncio.to_thread(work)

    async def rehearse_stream(self, body: AsyncIterator[bytes], options: ImportOptions) -> Rehearsal:
        """The same for a body that is still arriving; it is neither stored nor held."""
        pipe: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        rehearsal = asyncio.ensure_future(self.rehearse(iter(pipe.get, None), options))
        try:
            async for piece in body:
                while pipe.qsize() >= _PIECES_AHEAD and not rehearsal.done():  # noqa: ASYNC110 - a thread takes them
                    await asyncio.sleep(0.005)
                if not rehearsal.done():
                    pipe.put(piece)
        finally:
            pipe.put(None)  # never waits: a thread that is not told of the end would wait for it for ever
        return await rehearsal

    async def run_file(
        self,
        chunks: Iterable[bytes],
        options: ImportOptions,
        *,
        name: str,
        actor: str,
        size: int | None = None,
        digest: str | None = None,
        going_on: str | None = None,
        progress: Progress | None = None,
    ) -> Batch:
        """Enter a file that this process can read again, without storing its body first.

        *going_on* is the import that an earlier process began with the same file (same *digest*) and did not finish.
        A process that works on it still is superseded. Raises `Conflict` when it is finished or of another file.
        """
        async with self._database.transaction() as conn:
            if going_on is None:
                identifier = await create(
                    conn,
                    Operation.IMPORT,
                    BatchStatus.RUNNING,
                    name=name,
                    actor=actor,
                    options=options.document(),
                    now=self._clock(),
                    owner=self._owner,
                    bytes_total=size,
                    digest=digest,
                )
            else:
                identifier = going_on
                old = await batch_by_id(conn, identifier, lock=True)
                if old.operation is not Operation.IMPORT or old.status is not BatchStatus.RUNNING:
                    raise Conflict("only an import that was interrupted can be continued")
                if old.digest != digest:
                    raise Conflict("this is not the file that the import began with")
                await set_batch(conn, identifier, owner=self._owner, heartbeat=self._clock())
        await self._enter(await self.get(identifier), chunks, progress or _ignore)
        return await self.get(identifier)

    async def undo(self, identifier: str, *, actor: str) -> Batch:
        """Begin to undo an import or bulk removal; `wait` for the end. Undoing twice is undoing once.

        Entries that somebody changed since stay as they are. Raises `NotFound`.
        """
        async with self._database.transaction() as conn:
            batch = await batch_by_id(conn, identifier, lock=True)
            if batch.status is BatchStatus.UNDONE:
                return batch
            mine = identifier in self._tasks and batch.status is BatchStatus.UNDOING
            if batch.status is BatchStatus.RECEIVING and not is_abandoned(batch, self._clock()):
                raise Conflict("the body of this import is still arriving")
            if not mine:
                values = {"status": BatchStatus.UNDOING, "owner": self._owner, "heartbeat": self._clock()}
                await set_batch(conn, identifier, **values, undone_by=actor)
        batch = await self.get(identifier)
        if not mine:
            self._begin(batch)
        return batch

    def _begin(self, batch: Batch) -> None:
        """Work on a batch that is this process's own, behind whatever it works on already."""
        before = self._tasks.get(batch.id)
        task = asyncio.create_task(self._work(batch, before), name=f"blacklist-batch-{batch.id}")
        self._tasks[batch.id] = task
        task.add_done_callback(lambda done: self._tasks.pop(batch.id) if self._tasks.get(batch.id) is done else None)

    async def _work(self, batch: Batch, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        with contextlib.suppress(StorageUnavailable):  # the keeper finds it again when the store is back
            async with self._one_at_a_time:
                now = await self.get(batch.id)  # whoever was here before may have come some way
                if now.owner == self._owner and now.status is BatchStatus.UNDOING:
                    await self._undo(now)
                elif now.owner == self._owner and now.status is BatchStatus.RUNNING:
                    await self._enter(now, None, _ignore)

    async def _enter(self, batch: Batch, chunks: Iterable[bytes] | None, progress: Progress) -> None:
        """Enter what is not entered yet: from *chunks*, or from the stored body."""
        job = await self._job(int(batch.id), batch.actor, ImportOptions.of(batch.options))
        done = Counts(**batch.counts) if batch.counts else None

        def work() -> Counts:
            with self._link() as link:
                body = stored_chunks(link, int(batch.id)) if chunks is None else chunks
                importer = self._importer(link, job)
                return importer.run(body, after_line=batch.lines_done, done=done, progress=progress)

        if await self._in_thread(batch, work):
            metrics.BLACKLIST_IMPORTS.labels("done").inc()
            for outcome, number in (await self.get(batch.id)).counts.items():
                if outcome != "lines":
                    metrics.BLACKLIST_IMPORT_LINES.labels(outcome).inc(number)
            async with self._database.transaction() as conn:
                if (await batch_by_id(conn, batch.id, lock=True)).owner == self._owner:
                    await finish(conn, batch.id, BatchStatus.DONE, now=self._clock())
        await self._database.committed(frozenset({Changed.RULES}))

    async def _undo(self, batch: Batch) -> None:
        actor = batch.undone_by or batch.actor

        def work() -> None:
            with self._link() as link:
                undo(link, int(batch.id), owner=self._owner, actor=actor, clock=self._ticks, stop=self._stop)

        if await self._in_thread(batch, work):
            async with self._database.transaction() as conn:
                await finish(
                    conn, batch.id, BatchStatus.UNDONE, now=batch.finished or self._clock(), undone=self._clock()
                )
        await self._database.committed(frozenset({Changed.RULES}))

    async def _in_thread(self, batch: Batch, work: Callable[[], object]) -> bool:
        """Whether *work* came to its end. A bug in it gives the import up, so that nobody tries it for ever."""
        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait({task})
            raise
        failure = task.exception()
        match failure:
            case None:
                return True
            case Superseded():
                return False
            case Stopped():
                async with self._database.transaction() as conn:
                    await set_batch(conn, batch.id, heartbeat=None)
                return False
            case StorageUnavailable():
                raise failure
            case _:
                metrics.BLACKLIST_IMPORTS.labels("failed").inc()
                async with self._database.transaction() as conn:
                    await finish(conn, batch.id, BatchStatus.FAILED, now=self._clock(), error=type(failure).__name__)
                raise failure

    async def _job(self, batch: int, actor: str, options: ImportOptions) -> Job:
        async with self._database.reading() as conn:
            secret = await erasure_secret(conn)
        defaults = Defaults(
            list=options.list,
            cause=options.cause,
            kind=options.kind,
            expires=options.expires,
            note=options.note,
            classify=self._classify if options.judge else None,
            judge=options.judge,
            encoding=options.encoding,
        )
        job = Job(batch, self._owner, actor, defaults, secret=secret, own_secret=self._database.erase_key)
        return replace(job, revive=options.revive, replace=options.replace, force=options.force)

    def _importer(self, link: Link, job: Job) -> Importer:
        return Importer(link, self._guard, job, clock=self._ticks, stop=self._stop)

    def _ticks(self) -> int:
        return microseconds(self._clock())

    @contextmanager
    def _link(self) -> Iterator[Link]:
        link = bulk_link(self._database)
        try:
            yield link
        finally:
            link.close()


def file_chunks(path: Path) -> Iterator[bytes]:
    """A file piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _ignore(_counts: Counts, _bytes: int) -> None:
    """Nobody watches."""
