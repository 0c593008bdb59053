"""Connections to PostgreSQL that are let go at once when they are given up, and leave nothing open."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

CANCEL_TIMEOUT_S: Final = 0.5
"""Longest wait for a server that is asked to stop a statement which was given up."""


class Connection(psycopg.AsyncConnection[Any]):
    """A connection whose statements can be given up without waiting for a server that hangs."""

    async def cancel_safe(self, *, timeout: float = CANCEL_TIMEOUT_S) -> None:  # noqa: ASYNC109 - the driver's word
        """Ask the server to stop what runs, and close the connection without an answer; the driver would wait ten s."""
        try:
            await super().cancel_safe(timeout=min(timeout, CANCEL_TIMEOUT_S))
        except psycopg.Error:
            self.pgconn.finish()
            raise


@contextmanager
def closing_what_failed() -> Iterator[None]:
    """Close the socket of an attempt to connect that fails or is given up in this block.

    The driver keeps it in the frames of its exception, which refer to each other in a ring: it would stay open until
    the garbage collector looks at old objects, and with a server that hangs there is one more every second.
    """
    try:
        yield
    except (psycopg.Error, OSError, asyncio.CancelledError) as error:
        raised: BaseException | None = error
        while raised is not None:
            traceback.clear_frames(raised.__traceback__)
            raised = raised.__cause__ or raised.__context__
        raise


async def connect(dsn: str = "", **options: Any) -> Connection:
    """As `psycopg.AsyncConnection.connect`, with nothing left open when it fails or is given up."""
    with closing_what_failed():
        return await Connection.connect(dsn, **options)
