"""Hostile clients, as a process of their own so that the client beside them is not what is slowed down.

`python -m tests.load.attacks NAME PORT COUNT SECONDS` prints what came of it as one line of JSON.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import orjson
import uvloop

from tests.operate.running import request_bytes
from tests.operate.test_connections import AFTERWARDS, SMUGGLING

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
HEAD = b"POST %s HTTP/1.1\r\nHost: a\r\n"
Told = dict[str, object]


async def _held(port: int, count: int, begun: Callable[[int], bytes], drip: bytes) -> Told:
    """Open *count* connections, begin a request on each, send *drip* once a second; until all are closed."""
    opened = [await asyncio.open_connection(HOST, port) for _ in range(count)]
    started = time.monotonic()

    async def hold(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(begun(number))
            while time.monotonic() - started < 30:
                writer.write(drip)
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        while await reader.read(65536):
                            pass
                        break
        writer.close()

    await asyncio.gather(*(hold(number, *pair) for number, pair in enumerate(opened)))
    return {"closed_after_s": time.monotonic() - started}


async def slow_header(port: int, count: int, _: float) -> Told:
    """Headers that never end."""
    return await _held(port, count, lambda _: HEAD % b"/check", b"X-Slow: a\r\n")


async def slow_body(port: int, count: int, _: float) -> Told:
    """Bodies that trickle: two thirds to routes that read them whole, one third to the stream."""
    paths = (b"/check", b"/blacklist/imports", b"/check/stream")
    return await _held(port, count, lambda number: HEAD % paths[number % 3] + b"Content-Length: 8000\r\n\r\n", b" ")


async def slow_read(port: int, count: int, _: float) -> Told:
    """Clients that ask for much and read nothing."""
    loop = asyncio.get_running_loop()
    deaf = []
    for _number in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel reads for us
        sock.setblocking(False)
        await loop.sock_connect(sock, (HOST, port))
        await loop.sock_sendall(sock, b"GET /assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        deaf.append(sock)
    await asyncio.sleep(12.0)
    for sock in deaf:
        sock.close()
    return {}


async def pipelined(port: int, count: int, _: float) -> Told:
    """One connection with very many requests at once."""
    reader, writer = await asyncio.open_connection(HOST, port)

    async def send() -> None:
        for number in range(0, count, 100):
            writer.write(request_bytes(b'{"email": "a@hot1.test"}') * min(100, count - number))
            await writer.drain()

    sending = asyncio.create_task(send())
    answered = 0
    while answered < count and (part := await reader.readuntil(b"\r\n\r\n")):
        assert part.startswith(b"HTTP/1.1 200 ")
        length = int(part.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        answered += 1
    await sending
    writer.close()
    return {"statuses": {"200": answered}}


def bombs() -> dict[str, bytes]:
    """Requests that are small to send and large to take."""
    deep, wide = b"[" * 4000, b'{"email":' * 600
    zipped = gzip.compress(b"a@hot1.test\n" * 2_000_000)
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(2_000))
    chunks = b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 60_000 + b"0\r\n\r\n"
    return {
        "deep arrays": request_bytes(deep),
        "deep objects": request_bytes(wide),
        "deep value": request_bytes(b'{"email": "a@b.c", "lists": ' + deep + b"}"),
        "deep batch": request_bytes(b'{"emails": ' + b"[" * 500_000 + b"]" * 500_000 + b"}", "/check/batch"),
        "huge number": request_bytes(b'{"email": ' + b"9" * 7_000 + b"}"),
        "huge exponent": request_bytes(b'{"email": 1e' + b"9" * 4_000 + b"}"),
        "huge numbers of events": request_bytes(b'{"timestamp": ' + b"9" * 60_000 + b"}", "/events"),
        "many fields": request_bytes(b"{" + b",".join(b'"%d":1' % n for n in range(800)) + b"}"),
        "many combining marks": request_bytes(b'{"email": "' + "a\u0301\u0323".encode() * 1_500 + b'@hot1.test"}'),
        "long address": request_bytes(b'{"email": "' + b"a." * 3_900 + b'@hot1.test"}'),
        "compressed check": request_bytes(zipped[:8_000], "/check", "Content-Encoding: gzip"),
        "compressed batch": request_bytes(zipped, "/check/batch", "Content-Encoding: gzip"),
        "compressed stream": request_bytes(zipped, "/check/stream", "Content-Encoding: gzip"),
        "compressed import": request_bytes(zipped, "/blacklist/imports", "Content-Encoding: gzip"),
        "brotli": request_bytes(b"x" * 100, "/check/stream", "Content-Encoding: br"),
        "one-byte chunks": HEAD % b"/check" + chunks,
        "one-byte chunks of a stream": HEAD % b"/check/stream" + chunks,
        "long line": request_bytes(b'"' + b"a" * 1_000_000 + b'"', "/check/stream"),
        "nested message": request_bytes(nested, "/events/message", "Content-Type: message/rfc822"),
        "nested message to classify": request_bytes(nested, "/classify", "Content-Type: message/rfc822"),
        "long header of a message": request_bytes(b"Subject: " + b"=?utf-8?q?a?= " * 60_000, "/events/message"),
        "long reply": request_bytes(b'{"text": "' + b"550 5.1.1 " * 5_000 + b'"}', "/classify"),
        "long query": b"GET /blacklist?q=" + b"%25" * 2_500 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "many query fields": b"GET /blacklist?" + b"a=1&" * 1_900 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "many cookies": HEAD % b"/check" + b"Cookie: " + b"a=b;" * 1_900 + b"\r\nContent-Length: 2\r\n\r\n{}",
    }  # fmt: skip


async def _repeated(port: int, shapes: dict[str, bytes], seconds: float) -> Told:
    """Each shape over a connection of its own, all of them at least once, again and again until time is up."""
    found: dict[str, Counter[str]] = {name: Counter() for name in shapes}
    started = time.monotonic()

    async def send(name: str, raw: bytes) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        received = b""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(20):
                writer.write(raw)
                while part := await reader.read(65536):
                    received = received or part
                    if b"\r\n\r\n" in received and b"close" not in received:
                        break
        found[name][received[9:12].decode() or "closed"] += 1
        writer.close()

    while True:
        for name, raw in shapes.items():
            await send(name, raw)
        if time.monotonic() - started >= seconds:
            return {"statuses": {name: dict(counted) for name, counted in found.items()}}


async def bombing(port: int, _: int, seconds: float) -> Told:
    """Bombs."""
    return await _repeated(port, bombs(), seconds)


async def smuggling(port: int, _: int, seconds: float) -> Told:
    """Requests that can be read in two ways, each with another one behind it."""
    return await _repeated(port, {name: raw + AFTERWARDS for name, raw in SMUGGLING.items()}, seconds)


ATTACKS: dict[str, Callable[[int, int, float], Awaitable[Told]]] = {
    attack.__name__: attack for attack in (slow_header, slow_body, slow_read, pipelined, bombing, smuggling)
}


async def attack(name: str, port: int, *, count: int = 0, seconds: float = 0.0) -> Told:
    """Run one in a process of its own."""
    words = ["-m", "tests.load.attacks", name, str(port), str(count), str(seconds)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return dict(orjson.loads(out))


def main() -> None:
    """Run, then print."""
    name, port, count, seconds = sys.argv[1:5]

    async def run() -> Told:
        return await ATTACKS[name](int(port), int(count), float(seconds))

    print(orjson.dumps(uvloop.run(run())).decode())


if __name__ == "__main__":
    main()
