"""Fixtures shared by every room's tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import tests.effort  # noqa: F401 - the profile is in force before any test is read
from tests.service import Service, service
from validator.settings import Settings

for _setting in Settings.model_fields:  # what the shell of whoever runs the tests sets is not meant for them
    os.environ.pop(f"VALIDATOR_{_setting.upper()}", None)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Service]:
    """A whole service over the demo zone."""
    async with service(tmp_path) as started:
        yield started
