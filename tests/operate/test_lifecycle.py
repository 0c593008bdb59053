"""Start, reload, stop: nothing that was accepted is lost, nothing broken is swapped in."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bench._served import service as served
from tests.operate.running import read_answer, request_bytes, running
from tests.service import DEMO_ZONE, settings_for
from validator.errors import DatasetError
from validator.server.app_keys import LOAD
from validator.server.notify import notify

DEMO = {"dns_zone_file": str(DEMO_ZONE), "special_use_exceptions": "test"}


async def ask_until_closed(port: int, stop: asyncio.Event, lost: list[str]) -> int:
    """Ask over kept connections, reconnecting when told to; note every request that was sent and not answered."""
    answered = 0
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if not stop.is_set():
                lost.append("refused")
            return answered
        try:
            while not stop.is_set():
                writer.write(request_bytes())
                status, headers, _ = await read_answer(reader)
                if status != 200:
                    lost.append(str(status))
                answered += 1
                if headers.get("connection") == "close":
                    break
                await asyncio.sleep(0.002)
        except (OSError, asyncio.IncompleteReadError) as error:
            lost.append(type(error).__name__)
        writer.close()
    return answered


async def test_a_reload_swaps_everything_under_running_requests(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        stop, lost = asyncio.Event(), list[str]()
        clients = [asyncio.create_task(ask_until_closed(here.port, stop, lost)) for _ in range(5)]
        for _ in range(3):
            await asyncio.sleep(0.2)
            await here.service.reload(settings_for(tmp_path, implicit_mx=True))
        assert here.service.runtime.settings.implicit_mx
        stop.set()
        assert sum(await asyncio.gather(*clients)) > 10
        assert lost == []


async def test_what_was_replaced_goes_with_its_last_answer_not_with_its_last_client(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout_s=30) as here:
        reader, writer = await here.connect()
        writer.write(b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n")
        old = here.service._generation
        await asyncio.sleep(0.2)
        assert old.app[LOAD].flights
        await here.service.reload(settings_for(tmp_path, drain_timeout_s=30))
        (retiring,) = here.service._retiring
        await asyncio.sleep(0.1)
        assert not retiring.done()
        writer.write(b'{"email": "ab@acme.test" }\n')
        assert (await read_answer(reader))[0] == 200
        async with asyncio.timeout(10):
            await retiring
        writer.write(request_bytes())
        assert (await read_answer(reader))[0] == 200
        writer.close()


async def test_what_changes_the_store_is_fetched_after_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validator.server.service.REST_AFTER_S", 0.0)
    async with running(tmp_path) as here, asyncio.timeout(10):
        assert here.service._loading is not None
        await here.service._loading
        assert here.service.runtime._store_is_loaded


async def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        before = here.service.runtime
        with pytest.raises(DatasetError):
            await here.service.reload(settings_for(tmp_path, data_dir=tmp_path))
        assert here.service.runtime is before
        assert (await here.answer(request_bytes()))[0] == 200


async def test_a_stop_finishes_what_was_accepted(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        slow = [await here.connect() for _ in range(5)]
        for _, writer in slow:
            writer.write(b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n")
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(here.service.stop())
        await asyncio.sleep(0.2)
        for reader, writer in slow:
            writer.write(b'{"email": "ab@acme.test" }\n')
            status, headers, _ = await read_answer(reader)
            assert (status, headers["connection"]) == (200, "close")
            writer.close()
        await stopping
        here.service.stop = _nothing  # type: ignore[method-assign]


async def _nothing(**_: object) -> None:
    """The service has stopped already."""


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        notify("RELOADING=1")
        assert listening.recv(100) == b"READY=1"
        assert listening.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notify("STOPPING=1")


async def test_one_process_reloads_and_stops_on_signals(tmp_path: Path) -> None:
    with served(tmp_path, **DEMO) as server:
        assert server.request("POST", "/check", b'{"email": "a@acme.test"}')[0] == 200
        server.process.send_signal(signal.SIGHUP)
        stop, lost = asyncio.Event(), list[str]()
        clients = [asyncio.create_task(ask_until_closed(server.port, stop, lost)) for _ in range(4)]
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*clients)
        assert lost == []
        assert await asyncio.to_thread(server.stop) == 0


async def test_two_workers_replace_a_dead_one_reload_and_add_their_metrics_up(tmp_path: Path) -> None:
    with served(tmp_path, workers=2, **DEMO) as server:
        for _ in range(200):  # the first may answer before the second is there
            first = set(server.pids()[1:])
            if len(first) == 2:
                break
            await asyncio.sleep(0.05)
        assert len(first) == 2
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        for _ in range(200):
            replaced = set(server.pids()[1:])
            if len(replaced) == 2 and victim not in replaced:
                break
            await asyncio.sleep(0.05)
        assert victim not in server.pids()
        assert len(server.pids()) == 3
        before = set(server.pids()[1:])
        stop, lost = asyncio.Event(), list[str]()
        clients = [asyncio.create_task(ask_until_closed(server.port, stop, lost)) for _ in range(4)]
        server.process.send_signal(signal.SIGHUP)
        for _ in range(600):
            if len(server.pids()) == 3 and not before & set(server.pids()):
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        stop.set()
        answered = sum(await asyncio.gather(*clients))
        assert lost == []
        assert not before & set(server.pids())
        await asyncio.sleep(0.7)
        _, text = server.request("GET", "/metrics")
        lines = [line for line in text.decode().splitlines() if line.startswith("validator_http_requests_total")]
        counted = sum(float(line.split()[-1]) for line in lines if 'route="/check"' in line and 'status="200"' in line)
        assert counted >= answered
        assert await asyncio.to_thread(server.stop) == 0


def test_serving_strangers_without_keys_is_refused_with_exit_code_2(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="ended with 2: validator: VALIDATOR_HOST"),
        served(tmp_path, host="0.0.0.0", **DEMO),
    ):
        pass


async def test_a_service_that_finds_no_store_says_that_it_made_an_empty_one(tmp_path: Path) -> None:
    """Else a volume that was not there after a restart looks like a day on which nobody is on the list."""
    for expected in (["store.new"], []):
        with capture_logs() as logged:
            async with running(tmp_path):
                pass
        assert [line["event"] for line in logged if line["event"] == "store.new"] == expected
