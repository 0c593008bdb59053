"""Newcomers are taken in as fast as there is time for them, and refused no faster than those inside can bear."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from tests.operate.running import read_answer, request_bytes, running
from validator.server.listener import MOST_AT_ONCE, REFUSE_S, Listener, listening_socket

NEWCOMERS = 3 * MOST_AT_ONCE


class Counted(asyncio.Protocol):
    """Somebody who was taken in."""

    def __init__(self, taken: list[Counted]) -> None:
        taken.append(self)
        self.transport: asyncio.BaseTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept until the test is over."""
        self.transport = transport


async def taken_in(*, refusing: bool) -> float:
    """Seconds until all who waited were taken in."""
    loop = asyncio.get_running_loop()
    taken: list[Counted] = []
    sock = listening_socket("127.0.0.1", 0)
    listener = Listener(sock, lambda: Counted(taken), lambda: refusing)
    listener.start()
    clients = [socket.create_connection(sock.getsockname()) for _ in range(NEWCOMERS)]
    started = loop.time()
    while len(taken) < NEWCOMERS:
        await asyncio.sleep(0)
        assert not refusing or len(taken) <= 2 * MOST_AT_ONCE + (loop.time() - started) / REFUSE_S
    seconds = loop.time() - started
    await listener.leave()
    for guest in taken:
        guest.transport.close()
    for client in clients:
        client.close()
    return seconds


async def test_who_is_refused_waits_a_little_and_who_is_not_does_not() -> None:
    fewest_s = (NEWCOMERS - 2 * MOST_AT_ONCE) * REFUSE_S
    refused_s = await taken_in(refusing=True)
    assert refused_s >= fewest_s
    assert await taken_in(refusing=False) < refused_s


async def test_there_is_no_waiting_any_more_when_somebody_has_gone(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=4) as here:
        server = here.service._server
        inside = [await here.connect() for _ in range(4)]
        for _, writer in inside:
            writer.write(request_bytes()[:-1])  # at work, so they make no room
        await asyncio.sleep(0.05)
        assert not server.is_refusing
        assert (await here.answer(request_bytes()))[0] == 503
        assert server.is_refusing
        inside[0][1].close()
        await asyncio.sleep(0.05)
        assert not server.is_refusing
        assert (await here.answer(request_bytes()))[0] == 200
        for reader, writer in inside[1:]:
            writer.write(request_bytes()[-1:])
            assert (await read_answer(reader))[0] == 200
            writer.close()
