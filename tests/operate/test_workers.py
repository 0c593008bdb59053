"""Several workers start, reload and are refused as one process is: wholly or not at all, and once in words."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench._served import Served
from bench._served import service as served
from tests.service import DEMO_ZONE
from validator.server.workers import ServiceWorker

DEMO = {"dns_zone_file": str(DEMO_ZONE), "special_use_exceptions": "test"}
CHECK = b'{"email": "a@acme.test"}'


def value_of(server: Served, series: str) -> float:
    """One value of the exposition; -1 when it is not there."""
    _, text = server.request("GET", "/metrics")
    found = [line.split()[-1] for line in text.decode().splitlines() if line.startswith(f"{series} ")]
    return float(found[0]) if found else -1.0


def until(server: Served, series: str, value: float) -> None:
    """Wait for a value; raises `TimeoutError`."""
    for _ in range(600):
        if value_of(server, series) >= value:
            return
        time.sleep(0.05)
    raise TimeoutError(series)


def all_processes(server: Served, workers: int) -> list[int]:
    """Every process once all are there: the first worker answers before the last one is forked."""
    for _ in range(600):
        found = server.pids()
        if len(found) == (1 if workers == 1 else 1 + workers):
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{workers} workers")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_that_cannot_be_followed_changes_nothing_and_is_counted(tmp_path: Path, workers: int) -> None:
    file = tmp_path / "validator.env"
    file.write_text("VALIDATOR_ON_UNKNOWN=accept\n", "utf-8")
    failed, done = (f'validator_reloads_total{{outcome="{outcome}"}}' for outcome in ("failed", "done"))
    with served(tmp_path, workers=workers, settings_file=str(file), **DEMO) as server:
        before = all_processes(server, workers)
        assert (value_of(server, failed), value_of(server, done)) == (0, 0)
        assert value_of(server, "validator_start_timestamp_seconds") > 1e9
        refused = ("VALIDATOR_RATE_LIMIT_PER_KEY=fast", "VALIDATOR_TRUSTED_PROXIES=proxy", "VALIDATOR_NOPE=1")
        for number, line in enumerate(refused, 1):
            file.write_text(f"{line}\n", "utf-8")
            server.process.send_signal(signal.SIGHUP)
            until(server, failed, number)
            assert server.pids() == before
            assert server.request("POST", "/check", CHECK)[0] == 200
        for line in refused:
            assert server.log.read_text("utf-8").count(f'"why":"{line.partition("=")[0]}: ') == 1
        file.write_bytes("# настройки".encode("cp1251"))
        server.process.send_signal(signal.SIGHUP)
        until(server, failed, len(refused) + 1)
        assert server.request("POST", "/check", CHECK)[0] == 200
        file.write_text("", "utf-8")
        server.process.send_signal(signal.SIGHUP)
        until(server, done, 1)
        assert server.stop() == 0


def test_no_two_requests_have_the_same_identifier_whichever_workers_answer(tmp_path: Path) -> None:
    with served(tmp_path, workers=2, **DEMO) as server:
        all_processes(server, 2)
        found: list[str] = []
        while len({identifier.partition("-")[0] for identifier in found}) < 2 and len(found) < 2_000:
            found.append(one_request_id(server.port))  # which worker takes a connection is left to the kernel
        assert len(set(found)) == len(found)


def one_request_id(port: int) -> str:
    """What a request on a connection of its own was called."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/livez")
        return connection.getresponse().headers["X-Request-Id"]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"host": "::"}, "ended with 2: validator: VALIDATOR_HOST: "),
        ({"rate_limit_per_key": "fast"}, "ended with 2: validator: VALIDATOR_RATE_LIMIT_PER_KEY: "),
        ({"database_url": "sqlite:////there/is/no/folder.db"}, "ended with 3: validator: VALIDATOR_DATABASE_URL: "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_start_that_is_refused_says_why_once(
    tmp_path: Path, workers: int, settings: dict[str, str], told: str
) -> None:
    with pytest.raises(RuntimeError) as raised, served(tmp_path, workers=workers, **(DEMO | settings)):
        pass
    words = str(raised.value)
    assert told in words
    assert len(words.strip().splitlines()) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_taken_is_refused_at_once(tmp_path: Path, workers: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(RuntimeError, match="ended with 2: validator: VALIDATOR_HOST, VALIDATOR_PORT: cannot listen"),
            served(tmp_path, workers=workers, port=port, **DEMO),
        ):
            pass


@pytest.mark.parametrize("workers", [1, 2])
def test_systemd_hears_of_readiness_when_somebody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with served(tmp_path, workers=workers, **DEMO) as server:
            assert listening.recv(100) == b"READY=1"
            assert server.stop() == 0
        assert listening.recv(100) == b"STOPPING=1"


async def test_a_worker_that_takes_long_to_start_is_not_taken_for_a_hanging_one() -> None:
    beats = list[int]()
    worker = ServiceWorker.__new__(ServiceWorker)
    worker.app = SimpleNamespace(serving=False)
    worker.notify = lambda: beats.append(1)

    async def start_slowly() -> None:
        async with asyncio.timeout(10):
            while not beats:  # noqa: ASYNC110 - nothing to wait for but what the supervisor would see
                await asyncio.sleep(0)

    worker._start = start_slowly
    await worker._run()
    assert beats


def test_a_second_sigterm_ends_the_workers_at_once(tmp_path: Path) -> None:
    with served(tmp_path, workers=2, shutdown_delay_s="20", **DEMO) as server:
        server.process.send_signal(signal.SIGTERM)
        for _ in range(200):
            if server.request("GET", "/readyz")[0] == 503:
                break
            time.sleep(0.05)
        assert server.stop() == 1
