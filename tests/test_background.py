"""Work in the background outlives its bugs and ends with its owner."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from validator.background import keep_running


async def test_a_bug_is_logged_and_the_work_goes_on() -> None:
    runs = 0
    again = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ZeroDivisionError
        again.set()
        await asyncio.Event().wait()

    with structlog.testing.capture_logs() as lines:
        task = keep_running(work, "counting", again_after_s=0.0)
        await again.wait()
    assert [(line["event"], line["task"], type(line["exc_info"])) for line in lines] == [
        ("background.bug", "counting", ZeroDivisionError)
    ]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert runs == 2


async def test_with_the_task_the_work_ends_too_and_is_waited_for() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    task = keep_running(work, "waiting")
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert ended.is_set()
