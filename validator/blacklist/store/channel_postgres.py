"""One connection to PostgreSQL for the hot look-up: one statement at a time, answered in a callback of the loop.

The driver connects and reads rows; what lies between goes past its coroutines, which cost more than the query itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import psycopg
from psycopg.adapt import Transformer

from validator.database.postgres import connect
from validator.errors import StorageUnavailable

CONNECT_TIMEOUT_S: Final = 2
"""Longest wait for a connection."""
Rows = list[tuple[Any, ...]]
"""Rows of a result."""
Done = Callable[["Channel", Rows | StorageUnavailable], None]
"""Told once: the rows, or why there are none; the channel is of no use any more after a failure."""

_ALWAYS_BY_INDEX = (
    # a plan is made once and kept, maybe when the table was still empty: it must be the one for a full table
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;"
    " SET enable_mergejoin = off; SET jit = off"
)


class Channel:
    """A connection in autocommit; busy from `ask` to the call of its *done*."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], *, timeout_s: float, lost: Done) -> None:
        """Use `open`."""
        self._connection = connection
        self._wire = connection.pgconn
        self._socket = connection.pgconn.socket
        self._wire.nonblocking = 1
        self._reader = Transformer(connection)
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._lost = lost
        self._done: Done | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop.add_reader(self._socket, self._readable)

    @classmethod
    async def open(cls, dsn: str, statements: Iterable[str], *, timeout_s: float, lost: Done) -> Channel:
        """Connect and prepare. *timeout_s* bounds each answer; *lost* is told when the server goes unasked.

        Raises `StorageUnavailable`.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S + 1):
                connection = await connect(
                    dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="validator-lookup"
                )
                with contextlib.ExitStack() as unready:
                    unready.callback(connection.pgconn.finish)
                    for statement in (_ALWAYS_BY_INDEX, *statements):
                        await connection.execute(statement.encode(), prepare=False)
                    unready.pop_all()
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise StorageUnavailable(f"the store cannot be reached ({type(error).__name__})") from error
        return cls(connection, timeout_s=timeout_s, lost=lost)

    def ask(self, statement: str, values: Sequence[bytes], done: Done, *, prepared: bool) -> None:
        """Send a statement of that name, or with that text; *done* is called later, never from here."""
        self._done = done
        self._deadline = self._loop.time() + self._timeout_s
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)
        try:
            if prepared:
                self._wire.send_query_prepared(statement.encode(), values)
            else:
                self._wire.send_query_params(statement.encode(), values)
            self._flush()
        except psycopg.Error as error:
            self._loop.call_soon(self._fail, error)

    def _flush(self) -> None:
        if self._wire.flush():  # more than the socket takes at once
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        try:
            self._flush()
        except psycopg.Error as error:
            self._fail(error)

    def _readable(self) -> None:
        try:
            self._wire.consume_input()
            if self._done is None or self._wire.is_busy():
                return
            result = self._wire.get_result()
            while self._wire.get_result() is not None:
                pass
        except psycopg.Error as error:
            self._fail(error)
            return
        if result is None or result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            self._fail(psycopg.errors.lookup(_state(result))() if result is not None else psycopg.OperationalError())
            return
        rows: Rows = []
        if result.ntuples:
            self._reader.set_pgresult(result)
            rows = self._reader.load_rows(0, result.ntuples, tuple)
        done, self._done = self._done, None
        done(self, rows)

    def _look_at_the_clock(self) -> None:
        """One timer for all questions: most are answered long before it goes off."""
        self._timer = None
        if self._done is None:
            return
        if self._loop.time() >= self._deadline:
            self._end(StorageUnavailable("the store did not answer in time"))
        else:
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)

    def _fail(self, error: psycopg.Error) -> None:
        if not self._closed:
            failure = StorageUnavailable(f"the store cannot be read now ({type(error).__name__})")
            failure.__cause__ = error
            self._end(failure)

    def _end(self, failure: StorageUnavailable) -> None:
        done, self._done = self._done or self._lost, None
        self._let_go()
        done(self, failure)

    def close(self) -> None:
        """Let go of the connection; who still waits for an answer is told so."""
        if not self._closed:
            self._end(StorageUnavailable("the store was closed"))

    def _let_go(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._wire.finish()


def _state(result: Any) -> str:
    found = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
    return found.decode() if found else "XX000"


def text_array(keys: Sequence[str]) -> bytes:
    """Keys as a `text[]` parameter, same length and order; NULL, which equals nothing, for what no text can be."""
    text = "".join(keys)
    if '"' in text or "\\" in text or "\0" in text or not _is_text(text):
        return f"{{{','.join(map(_cell, keys))}}}".encode()
    return ('{"' + '","'.join(keys) + '"}').encode() if keys else b"{}"


def _cell(key: str) -> str:
    if "\0" in key or not _is_text(key):
        return "NULL"
    return '"' + key.replace("\\", r"\\").replace('"', r"\"") + '"'


def _is_text(key: str) -> bool:
    """Has no lone surrogate."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
