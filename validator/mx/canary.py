"""Does a resolver invent addresses? A random name under a top-level domain that cannot exist must not resolve.

Some resolvers answer such names with the address of a search page. Behind one of them every dead mail host looks alive
and every mistyped domain has an address, so an address proves nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from validator.mx.answer import Answer, RecordType
from validator.mx.upstream import Server

if TYPE_CHECKING:
    from validator.mx.client import DnsClient

CANARY_TIMEOUT_S = 2.0
"""Seconds that a resolver has to answer the canary."""
CANARIES = 3
"""Names that are asked for each time."""
CANARY_EVERY_S = 60.0
"""Seconds from one canary to the next: so long a resolver that begins to invent goes unnoticed."""


def impossible_name() -> str:
    """A name that nobody has ever asked for, under a top-level domain that nobody has registered."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(26))
    return f"{letters[:12]}.{letters[12:]}"


async def invented_addresses(client: DnsClient, clock: Callable[[], float]) -> frozenset[str]:
    """Ask every server of *client*, note on each what it invents, and return all invented addresses.

    Several names and both types: search pages have several addresses, and some resolvers invent IPv6 ones only. Of a
    server that does not answer what it invented the last time still counts.
    """
    loop = asyncio.get_running_loop()
    questions = [(impossible_name(), rtype) for _ in range(CANARIES) for rtype in (RecordType.A, RecordType.AAAA)]
    waiting: list[tuple[Server, list[asyncio.Future[Answer]]]] = []
    for server in client.care.servers:
        futures: list[asyncio.Future[Answer]] = [loop.create_future() for _ in questions]
        for (name, rtype), future in zip(questions, futures, strict=True):
            client.ask_server(server, name, rtype, clock() + CANARY_TIMEOUT_S, _settle(future))
        waiting.append((server, futures))
    invented: set[str] = set()
    for server, futures in waiting:
        answers = await asyncio.gather(*futures)
        found = frozenset(address for answer in answers for address in cast("tuple[str, ...]", answer.records))
        if found or any(answer.fault is None for answer in answers):
            server.invented = found
        invented |= server.invented
    return frozenset(invented)


def _settle(future: asyncio.Future[Answer]) -> Callable[[Answer], None]:
    def on_answer(answer: Answer) -> None:
        if not future.done():
            future.set_result(answer)

    return on_answer
