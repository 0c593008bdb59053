"""Silent, slow and hostile clients: each is closed in time, none gets a 500, nobody else notices."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from pathlib import Path

import pytest

from tests.operate.running import CHECK, read_answer, request_bytes, running
from validator.errors import StorageUnavailable
from validator.server.logs import exception_without_words, hide_addresses
from validator.server.problems import Problem
from validator.server.refusal import LINGER_S, MOST_LINGERING

QUICK = {"receive_timeout_s": 1.0, "send_timeout_s": 2.0, "stream_idle_timeout_s": 2.0}
HEAD = b"POST /check HTTP/1.1\r\nHost: a\r\n"

AFTERWARDS = b"GET /reasons HTTP/1.1\r\nHost: a\r\n\r\n"
SMUGGLING = {
    "both lengths": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "signed length": HEAD + b"Content-Length: +5\r\n\r\nabcde",
    "spaced length": HEAD + b"Content-Length : 5\r\n\r\nabcde",
    "unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunks of gzip": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "chunked and nothing": HEAD + b"Transfer-Encoding: , chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no coding": HEAD + b"Transfer-Encoding: \r\nContent-Length: 5\r\n\r\nabcde",
    "coding before a space": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "same length twice": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "length as a list": HEAD + b"Content-Length: 5, 5\r\n\r\nabcde",
    "hexadecimal length": HEAD + b"Content-Length: 0x5\r\n\r\nabcde",
    "length with a digit of another script": HEAD + "Content-Length: ٥\r\n\r\nabcde".encode(),
    "endless length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabcde",
    "endless chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
    "bare line feeds of chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\nabcde\n0\n\n",
    "line feed in a chunk extension": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nabcde\r\n0\r\n\r\n",
    "length after the chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\nabcde",
    "bare carriage return": HEAD + b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nabcde",
    "bare line feed between headers": HEAD + b"X: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nabcde",
    "folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare line feed": b"POST /check HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
    "NUL": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "two hosts": HEAD + b"Host: b\r\nContent-Length: 0\r\n\r\n",
    "long header": HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X%d: a\r\n" % number for number in range(200)) + b"\r\n",
    "no method": b"\r\n\r\n / HTTP/1.1\r\n\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 60 + b"\r\n\r\n",
    "signed chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n",
}


def assert_whole_problem(status: int, headers: dict[str, str], body: bytes) -> None:
    """What clients are promised of every error, also where no handler had the request."""
    assert (headers["content-type"], headers["server"]) == ("application/problem+json", "validator")
    problem = Problem.model_validate_json(body)
    assert problem.status == status
    assert problem.request_id == headers["x-request-id"] != ""


@pytest.mark.parametrize("shape", SMUGGLING)
async def test_a_request_that_can_be_read_in_two_ways_gets_one_400_and_a_close(tmp_path: Path, shape: str) -> None:
    async with running(tmp_path, **QUICK) as here:
        answer = await here.exchange(SMUGGLING[shape] + AFTERWARDS, wait_s=4)
        assert answer.count(b"HTTP/1.") == 1, answer
        assert answer.split()[1] in {b"400", b"408", b"501"}, answer[:80]
        assert b"abcde" not in answer
        assert b"application/problem+json" in answer


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
async def test_a_request_to_change_the_protocol_is_the_last_of_its_connection(tmp_path: Path, protocol: str) -> None:
    async with running(tmp_path, **QUICK) as here:
        request = f"GET /reasons HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        answer = await here.exchange(request.encode() + AFTERWARDS, wait_s=4)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("line", [b"POST /check HTTP/2.0", b"GET /livez HTTP/0.9", b"GET /livez HTTP/3.0"])
async def test_only_http_1_is_spoken(tmp_path: Path, line: bytes) -> None:
    async with running(tmp_path, **QUICK) as here:
        answer = await here.exchange(line + b"\r\nHost: a\r\nContent-Length: 0\r\n\r\n", wait_s=3)
        assert answer.split()[1] in {b"505", b"400"}


async def test_an_expectation_that_nobody_meets_is_a_problem_that_repeats_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, **QUICK) as here:
        request = HEAD + b"Expect: planted@x.example\r\nContent-Length: 2\r\n\r\n{}"
        answer = await here.exchange(request, wait_s=3)
        assert answer.startswith(b"HTTP/1.1 417 ")
        assert b"application/problem+json" in answer
        assert b"planted" not in answer
        assert b"aiohttp" not in answer


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /che",
        HEAD + b"X-Slow: 1",
        HEAD + b"Content-Length: 27\r\n\r\n" + CHECK[:10],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"POST /check/stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["silent", "half line", "half header", "half body", "half chunk", "silent stream"],
)
async def test_a_client_that_stops_half_way_is_closed(tmp_path: Path, begun: bytes) -> None:
    async with running(tmp_path, **QUICK) as here:
        started = time.monotonic()
        answer = await here.exchange(begun, wait_s=9.5)
        assert time.monotonic() - started < 9
        assert not answer.startswith(b"HTTP/1.1 5")


async def test_a_header_that_trickles_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, **QUICK) as here:
        reader, writer = await here.connect()
        writer.write(HEAD)

        async def trickle() -> None:
            while True:
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.2)

        task = asyncio.create_task(trickle())
        try:
            async with asyncio.timeout(6):
                status, headers, body = await read_answer(reader)
                assert status == 408
                assert_whole_problem(status, headers, body)
                assert await reader.read() == b""
        finally:
            task.cancel()
            writer.close()


async def test_a_client_that_does_not_read_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, **QUICK) as here:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", here.port))
        page = b"GET /assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n"
        await loop.sock_sendall(sock, page * 6)
        for _ in range(80):
            if not here.service._server.open:
                break
            await asyncio.sleep(0.1)
        assert not here.service._server.open
        sock.close()


async def test_an_idle_connection_is_kept_for_the_next_request(tmp_path: Path) -> None:
    async with running(tmp_path, **QUICK) as here:
        reader, writer = await here.connect()
        writer.write(request_bytes())
        assert (await read_answer(reader))[0] == 200
        await asyncio.sleep(2.5)
        writer.write(request_bytes())
        assert (await read_answer(reader))[0] == 200
        writer.close()


async def test_idle_connections_make_room_and_busy_ones_do_not(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=20) as here:
        idle = []
        for _ in range(20):
            reader, writer = await here.connect()
            writer.write(request_bytes())
            assert (await read_answer(reader))[0] == 200
            idle.append(writer)
        await asyncio.sleep(1.5)
        for _ in range(5):
            assert (await here.answer(request_bytes()))[0] == 200
        assert here.service._server.open <= 21
        for writer in idle:
            writer.close()
        silent = [await here.connect() for _ in range(20)]
        await asyncio.sleep(0.2)
        answer = await here.exchange(request_bytes(), wait_s=2)
        assert answer.startswith(b"HTTP/1.1 503"), answer[:60]
        for _, writer in silent:
            writer.close()


async def test_who_is_refused_can_read_why_although_it_still_sends(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=20) as here:
        silent = [await here.connect() for _ in range(20)]
        await asyncio.sleep(0.2)
        refused = [await here.connect() for _ in range(MOST_LINGERING + 6)]
        late = refused[-MOST_LINGERING:]
        for piece in (b"POST /check HTTP/1.1\r\nHost: a\r\n", b"Content-Length: 24\r\n\r\n", CHECK):
            await asyncio.sleep(0.1)  # a close with something unread would have been a reset by now
            for _, writer in late:
                writer.write(piece)
                await writer.drain()
        for reader, _ in late:
            status, headers, body = await read_answer(reader)
            assert (status, headers["retry-after"]) == (503, "1")
            assert_whole_problem(status, headers, body)
            assert await reader.read() == b""
        await asyncio.sleep(LINGER_S + 0.2)
        assert not here.service._server.lingering
        assert here.service._server.open == 20
        for _, writer in (*silent, *refused):
            writer.close()


async def test_pipelined_requests_are_answered_in_order_without_piling_up(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        reader, writer = await here.connect()
        count = 2_000

        async def send() -> None:
            for number in range(count):
                writer.write(request_bytes(b'{"email": "p%d@acme.test"}' % number))
                if number % 100 == 0:
                    await writer.drain()

        sending = asyncio.create_task(send())
        for number in range(count):
            status, _, body = await read_answer(reader)
            assert (status, b"p%d@" % number in body) == (200, True)
        await sending
        writer.close()


async def test_compressed_bodies_are_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"a" * 20_000_000)
    async with running(tmp_path) as here:
        status, _, _ = await here.answer(request_bytes(bomb, "/check", "Content-Encoding: gzip"))
        assert status in {400, 413, 415}


async def test_too_many_at_once_get_an_early_503(tmp_path: Path) -> None:
    async with running(tmp_path, max_in_flight=2) as here:
        slow = [await here.connect() for _ in range(2)]
        for _, writer in slow:
            writer.write(HEAD + b"Content-Length: 24\r\n\r\n")
        await asyncio.sleep(0.3)
        status, headers, _ = await here.answer(request_bytes())
        assert (status, headers["retry-after"]) == (503, "1")
        assert (await here.answer(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
        for _, writer in slow:
            writer.write(CHECK)
        assert [(await read_answer(reader))[0] for reader, _ in slow] == [200, 200]
        for _, writer in slow:
            writer.close()


async def test_a_handler_that_takes_too_long_is_answered_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, handler_timeout_s=1) as here:

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(here.service.runtime.checker, "check", never)
        status, headers, _ = await here.answer(request_bytes())
        assert (status, headers["retry-after"]) == (503, "1")
        monkeypatch.undo()
        assert (await here.answer(request_bytes()))[0] == 200


async def test_a_bug_is_a_500_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as here:

        async def broken(text: str, *_: object) -> None:
            raise KeyError(text)

        monkeypatch.setattr(here.service.runtime.checker, "check", broken)
        status, _, body = await here.answer(request_bytes(b'{"email": "planted-person@acme.test"}'))
        assert status == 500
        assert b"planted" not in body


def test_a_logged_exception_has_neither_words_nor_variables() -> None:
    def fail(text: str) -> None:
        raise KeyError(text)

    try:
        fail("planted-person@acme.test")
    except KeyError as error:
        event = exception_without_words(None, "error", {"event": "x", "exc_info": error})
    assert event["exception"] == ["KeyError"]
    assert event["frames"][-1].endswith(" fail")
    assert "planted" not in str(event)
    hidden = hide_addresses(None, "error", {"event": "Error at <planted-person@acme.test> now"})
    assert hidden["event"] == "Error at <(hidden)> now"


async def test_a_store_that_cannot_be_read_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as here:

        async def unreadable(*_: object, **__: object) -> None:
            raise StorageUnavailable("away")

        monkeypatch.setattr(here.service.runtime.blacklist, "match_addresses", unreadable)
        status, headers, _ = await here.answer(request_bytes())
        assert status == 503
        assert int(headers["retry-after"]) >= 1


@pytest.mark.parametrize("extra", ["", "X-Request-Id: abc", "Connection: close", "Expect: 100-continue"])
async def test_the_one_piece_answer_is_what_aiohttp_would_have_written(tmp_path: Path, extra: str) -> None:
    async with running(tmp_path) as here:
        raw = request_bytes(CHECK, "/check", *([extra] if extra else []))
        if extra.startswith("Expect"):
            answer = await here.exchange(raw, wait_s=1)
            assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
            return
        status, headers, body = await here.answer(raw)
        assert (status, headers["content-type"], len(body)) == (200, "application/json", int(headers["content-length"]))
        assert headers["x-request-id"] == "abc" if "abc" in extra else headers["x-request-id"]
        assert headers["date"].endswith("GMT")
        assert headers.get("connection") == ("close" if "close" in extra else None)
        old = await here.exchange(raw.replace(b"HTTP/1.1", b"HTTP/1.0"), wait_s=2)
        assert old.startswith(b"HTTP/1.0 200 OK")


async def test_a_client_that_asks_again_and_again_keeps_its_connection(tmp_path: Path) -> None:
    """Its system acknowledges an answer with the next question, so that at each sweep something looks unread."""
    async with running(tmp_path, send_timeout_s=1.0) as here:
        reader, writer = await here.connect()
        until = time.monotonic() + 4.5
        while time.monotonic() < until:
            writer.write(request_bytes())
            assert (await read_answer(reader))[0] == 200
            await asyncio.sleep(0.02)
        writer.close()
