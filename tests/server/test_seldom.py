"""A store that is away does not fill the disk with lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.service import service
from validator.errors import StorageUnavailable
from validator.server.seldom import LINES_PER_S, Seldom


def test_so_many_a_second_and_then_their_number() -> None:
    now = 100.0
    seldom = Seldom(lambda: now)
    assert [seldom.admit() for _ in range(LINES_PER_S)] == [{}] * LINES_PER_S
    assert [seldom.admit() for _ in range(1_000)] == [None] * 1_000
    now = 101.2
    assert seldom.admit() == {"left_out": 1_000}
    assert seldom.admit() == {}


async def test_requests_that_fail_by_the_hundred_are_told_in_a_few_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StorageUnavailable("the store is away")

    monkeypatch.setattr(Seldom.__init__, "__defaults__", (lambda: 7.0,))
    async with service(tmp_path) as here:
        monkeypatch.setattr(here.runtime.checker, "check", away)
        with capture_logs() as lines:
            for _ in range(30):
                assert (await here.post("/check", {"email": "a@acme.test"})).status == 503
        assert [line["event"] for line in lines].count("request.failed") == LINES_PER_S
