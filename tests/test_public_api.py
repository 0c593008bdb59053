"""The Python API: what `import validator` offers, and that importing it costs next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import validator
from tests.service import DEMO_ZONE
from validator import Checker, Reason, Settings, Status, classify_reply, parse_address, sanitize_text

HEAVY = ("aiohttp", "sqlalchemy", "pydantic", "dns", "typer", "orjson", "asyncio")


def test_every_name_is_there_and_in_order() -> None:
    assert validator.__all__ == sorted(validator.__all__)
    for name in validator.__all__:
        assert getattr(validator, name) is not None
    assert set(validator.__all__) <= set(dir(validator))
    with pytest.raises(AttributeError, match="nothing_here"):
        validator.nothing_here  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, validator; print([name for name in {HEAVY!r} if name in sys.modules])"
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(dns_zone_file=DEMO_ZONE, special_use_exceptions=("test",))


async def test_a_checker_checks_one_and_many_and_leaves_no_file(settings: Settings, tmp_path: Path) -> None:
    async with Checker.open(settings) as checker:
        verdict = await checker.check("Ivan@gmial.com", explain=True)
        assert (verdict.email, verdict.status) == ("Ivan@gmail.com", Status.VALID)
        assert verdict.explain is not None
        texts = ["anna@acme.test", "x@fb.com"] * 1_500
        assert [verdict.orig async for verdict in checker.check_many(texts)] == texts

        async def slow() -> AsyncIterator[str]:
            for text in texts[:10]:
                yield text

        found = [verdict.reason async for verdict in checker.check_many(slow())]
        assert found == [None, Reason.APPLICATION] * 5
        untouched = [verdict.email async for verdict in checker.check_many([" a@acme.test"], sanitize=False)]
        assert untouched == [" a@acme.test"]
    assert os.listdir(tmp_path) == []


def test_texts_are_repaired_parsed_and_replies_read_without_a_service() -> None:
    assert sanitize_text("Ivan@gmial.com").text == "Ivan@gmail.com"
    parsed = parse_address("Ivan@Example.ORG")
    assert getattr(parsed, "domain", None) == "example.org"
    assert classify_reply("550 5.1.1 User unknown").reason == "mailbox_not_found"
