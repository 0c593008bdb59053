"""Connecting to PostgreSQL so that an attempt which fails leaves nothing open."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


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


async def connect(dsn: str = "", **options: Any) -> psycopg.AsyncConnection[Any]:
    """As `psycopg.AsyncConnection.connect`, with nothing left open when it fails or is given up."""
    with closing_what_failed():
        return await psycopg.AsyncConnection.connect(dsn, **options)
