"""A whole HTTP service in this process, on a real socket, with its own connections, listener and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.service import settings_for
from validator.server.listener import listening_socket
from validator.server.service import HttpService

CHECK = b'{"email": "a@acme.test"}'


def request_bytes(body: bytes = CHECK, path: str = "/check", *headers: str) -> bytes:
    """A complete POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Running:
    """The service and where it listens."""

    def __init__(self, service: HttpService, port: int) -> None:
        self.service = service
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, raw: bytes, *, wait_s: float = 5.0) -> bytes:
        """Send bytes and read until the service closes or says nothing more for a moment."""
        reader, writer = await self.connect()
        writer.write(raw)
        received = bytearray()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(wait_s):
                while part := await reader.read(65536):
                    received += part
        writer.close()
        return bytes(received)

    async def answer(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send one request, read one answer with a Content-Length."""
        reader, writer = await self.connect()
        writer.write(raw)
        try:
            return await read_answer(reader)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer from a connection: status, headers in lower case, body."""
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(first.split()[1]), headers, body


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncIterator[Running]:
    """A service with *changes* to its settings, stopped afterwards."""
    sock = listening_socket("127.0.0.1", 0)
    service = HttpService(settings_for(folder, **changes), sock)
    await service.start()
    try:
        yield Running(service, sock.getsockname()[1])
    finally:
        await service.stop()
