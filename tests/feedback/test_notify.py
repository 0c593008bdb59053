"""Outgoing notices: signed, at least once, tried again and given up; never into private networks unasked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from validator.database import Database
from validator.errors import SettingsError
from validator.feedback.notify import RETRY_AFTER_S, Notifier, is_public, parse_destination
from validator.feedback.store.notices import add_notices, count_notices, revive_notices
from validator.feedback.webhooks import standard

KEY = b"k" * 32
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Receiver:
    """Takes requests on loopback and answers each with the next status."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers["Content-Length"]))
        self.requests.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else "204 No Content"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path}/n.db")
    async with opened.transaction() as conn:
        await add_notices(conn, [("msg_1", "address.blacklisted", '{"type":"address.blacklisted"}')], NOW)
    yield opened
    await opened.aclose()


def notifier(store: Database, clock: Clock, port: int, *, private: bool = True) -> Notifier:
    place = parse_destination(f"http://127.0.0.1:{port}/in?x=1", private=True)
    if not private:
        place = type(place)(place.host, place.port, place.target, place.secure, private=False)
    return Notifier(store, place, KEY, clock=clock)


async def counts(store: Database) -> dict[str, int]:
    async with store.reading() as conn:
        return await count_notices(conn)


async def test_a_notice_arrives_signed_and_once(store: Database) -> None:
    clock = Clock()
    async with receiving() as receiver:
        sender = notifier(store, clock, receiver.port)
        assert await sender.send_due() == 1
        assert await sender.send_due() == 0
    [(headers, body)] = receiver.requests
    lower = {name.lower(): value for name, value in headers.items()}
    signed = standard.verify(body, lower, [KEY], now=NOW.timestamp(), tolerance_s=300)
    assert (signed, await counts(store)) == ("msg_1", {"sent": 1})


async def test_a_failing_receiver_is_tried_again_and_at_last_given_up(store: Database) -> None:
    clock = Clock()
    async with receiving() as receiver:
        receiver.statuses = ["500 No"] * 20
        sender = notifier(store, clock, receiver.port)
        for pause in RETRY_AFTER_S:
            assert await sender.send_due() == 1
            assert await sender.send_due() == 0
            clock.now += timedelta(seconds=pause + 1)
        assert await sender.send_due() == 1
        assert await counts(store) == {"dead": 1}
        receiver.statuses = []
        async with store.transaction() as conn:
            await revive_notices(conn, clock.now)
        assert await sender.send_due() == 1
    assert await counts(store) == {"sent": 1}


async def test_a_redirect_is_a_failure_and_private_networks_are_not_reached(store: Database) -> None:
    clock = Clock()
    async with receiving() as receiver:
        receiver.statuses = ["302 Found"]
        assert await notifier(store, clock, receiver.port).send_due() == 1
        assert await counts(store) == {"pending": 1}
        clock.now += timedelta(minutes=5)
        assert await notifier(store, clock, receiver.port, private=False).send_due() == 1
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", ["2" * 20_000, "", "\x00", "hello"], ids=["endless", "empty", "nul", "words"])
async def test_whatever_a_receiver_answers_is_a_failed_attempt_at_most(store: Database, status: str) -> None:
    clock = Clock()
    async with receiving() as receiver:
        receiver.statuses = [status]
        assert await notifier(store, clock, receiver.port).send_due() == 1
        assert await counts(store) == {"pending": 1}


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
async def test_a_host_that_no_resolver_takes_is_a_failed_attempt(store: Database, host: str) -> None:
    sender = Notifier(store, parse_destination(f"http://{host}/", private=True), KEY, clock=Clock())
    assert await sender.send_due() == 1
    assert await counts(store) == {"pending": 1}


async def test_notices_of_a_slow_sender_are_its_own_until_it_has_tried_the_last(store: Database) -> None:
    """Each attempt may take ten seconds; another worker must not send meanwhile what is waiting for its turn."""
    clock = Clock()
    async with store.transaction() as conn:
        await add_notices(conn, [(f"msg_{number}", "address.lifted", "{}") for number in range(2, 21)], NOW)
    async with receiving() as receiver:
        other = notifier(store, clock, receiver.port)

        async def slow(host: str, _port: int) -> list[str]:
            clock.now += timedelta(seconds=10)
            assert await other.send_due() == 0
            return [host]

        place = parse_destination(f"http://127.0.0.1:{receiver.port}/", private=True)
        assert await Notifier(store, place, KEY, clock=clock, resolver=slow).send_due() == 20
    assert await counts(store) == {"sent": 20}


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "::1", "fe80::1", "::ffff:10.0.0.1",
     "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "0.0.0.0", "fc00::1", "ff02::1", "nonsense"],
)  # fmt: skip
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are() -> None:
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "url", ["http://a.example/x", "ftp://a.example", "https://u:p@a.example/", "https://", "x", "https://a:b/"]
)
def test_only_https_urls_are_destinations(url: str) -> None:
    with pytest.raises(SettingsError):
        parse_destination(url, private=False)
