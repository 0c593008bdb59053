"""2,000 planted addresses go through a whole service; none is in a log, a metric or an error afterwards."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import orjson
from aiohttp import ClientSession

from bench._served import service as served
from tests.service import DEMO_ZONE

COUNT = 2_000
SHAPES = (
    "{}@acme.test",
    "{}@gmial.com",
    "{}@no-mail.test",
    "{}@broken-dns.test",
    '"{}"@acme.test',
    "{}@acme.test\r\nX: y",
    "Name <{}@acme.test>",
    "{}@@acme.test",
    "{}@-bad-.test",
    "{}@" + "a" * 70 + ".test",
    "{}\x00@acme.test",
    "{}@пример.test",
)


def planted() -> Iterator[tuple[str, str]]:
    """A word that occurs nowhere else, and a text made of it."""
    dice = random.Random(20260101)
    for number in range(COUNT):
        word = "".join(dice.choice("bcdfghjklmnpqrstvwxz") for _ in range(14))
        yield word, SHAPES[number % len(SHAPES)].format(word)


def bodies(text: str) -> Iterator[tuple[str, str, bytes]]:
    """Requests of every kind that hold *text*: good ones, broken ones, and in places where it does not belong."""
    yield "POST", "/check", orjson.dumps({"email": text})
    yield "POST", "/check", orjson.dumps({"email": text, "explain": True, "on_unknown": "error"})
    yield "POST", "/check", orjson.dumps({"email": [text]})
    yield "POST", "/check", orjson.dumps({text: 1})
    yield "POST", "/check", b'{"email": "' + text.encode() + b'"'
    yield "POST", "/v1/email/check", orjson.dumps({"email": text, "sanitize": text})
    yield "POST", "/blacklist", orjson.dumps({"kind": "address", "value": text, "cause": "manual"})
    yield "POST", "/events", orjson.dumps({"kind": "bounce", "address": text, "text": f"550 5.1.1 <{text}> unknown"})
    yield "POST", "/classify", orjson.dumps({"text": f"550 5.1.1 <{text}> User unknown"})
    yield "POST", "/check/batch", orjson.dumps({"emails": [text, 1]})
    yield "GET", f"/nothing/{text.encode().hex()}", b""


async def test_no_planted_address_is_written_down(tmp_path: Path) -> None:
    words = list(planted())
    errors: list[tuple[str, bytes]] = []
    settings = {"dns_zone_file": str(DEMO_ZONE), "special_use_exceptions": "test", "log_level": "debug"}
    with served(tmp_path, access_log_pct="100", **settings) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with ClientSession() as session:

            async def send(part: list[tuple[str, str]]) -> None:
                for number, (_, text) in enumerate(part):
                    kinds = list(bodies(text))
                    for method, path, body in (kinds[number % len(kinds)], kinds[(number + 3) % len(kinds)]):
                        headers = {"X-Request-Id": text.replace("\r\n", "").replace("\x00", "")}
                        if not headers["X-Request-Id"].isascii():
                            headers = {}
                        async with session.request(method, url + path, data=body, headers=headers) as response:
                            answer = await response.read()
                            if response.status >= 400:
                                errors.append((path, answer))

            await asyncio.gather(*(send(words[start::8]) for start in range(8)))
            async with session.get(f"{url}/metrics") as response:
                metrics = await response.text()
            async with session.get(f"{url}/readyz") as response:
                health = await response.text()
        log = server.log
        assert await asyncio.to_thread(server.stop) == 0
    written = log.read_text("utf-8", errors="replace")
    assert written.count("\n") > COUNT
    for line in written.splitlines():
        json.loads(line)
    everything = "\n".join([written, metrics, health, *(body.decode("utf-8", "replace") for _, body in errors)])
    lowered = everything.lower()
    assert [word for word, _ in words if word in lowered] == []
    assert len(errors) > 300
    assert not any(body.startswith(b"Traceback") for _, body in errors)
