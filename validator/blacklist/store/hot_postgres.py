"""The hot look-up on PostgreSQL: a few autocommit connections; keys of concurrent checks go out as one query.

Single look-ups stop at a few thousand a second; coalesced, a query carries whatever has come in while the last one ran.
A connection that does not answer is given up at once and replaced in the background; with none left, look-ups fail.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from validator.blacklist.entry import Kind
from validator.blacklist.store.channel_postgres import Channel, Rows, text_array
from validator.blacklist.store.codes import KindCode
from validator.blacklist.store.hot import (
    COLUMNS,
    DECISIVE_COLUMNS,
    LISTS_QUERY,
    META_QUERY,
    Found,
    Override,
    Pair,
    Rules,
)
from validator.errors import StorageUnavailable

CONNECTIONS: Final = 2
"""Connections of one process: one query runs while the next one is being gathered."""
MAX_KEYS: Final = 2_000
"""Most keys in one query."""
RECONNECT_S: Final = 0.5
"""Pause between attempts to reach a server that is gone."""

_JOINS = "JOIN blacklist_list l ON l.id = e.list_id"
ADDRESSES: Final = (
    f"SELECT {COLUMNS} FROM unnest($1::text[]) AS w(key)"  # noqa: S608
    f' JOIN blacklist_entry e ON e.kind = 0 AND e.key = w.key COLLATE "C" AND e.state < 2 {_JOINS}'
)
"""Addresses only, the common case."""
DECISIVE: Final = ADDRESSES.replace(COLUMNS, DECISIVE_COLUMNS)
"""The same without what decides nothing."""
PAIRS: Final = (
    f"SELECT {COLUMNS} FROM unnest($1::smallint[], $2::text[]) AS w(kind, key)"  # noqa: S608
    f' JOIN blacklist_entry e ON e.kind = w.kind AND e.key = w.key COLLATE "C" AND e.state < 2 {_JOINS}'
)
"""Keys of several kinds."""
ALLOWED: Final = (
    "SELECT a.kind, a.key, a.expires, a.acknowledged FROM unnest($1::smallint[], $2::text[]) AS w(kind, key)"
    ' JOIN blacklist_allow a ON a.kind = w.kind AND a.key = w.key COLLATE "C" AND a.removed IS NULL'
)

_STATEMENTS: Final = (
    f"PREPARE addresses (text[]) AS {ADDRESSES}",
    f"PREPARE decisive (text[]) AS {DECISIVE}",
    f"PREPARE pairs (smallint[], text[]) AS {PAIRS}",
    f"PREPARE allowed (smallint[], text[]) AS {ALLOWED}",
)


class _Asked:
    """One waiting look-up."""

    __slots__ = ("answer", "details", "keys", "plain")

    def __init__(self, pairs: Sequence[Pair], answer: asyncio.Future[list[Found]], *, details: bool) -> None:
        self.keys = pairs
        self.plain = all(kind == 0 for kind, _ in pairs)
        self.details = details
        self.answer = answer


class _Question(NamedTuple):
    """A query of its own that waits for a connection."""

    statement: str
    """Text, or the name of a prepared one."""
    values: Sequence[bytes]
    """Its parameters as text."""
    prepared: bool
    """Whether it is a name."""
    answer: asyncio.Future[Rows]
    """Who waits for it."""


class PostgresLookup:
    """`HotLookup` on a PostgreSQL server."""

    def __init__(self, dsn: str, *, timeout_s: float) -> None:
        """*timeout_s* bounds the wait for one answer."""
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._waiting: deque[_Asked] = deque()
        self._questions: deque[_Question] = deque()
        self._channels: set[Channel] = set()
        self._idle: list[Channel] = []
        self._reconnecting: asyncio.Task[None] | None = None
        self._scheduled = False
        self._closed = False

    async def start(self) -> None:
        """Connect; raises `StorageUnavailable`."""
        for _ in range(CONNECTIONS):
            await self._open()

    async def _open(self) -> None:
        channel = await Channel.open(self._dsn, _STATEMENTS, timeout_s=self._timeout_s, lost=self._lost)
        self._channels.add(channel)
        self._idle.append(channel)

    async def find(self, pairs: Sequence[Pair]) -> list[Found]:
        """See `HotLookup.find`; waits for at most one running query before its own."""
        return await self._find(pairs, details=True)

    async def find_addresses(self, keys: Sequence[str], *, details: bool = True) -> list[Found]:
        """See `HotLookup.find_addresses`; details come along where one of those who share a query wants them."""
        return await self._find([(0, key) for key in dict.fromkeys(keys)], details=details)

    async def _find(self, pairs: Sequence[Pair], *, details: bool) -> list[Found]:
        if not self._channels:
            raise self._unreachable()
        answer: asyncio.Future[list[Found]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(pairs, answer, details=details))
        self._schedule()
        return await answer

    def _schedule(self) -> None:
        """Send what is waiting after this pass of the loop, which may bring more of it; nothing waits longer."""
        if not self._scheduled and self._idle:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._idle and (self._questions or self._waiting):
            channel = self._idle.pop()
            if not (self._put(channel) if self._questions else self._look_up(channel)):
                self._idle.append(channel)

    def _put(self, channel: Channel) -> bool:
        """Whether a question went out on *channel*."""
        question = self._questions.popleft()
        if question.answer.done():
            return False

        def done(channel: Channel, rows: Rows | StorageUnavailable) -> None:
            if question.answer.done():
                pass
            elif isinstance(rows, StorageUnavailable):
                _fail(question.answer, rows)
            else:
                question.answer.set_result(rows)
            self._free(channel, rows)

        channel.ask(question.statement, question.values, done, prepared=question.prepared)
        return True

    def _look_up(self, channel: Channel) -> bool:
        """Whether a query with the keys of those who wait went out on *channel*."""
        taken = self._take()
        if not taken:
            return False

        def done(channel: Channel, rows: Rows | StorageUnavailable) -> None:
            _hand_out(rows, taken)
            self._free(channel, rows)

        if all(asked.plain for asked in taken):
            keys = list({key for asked in taken for _, key in asked.keys})
            statement = "addresses" if any(asked.details for asked in taken) else "decisive"
            channel.ask(statement, (text_array(keys),), done, prepared=True)
        else:
            channel.ask("pairs", _columns({pair for asked in taken for pair in asked.keys}), done, prepared=True)
        return True

    def _take(self) -> list[_Asked]:
        taken: list[_Asked] = []
        keys = 0
        while self._waiting and (not taken or keys + len(self._waiting[0].keys) <= MAX_KEYS):
            asked = self._waiting.popleft()
            if not asked.answer.done():  # else its check has been given up
                taken.append(asked)
                keys += len(asked.keys)
        return taken

    def _free(self, channel: Channel, rows: Rows | StorageUnavailable) -> None:
        if isinstance(rows, StorageUnavailable):
            self._lost(channel, rows)
            return
        self._idle.append(channel)
        if self._waiting or self._questions:
            self._schedule()

    def _lost(self, channel: Channel, _failure: Rows | StorageUnavailable) -> None:
        """A connection is gone; with the last one, everybody who waits is told."""
        self._channels.discard(channel)
        if channel in self._idle:
            self._idle.remove(channel)
        if not self._channels:
            waiting: list[asyncio.Future[Any]] = [asked.answer for asked in self._waiting]
            waiting += [question.answer for question in self._questions]
            self._waiting.clear()
            self._questions.clear()
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(self._unreachable())
        if not self._closed and (self._reconnecting is None or self._reconnecting.done()):
            self._reconnecting = asyncio.create_task(self._reconnect(), name="blacklist-reconnect")

    async def _reconnect(self) -> None:
        while len(self._channels) < CONNECTIONS:
            try:
                await self._open()
            except StorageUnavailable:
                await asyncio.sleep(RECONNECT_S)
                continue
            self._dispatch()

    @staticmethod
    def _unreachable() -> StorageUnavailable:
        return StorageUnavailable("the store cannot be reached")

    async def overrides(self, pairs: Sequence[Pair]) -> list[Override]:
        """See `HotLookup.overrides`."""
        return [Override._make(row) for row in await self._single("allowed", _columns(pairs), prepared=True)]

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
            if await self._single("SELECT 1 FROM blacklist_entry WHERE kind = $1 LIMIT 1", [b"%d" % code])
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

    async def _single(self, statement: str, values: Sequence[bytes] = (), *, prepared: bool = False) -> Rows:
        """One query of its own, on a connection that is free or the next that gets free."""
        if not self._channels:
            raise self._unreachable()
        answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self._questions.append(_Question(statement, values, prepared, answer))
        self._schedule()
        return await answer

    async def aclose(self) -> None:
        """Close every connection; look-ups that still wait fail."""
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reconnecting
        for channel in set(self._channels):
            channel.close()


def _columns(pairs: Collection[Pair]) -> tuple[bytes, bytes]:
    kinds, names = [str(kind) for kind, _ in pairs], [key for _, key in pairs]
    return f"{{{','.join(kinds)}}}".encode(), text_array(names)


def _fail(answer: asyncio.Future[Any], failure: StorageUnavailable) -> None:
    """Everybody who waits gets an exception of their own: each is raised somewhere else."""
    own = StorageUnavailable(str(failure))
    own.__cause__ = failure.__cause__
    answer.set_exception(own)


def _hand_out(rows: Rows | StorageUnavailable, taken: Sequence[_Asked]) -> None:
    """Give each look-up the rows of its own keys."""
    by_pair: dict[Pair, list[Found]] = {}
    if not isinstance(rows, StorageUnavailable):
        for row in rows:
            found = Found._make(row)
            by_pair.setdefault((found.kind, found.key), []).append(found)
    for asked in taken:
        if asked.answer.done():
            continue
        if isinstance(rows, StorageUnavailable):
            _fail(asked.answer, rows)
        elif not rows:
            asked.answer.set_result([])
        else:
            asked.answer.set_result([found for pair in asked.keys for found in by_pair.get(pair, ())])
