"""Fixtures shared by every room's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.service import Service, service

settings.register_profile("ci", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Service]:
    """A whole service over the demo zone."""
    async with service(tmp_path) as started:
        yield started
