"""A service that has just begun answers checks and probes; whoever asks for more waits until the rest is there."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.operate.running import request_bytes, running
from validator.server.app import EARLY, HANDLERS, routes

ROOT = Path(__file__).resolve().parents[2]


def asked(method: str, path: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def test_other_routes_are_answered_once_they_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validator.server.service.is_imported", lambda: False)
    monkeypatch.setattr("validator.server.service.REST_AFTER_S", 3_600.0)
    async with running(tmp_path) as here:
        early = here.service._generation.dispatch
        assert {path for _, path in early._exact} == {route.path for route in routes(EARLY)}
        assert (await here.answer(request_bytes()))[0] == 200
        assert here.service._generation.dispatch is early
        answers = await asyncio.gather(
            *(here.answer(asked("GET", "/blacklist/lists")) for _ in range(20)),
            here.answer(asked("PUT", "/check")),
            here.answer(asked("GET", "/nothing")),
            here.answer(request_bytes()),
        )
        assert [status for status, *_ in answers] == [200] * 20 + [405, 404, 200]
        whole = here.service._generation.dispatch
        assert whole is not early
        assert {path for _, path in whole._exact} >= {"/check", "/check/batch", "/policy"}
        status, _, body = await here.answer(asked("GET", "/metrics"))
        assert status == 200
        counted = re.search(rb'validator_http_requests_total\{route="/check",status="200"\} (\d+)', body)
        assert counted is not None
        assert int(counted[1]) >= 2  # one counter before and after


async def test_the_rest_comes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validator.server.service.is_imported", lambda: False)
    monkeypatch.setattr("validator.server.service.REST_AFTER_S", 0.0)
    async with running(tmp_path) as here, asyncio.timeout(10):
        await here.service._loading
        assert ("GET", "/policy") in here.service._generation.dispatch._exact


def test_every_handler_file_is_listed() -> None:
    files = {path.stem for path in (ROOT / "validator" / "server").glob("*.py") if "\nROUTES = (" in path.read_text()}
    assert files == set(HANDLERS)


def test_a_start_imports_only_what_answers_first_and_reads_no_certificates() -> None:
    source = (
        "import ssl, sys\n"
        "from validator.server.lean import import_aiohttp\n"
        "before = ssl.SSLContext.load_default_certs\n"
        "import_aiohttp()\n"
        "import validator.server.serving, aiohttp.connector\n"
        "later = {'events', 'imports', 'batch', 'classify', 'docs'}\n"
        "assert not {f'validator.server.{name}' for name in later} & set(sys.modules)\n"
        "assert aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()['x509'] == 0\n"
        "assert aiohttp.connector._SSL_CONTEXT_VERIFIED.verify_mode == ssl.CERT_REQUIRED\n"
        "assert ssl.SSLContext.load_default_certs is before\n"
        "assert 'aiodns' not in sys.modules\n"
        "import aiodns\n"
        "assert 'set_default_verify_paths' not in vars(ssl.SSLContext)\n"
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
