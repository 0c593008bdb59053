"""The hot look-up on PostgreSQL: a few autocommit connections; keys of concurrent checks go out as one query.

Single look-ups stop at a few thousand a second; coalesced, a query carries whatever has come in while the last one ran.
A connection that does not answer is given up at once and replaced in the background; with none left, look-ups fail.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

from validator.blacklist.entry import Kind
from validator.blacklist.store.codes import KindCode
from validator.blacklist.store.hot import COLUMNS, LISTS_QUERY, META_QUERY, Found, Override, Pair, Rules
from validator.errors import StorageUnavailable

CONNECTIONS: Final = 2
"""Connections of one process: one query runs while the next one is being gathered."""
MAX_KEYS: Final = 2_000
"""Most keys in one query."""
RECONNECT_S: Final = 0.5
"""Pause between attempts to reach a server that is gone."""
_CONNECT_TIMEOUT_S = 2

_JOINS = "JOIN blacklist_list l ON l.id = e.list_id"
ADDRESSES: Final = (
    f"SELECT {COLUMNS} FROM unnest(%s::text[]) AS w(key)"  # noqa: S608
    f' JOIN blacklist_entry e ON e.kind = 0 AND e.key = w.key COLLATE "C" AND e.state < 2 {_JOINS}'
)
"""Addresses only, the common case."""
PAIRS: Final = (
    f"SELECT {COLUMNS} FROM unnest(%s::smallint[], %s::text[]) AS w(kind, key)"  # noqa: S608
    f' JOIN blacklist_entry e ON e.kind = w.kind AND e.key = w.key COLLATE "C" AND e.state < 2 {_JOINS}'
)
"""Keys of several kinds."""
ALLOWED: Final = (
    "SELECT a.kind, a.key, a.expires, a.acknowledged FROM unnest(%s::smallint[], %s::text[]) AS w(kind, key)"
    ' JOIN blacklist_allow a ON a.kind = w.kind AND a.key = w.key COLLATE "C" AND a.removed IS NULL'
)


class _Asked:
    """One waiting look-up."""

    __slots__ = ("answer", "keys", "plain")

    def __init__(self, pairs: Sequence[Pair], answer: asyncio.Future[list[Found]]) -> None:
        self.keys = pairs
        self.plain = all(kind == 0 for kind, _ in pairs)
        self.answer = answer


class PostgresLookup:
    """`HotLookup` on a PostgreSQL server."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """*timeout_s* bounds the wait for one answer."""
        self._dsn = url
        self._timeout_s = timeout_s
        self._waiting: deque[_Asked] = deque()
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reconnecting: asyncio.Task[None] | None = None
        self._scheduled = False
        self._closed = False

    async def start(self) -> None:
        """Connect; raises `StorageUnavailable`."""
        for _ in range(CONNECTIONS):
            self._idle.append(await self._connect())
            self._open += 1

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S + 1):
                return await psycopg.AsyncConnection.connect(
                    self._dsn,
                    autocommit=True,
                    prepare_threshold=0,
                    row_factory=tuple_row,
                    connect_timeout=_CONNECT_TIMEOUT_S,
                    application_name="validator-lookup",
                )
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise StorageUnavailable(f"the store cannot be reached ({type(error).__name__})") from error

    async def find(self, pairs: Sequence[Pair]) -> list[Found]:
        """See `HotLookup.find`; waits for at most one running query before its own."""
        if not self._open:
            raise self._unreachable()
        answer: asyncio.Future[list[Found]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(pairs, answer))
        if not self._scheduled and self._idle:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)
        return await answer

    def _dispatch(self) -> None:
        """Send everything that is waiting on a connection that is free: one pass of the loop has gathered it."""
        self._scheduled = False
        while self._idle and self._waiting:
            task = asyncio.ensure_future(self._answer(self._idle.pop(), self._take()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[_Asked]:
        taken: list[_Asked] = []
        keys = 0
        while self._waiting and (not taken or keys + len(self._waiting[0].keys) <= MAX_KEYS):
            asked = self._waiting.popleft()
            if not asked.answer.done():  # its check has been given up
                taken.append(asked)
                keys += len(asked.keys)
            elif not self._waiting:
                break
        return taken

    async def _answer(self, connection: psycopg.AsyncConnection[Any], taken: list[_Asked]) -> None:
        try:
            if taken:
                rows = await self._within(connection, self._ask(connection, taken))
                _hand_out(rows, taken)
        except StorageUnavailable as error:
            for asked in taken:
                if not asked.answer.done():
                    asked.answer.set_exception(StorageUnavailable(str(error)))
            return
        self._idle.append(connection)
        if self._waiting:
            self._dispatch()

    async def _ask(self, connection: psycopg.AsyncConnection[Any], taken: list[_Asked]) -> list[Any]:
        if all(asked.plain for asked in taken):
            keys = {key for asked in taken for _, key in asked.keys}
            return await (await connection.execute(ADDRESSES, [list(keys)])).fetchall()
        pairs = list({pair for asked in taken for pair in asked.keys})
        kinds, names = [kind for kind, _ in pairs], [key for _, key in pairs]
        return await (await connection.execute(PAIRS, [kinds, names])).fetchall()

    async def _within(self, connection: psycopg.AsyncConnection[Any], query: Any) -> list[Any]:
        """The rows of *query*, or `StorageUnavailable` when time is over; the connection is then given up.

        The driver would first try to cancel the query, at a server that may be as silent to that as to the query
        itself; so nobody waits for it.
        """
        task = asyncio.ensure_future(query)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout_s)
        except asyncio.CancelledError:
            self._give_up(connection, task)
            raise
        if not done:
            self._give_up(connection, task)
            raise StorageUnavailable("the store did not answer in time")
        failure = task.exception()
        if failure is None:
            return list(task.result())
        self._give_up(connection, task)
        if isinstance(failure, psycopg.Error | OSError):
            raise StorageUnavailable(f"the store cannot be read now ({type(failure).__name__})") from failure
        raise failure

    def _give_up(self, connection: psycopg.AsyncConnection[Any], task: asyncio.Task[Any]) -> None:
        self._open -= 1
        if not task.done():
            task.cancel()
        closing = asyncio.ensure_future(_close(connection, task))
        self._tasks.add(closing)
        closing.add_done_callback(self._tasks.discard)
        if not self._open:
            waiting, self._waiting = self._waiting, deque()
            for asked in waiting:
                if not asked.answer.done():
                    asked.answer.set_exception(self._unreachable())
        if not self._closed and (self._reconnecting is None or self._reconnecting.done()):
            self._reconnecting = asyncio.create_task(self._reconnect(), name="blacklist-reconnect")

    async def _reconnect(self) -> None:
        while self._open < CONNECTIONS:
            try:
                connection = await self._connect()
            except StorageUnavailable:
                await asyncio.sleep(RECONNECT_S)
                continue
            self._open += 1
            self._idle.append(connection)
            self._dispatch()

    @staticmethod
    def _unreachable() -> StorageUnavailable:
        return StorageUnavailable("the store cannot be reached")

    async def overrides(self, pairs: Sequence[Pair]) -> list[Override]:
        """See `HotLookup.overrides`."""
        kinds, names = [kind for kind, _ in pairs], [key for _, key in pairs]
        return [Override._make(row) for row in await self._single(ALLOWED, [kinds, names])]

    async def version(self) -> int:
        """See `HotLookup.version`."""
        return int((await self._single("SELECT rules_version FROM blacklist_meta"))[0][0])

    async def rules(self) -> Rules:
        """See `HotLookup.rules`; the version is read first, so that a change in between is read again."""
        version, erasures, secret = (await self._single(META_QUERY))[0]
        widths = await self._single("SELECT version, width FROM blacklist_width")
        kinds = {
            Kind[code.name]
            for code in KindCode
            if await self._single("SELECT 1 FROM blacklist_entry WHERE kind = %s LIMIT 1", [int(code)])
        }
        allowing = await self._single("SELECT 1 FROM blacklist_allow LIMIT 1")
        lists = await self._single(LISTS_QUERY)
        return Rules(
            version,
            tuple((row[0], row[1]) for row in widths),
            frozenset(kinds),
            erased=bool(erasures),
            secret=bytes(secret) if erasures and secret is not None else None,
            allowing=bool(allowing),
            lists=frozenset(row[0] for row in lists),
        )

    async def _single(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """One query of its own, on a connection that is free or the next that gets free."""
        try:
            async with asyncio.timeout(self._timeout_s):
                while not self._idle:
                    if not self._open:
                        raise self._unreachable()
                    await asyncio.sleep(0.001)
        except TimeoutError as error:
            raise StorageUnavailable("the store did not answer in time") from error
        connection = self._idle.pop()

        async def run() -> list[Any]:
            return await (await connection.execute(query, values)).fetchall()

        rows = await self._within(connection, run())
        self._idle.append(connection)
        if self._waiting:
            self._dispatch()
        return rows

    async def aclose(self) -> None:
        """Close every connection; look-ups that still wait fail."""
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reconnecting
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=self._timeout_s)
        for connection in self._idle:
            await connection.close()
        self._idle.clear()
        self._open = 0


async def _close(connection: psycopg.AsyncConnection[Any], task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(asyncio.CancelledError, psycopg.Error, OSError):
        await task
    with contextlib.suppress(psycopg.Error, OSError):
        await connection.close()


def _hand_out(rows: Sequence[Any], taken: Sequence[_Asked]) -> None:
    """Give each look-up the rows of its own keys."""
    if not rows:
        for asked in taken:
            if not asked.answer.done():
                asked.answer.set_result([])
        return
    by_pair: dict[Pair, list[Found]] = {}
    for row in rows:
        found = Found._make(row)
        by_pair.setdefault((found.kind, found.key), []).append(found)
    for asked in taken:
        if not asked.answer.done():
            asked.answer.set_result([row for pair in asked.keys for row in by_pair.get(pair, ())])
