"""Fixtures of the blacklist's tests: an open blacklist on either database, and a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.databases import database, database_url, postgres_admin_url
from validator.blacklist.service import Blacklist
from validator.database import Database

__all__ = ["database", "database_url", "postgres_admin_url"]


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def blacklist(database: Database, clock: Clock) -> AsyncIterator[Blacklist]:
    async with Blacklist.open(database, watch=False, clock=clock) as opened:
        yield opened
