"""A crowd is taken up a few at a time, in order and without loss; an idle connection keeps nothing of its request."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from aiohttp.web_request import BaseRequest
from structlog.testing import capture_logs

from tests.operate.running import Running, read_answer, request_bytes, running
from validator.server.turns import AT_ONCE, CROWD, MOST_HELD_BYTES, TurnProtocol, Turns

MANY = 5 * AT_ONCE
assert MANY > CROWD


class Piece:
    """Stands for a connection that has something to take up."""

    def __init__(self, number: int, taken: list[int]) -> None:
        self.number, self.taken = number, taken

    def take_held(self) -> None:
        self.taken.append(self.number)


async def test_a_turn_takes_a_few_and_the_rest_keeps_its_order() -> None:
    turns, taken = Turns(asyncio.get_running_loop(), range(MANY)), list[int]()
    for number in range(MANY):
        piece = Piece(number, taken)
        if turns.is_over():
            turns.wait(cast("TurnProtocol", piece))
        else:
            piece.take_held()
    assert taken == list(range(AT_ONCE))
    for turn in range(2, MANY // AT_ONCE + 1):
        assert turns.is_over(), "who comes now stands behind those who wait"
        await asyncio.sleep(0)
        assert taken == list(range(turn * AT_ONCE))
    await asyncio.sleep(0)
    assert not turns.is_over()


async def test_a_few_connections_take_no_turns() -> None:
    turns = Turns(asyncio.get_running_loop(), range(CROWD))
    assert not any(turns.is_over() for _ in range(MANY))


async def test_everybody_in_a_crowd_gets_the_answer_to_their_own_question(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        crowd = [await here.connect() for _ in range(MANY)]
        for part in range(3):  # each in three pieces, all of them there before the service looks
            for number, (_, writer) in enumerate(crowd):
                raw = request_bytes(b'{"email": "a%d@acme.test"}' % number)
                third = len(raw) // 3
                writer.write(raw[part * third : (part + 1) * third] if part < 2 else raw[2 * third :])
            await asyncio.sleep(0)
        for number, (reader, writer) in enumerate(crowd):
            status, _, body = await read_answer(reader)
            assert (status, orjson.loads(body)["orig"]) == (200, f"a{number}@acme.test")
            writer.close()


async def test_long_pieces_and_those_behind_them_stay_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        crowd = [await here.connect() for _ in range(MANY)]
        addresses = [f"{'a' * (MOST_HELD_BYTES // 64)}{number}@acme.test" for number in range(100)]
        body = orjson.dumps({"emails": addresses})
        raw = request_bytes(body, "/check/batch")
        assert len(raw) > MOST_HELD_BYTES
        for _, writer in crowd:
            writer.write(raw[:50])
        await asyncio.sleep(0)
        for _, writer in crowd:
            writer.write(raw[50:])
        for reader, writer in crowd:
            status, _, answer = await read_answer(reader)
            assert (status, [row["orig"] for row in orjson.loads(answer)["results"]]) == (200, addresses)
            writer.close()


async def test_an_idle_connection_of_many_keeps_nothing_of_its_last_request(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        idle: list[Any] = [await here.connect() for _ in range(MANY)]
        for reader, writer in idle:
            writer.write(request_bytes())
            assert (await read_answer(reader))[0] == 200
        await asyncio.sleep(0.05)
        gc.collect()
        assert here.service._server.open == MANY
        assert not [found for found in gc.get_objects() if isinstance(found, BaseRequest)]
        for reader, writer in idle:
            writer.write(request_bytes())
            assert (await read_answer(reader))[0] == 200
            writer.close()


async def test_connections_that_were_few_and_are_many_and_few_again_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        crowd: list[Any] = []
        for many in (1, CROWD, MANY, CROWD, 1):
            for _, writer in crowd[many:]:
                writer.close()
            crowd = crowd[:many] + [await here.connect() for _ in range(many - len(crowd))]
            await asyncio.sleep(0.05)
            assert here.service._server.open == many
            for number, (_, writer) in enumerate(crowd):
                writer.write(request_bytes(b'{"email": "a%d@acme.test"}' % number))
            for number, (reader, _) in enumerate(crowd):
                status, _, body = await read_answer(reader)
                assert (status, orjson.loads(body)["orig"]) == (200, f"a{number}@acme.test")
        crowd[0][1].close()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_who_asks_for_the_end_of_its_connection_has_it_in_a_crowd_too(tmp_path: Path, version: str) -> None:
    async with running(tmp_path) as here:
        crowd = [await here.connect() for _ in range(MANY)]
        last = request_bytes().replace(b"HTTP/1.1\r\n", f"HTTP/{version}\r\nConnection: close\r\n".encode())
        for _, writer in crowd:
            writer.write(request_bytes() + last)
        for reader, writer in crowd:
            assert (await read_answer(reader))[0] == 200
            assert (await read_answer(reader))[0] == 200
            assert await reader.read() == b""
            writer.close()
        await until(lambda: not here.service._server.open)


async def until(is_so: Callable[[], bool]) -> None:
    """Turn by turn of the loop."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)


async def asked_and_held(here: Running, raw: bytes = request_bytes()) -> list[socket.socket]:
    """Clients that have all sent *raw*; most of it waits for its turn."""
    server = here.service._server
    clients = []
    for _ in range(MANY):
        clients.append(socket.create_connection(("127.0.0.1", here.port)))
        await asyncio.sleep(0)
    await until(lambda: server.open == MANY and all(connection.is_waiting for connection in server.connections))
    for client in clients:
        client.sendall(raw)
    await until(lambda: len(server.turns._held) >= MANY // 2)
    return clients


async def all_gone(here: Running) -> None:
    """Until every connection has ended, and what was left of them is collected."""
    await until(lambda: not here.service._server.open)
    gc.collect()


async def test_who_asks_and_goes_at_once_is_heard_in_a_crowd_too(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        for client in await asked_and_held(here):
            client.close()
        await all_gone(here)
        assert here.service._server.requests_count == MANY


async def test_a_connection_that_is_reset_while_its_piece_waits_ends_quietly(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        errors: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        for client in await asked_and_held(here):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        await all_gone(here)
        assert not errors
        assert not here.service._server.turns._held


@pytest.mark.parametrize("is_reset", [True, False])
async def test_who_goes_in_the_middle_of_a_body_is_nobodys_bug(tmp_path: Path, is_reset: bool) -> None:
    async with running(tmp_path) as here:
        with capture_logs() as logged:
            for client in await asked_and_held(here, request_bytes()[:-1]):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", is_reset, 0))
                client.close()
            await all_gone(here)
        assert not [line for line in logged if line["log_level"] == "error"]


async def test_what_waits_for_its_turn_came_before_the_end_of_the_time_to_keep_alive(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        clients = await asked_and_held(here)
        for connection in here.service._server.connections:
            connection._next_keepalive_close_time = 0.0
            connection._process_keepalive()
        for client in clients:
            reader, writer = await asyncio.open_connection(sock=client)
            assert (await read_answer(reader))[0] == 200
            writer.close()


async def test_many_requests_behind_a_body_that_came_late_are_all_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        server = here.service._server
        reader, writer = await here.connect()
        writer.write(request_bytes()[:-1])
        await until(lambda: server.requests_count == 1)
        writer.write(request_bytes()[-1:] + 100 * request_bytes())
        for _ in range(101):
            assert (await read_answer(reader))[0] == 200
        writer.close()
