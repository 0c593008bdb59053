"""Work that goes on as long as the service does: its owner keeps the task and cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

AGAIN_AFTER_S: Final = 5.0
"""From a bug that ended the work until it is begun again."""

log = structlog.get_logger("validator.background")


def keep_running(
    work: Callable[[], Coroutine[Any, Any, None]], name: str, *, again_after_s: float = AGAIN_AFTER_S
) -> asyncio.Task[None]:
    """A task of *work*, which never returns of itself; cancelling the task ends it.

    What it raises is a bug: it is logged and the work begun again after *again_after_s* seconds. A task that nobody
    awaits would end in silence, and with it the watch over rules or keys that other processes change.
    """
    return asyncio.create_task(_for_ever(work, name, again_after_s), name=name)


async def _for_ever(work: Callable[[], Coroutine[Any, Any, None]], name: str, again_after_s: float) -> None:
    while True:
        task = asyncio.create_task(work(), name=name)
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise asyncio.CancelledError
        log.error("background.bug", task=name, exc_info=task.exception())
        await asyncio.sleep(again_after_s)
