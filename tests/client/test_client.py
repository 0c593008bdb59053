"""The HTTP client against a real service, and against servers that answer 429, 503 or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from tests.service import Service
from validator.client import AddressError, AsyncClient, CheckAnswer, Client, ClientError, ServiceProblem, Unreachable
from validator.client.connection import Connection
from validator.verdict import Reason, Status


@pytest.fixture
def url(running: Service) -> str:
    return str(running.client.make_url("/")).rstrip("/")


async def test_one_address(url: str) -> None:
    async with AsyncClient(url) as client:
        answer = await client.check("Ivan@gmial.com", explain=True)
        assert (answer.email, answer.status, answer.reason) == ("Ivan@gmail.com", Status.VALID, None)
        assert answer.explain is not None
        assert (await client.check("x@fb.com")).reason is Reason.APPLICATION
        assert (await client.check(" a@acme.test", sanitize=False)).email == " a@acme.test"
        with pytest.raises(ServiceProblem) as caught:
            await client.check("a@broken-dns.test", on_unknown="error")
        assert caught.value.status == 503


async def test_who_gave_up_takes_no_connection_along(url: str) -> None:
    async with AsyncClient(url, connections=1) as client:
        given_up = asyncio.ensure_future(client.check("anna@acme.test"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        given_up.cancel()
        assert (await client.check("x@fb.com")).reason is Reason.APPLICATION


async def test_many_addresses_in_order(url: str) -> None:
    emails = [f"user{number}@acme.test" for number in range(2_345)]

    async def slow() -> AsyncIterator[str]:
        for email in emails:
            yield email

    async with AsyncClient(url) as client:
        assert [answer.orig async for answer in client.check_many(emails)] == emails
        assert [answer.orig async for answer in client.check_many(slow())] == emails
        found = await client.check_batch(["a@acme.test", "a@broken-dns.test"], on_unknown="error")
        assert isinstance(found[0], CheckAnswer)
        assert isinstance(found[1], AddressError)
        assert found[1].status == 503


async def test_the_blocking_client_gives_the_same(url: str) -> None:
    def ask() -> list[CheckAnswer | AddressError]:
        with Client(url) as client:
            return [client.check("Ivan@gmial.com"), *client.check_many(["x@fb.com", "bad"])]

    answers = await asyncio.to_thread(ask)
    assert [answer.orig for answer in answers] == ["Ivan@gmial.com", "x@fb.com", "bad"]


GOOD = {"orig": "a", "valid": True, "email": "a", "reason": None, "status": "valid", "suggestion": None}


class Scripted(BaseHTTPRequestHandler):
    """Answers from a list: status, headers, body; None closes the connection."""

    protocol_version = "HTTP/1.1"
    script: ClassVar[list[tuple[int, dict[str, str], Any] | None]] = []
    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(dict(self.headers))
        step = self.script.pop(0)
        if step is None:
            self.close_connection = True
            return
        status, headers, body = step
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[Connection, list[float]]]]:
    server = HTTPServer(("127.0.0.1", 0), Scripted)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    opened: list[Connection] = []

    def make(*script: tuple[int, dict[str, str], Any] | None, **options: Any) -> tuple[Connection, list[float]]:
        Scripted.script[:] = script
        Scripted.seen.clear()
        waited: list[float] = []
        connection = Connection(f"http://127.0.0.1:{server.server_port}", sleep=waited.append, **options)
        opened.append(connection)
        return connection, waited

    yield make
    for connection in opened:
        connection.close()
    server.shutdown()
    server.server_close()


def test_429_and_503_are_waited_out(scripted: Callable[..., tuple[Connection, list[float]]]) -> None:
    connection, waited = scripted((429, {"Retry-After": "7"}, {}), (503, {}, {}), (200, {}, GOOD), key="k")
    assert connection.ask("/check", {"email": "a"}) == GOOD
    assert waited[0] == 7
    assert 0 < waited[1] <= 1
    assert {headers["Authorization"] for headers in Scripted.seen} == {"Bearer k"}


def test_a_broken_connection_is_opened_again(scripted: Callable[..., tuple[Connection, list[float]]]) -> None:
    connection, waited = scripted(None, (200, {}, GOOD), None, None, retries=1)
    assert connection.ask("/check", {}) == GOOD
    assert len(waited) == 1
    with pytest.raises(Unreachable):
        connection.ask("/check", {})


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ((422, {}, {"title": "no", "errors": []}), ServiceProblem),
        ((401, {}, b"plain text"), ServiceProblem),
        ((503, {"Retry-After": "3600"}, {}), ServiceProblem),
        ((503, {"Retry-After": "1"}, {"type": "/problems/unknown"}), ServiceProblem),
        ((200, {}, b"no json"), ClientError),
    ],
)
def test_what_does_not_help_is_not_asked_again(
    scripted: Callable[..., tuple[Connection, list[float]]], step: Any, error: type[Exception]
) -> None:
    connection, waited = scripted(step)
    with pytest.raises(error):
        connection.ask("/check", {})
    assert waited == []


def test_retries_end(scripted: Callable[..., tuple[Connection, list[float]]]) -> None:
    connection, waited = scripted(*[(503, {"Retry-After": "1"}, {})] * 3, retries=2)
    with pytest.raises(ServiceProblem):
        connection.ask("/check", {})
    assert waited == [1, 1]


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://a", "http://", "http://a?x=1"])
def test_a_url_must_name_a_service(url: str) -> None:
    with pytest.raises(ClientError, match="URL"):
        Client(url)


@pytest.mark.parametrize(
    "url", ["ftp://a.example", "http://a.example:99999", "http://[::1", "a.example", "http://a/?b"]
)
def test_what_is_no_url_of_a_service_is_refused_at_once(url: str) -> None:
    with pytest.raises(ClientError):
        Client(url)


def test_a_key_may_end_in_the_line_feed_of_its_file_but_is_one_word() -> None:
    Client("http://127.0.0.1:1", key="vk_abc\n").close()
    for key in ("two words", "кл", "a\r\nX-Other: b"):
        with pytest.raises(ClientError):
            Client("http://127.0.0.1:1", key=key)
