"""The whole service, over HTTP, while its only resolver says nothing: what cannot be told is unknown and in time,
what needs no DNS stays exact, and everything is right again soon after the resolver is back.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import pytest

from bench._served import service as served
from tests.nameserver import NameServer
from tests.operate.running import read_answer, request_bytes

pytestmark = pytest.mark.load

RATE = 200
SECONDS = 4
BUDGET_S = 1.0
"""`VALIDATOR_DNS_TIMEOUT_S`; shorter than the default, so that the test is."""
ALLOWED_S = BUDGET_S + 0.2
SLACK_S = 1.0
"""Only for the slowest answer, only for a machine that other work shares: a process can be off the core that long."""
RECOVERY_S = 5.0

EXACT = {
    "not an address": "invalid",
    "anna..b@n{n}.mc.test": "invalid",
    "postmaster@n{n}.mc.test": "system",
    "x@fb.com": "application",
    "bounced@ok1.mc.test": "blacklisted",
    "anna@n{n}.invalid": "mx_record",
    "anna@ok2.mc.test": None,
}
"""Addresses whose verdict needs no answer of DNS, or one that is known already; {n} is different each time."""


@dataclass(slots=True)
class Seen:
    """What came back."""

    late_s: list[float] = field(default_factory=list)
    """Of the checks that DNS alone could decide: from when they were due to their answers."""
    wrong: list[dict[str, Any]] = field(default_factory=list)
    """Answers that are not what they must be."""
    exact: int = 0
    """Right answers of the others."""


class Caller:
    """Posts checks over kept connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: object) -> tuple[int, dict[str, str], Any]:
        """Status, headers and document."""
        port = self._port
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes(orjson.dumps(body), path))
        status, headers, answer = await read_answer(reader)
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return status, headers, orjson.loads(answer)

    async def check(self, email: str) -> dict[str, Any]:
        """The verdict, with the header that says when to ask again."""
        status, headers, verdict = await self.post("/check", {"email": email, "sanitize": False})
        return {"http": status, "retry-after": headers.get("retry-after"), **verdict}

    def close(self) -> None:
        """Hang up."""
        for _, writer in self._free:
            writer.close()


async def one(caller: Caller, number: int, due: float, seen: Seen) -> None:
    await asyncio.sleep(max(0.0, due - time.perf_counter()))
    if number % 2:
        verdict = await caller.check(f"anna@n{number}.mc.test")
        seen.late_s.append(time.perf_counter() - due)
        got = (verdict["http"], verdict["valid"], verdict["status"], verdict["reason"])
        if got != (200, True, "unknown", None) or verdict["retry-after"] is None:
            seen.wrong.append(verdict)
    else:
        email, reason = list(EXACT.items())[number // 2 % len(EXACT)]
        verdict = await caller.check(email.format(n=number))
        if (verdict["http"], verdict["reason"], verdict["valid"]) != (200, reason, reason is None):
            seen.wrong.append(verdict)
        seen.exact += 1


async def until_valid(caller: Caller, number: int) -> None:
    while (await caller.check(f"anna@p{number}.wild.mc.test"))["status"] != "valid":
        await asyncio.sleep(0.05)
        number += 1


async def test_a_silent_resolver_makes_checks_unknown_in_time_and_leaves_the_rest_exact(tmp_path: Path) -> None:
    async with NameServer() as names:
        host, port = names.address
        asked = {"dns_servers": f"{host}:{port}", "dns_timeout_s": str(BUDGET_S)}
        starting = served(tmp_path, special_use_exceptions="test", dns_new_names_per_s="100000", **asked)
        server = await asyncio.to_thread(starting.__enter__)
        caller = Caller(server.port)
        try:
            entry = {"kind": "address", "value": "bounced@ok1.mc.test"}
            assert (await caller.post("/blacklist", entry))[0] in (200, 201)
            assert (await caller.check("anna@ok2.mc.test"))["status"] == "valid"
            names.silent = True
            seen = Seen()
            started = time.perf_counter()
            await asyncio.gather(
                *(one(caller, number, started + number / RATE, seen) for number in range(RATE * SECONDS))
            )
            assert not seen.wrong, seen.wrong[:3]
            assert seen.exact == len(seen.late_s) == RATE * SECONDS // 2
            assert median(seen.late_s) <= ALLOWED_S
            assert max(seen.late_s) <= ALLOWED_S + SLACK_S
            names.silent = False
            started = time.perf_counter()
            await asyncio.wait_for(until_valid(caller, 0), RECOVERY_S + SLACK_S)
            recovered_s = time.perf_counter() - started
            late = sorted(seen.late_s)
            print(
                f"\nresolver silent: {len(late)} unknown, p50 {late[len(late) // 2]:.3f} s, "
                f"p99 {late[int(len(late) * 0.99)]:.3f} s, longest {late[-1]:.3f} s of {ALLOWED_S} s allowed; "
                f"{seen.exact} others exact; right again after {recovered_s:.2f} s"
            )
            assert recovered_s <= RECOVERY_S
        finally:
            caller.close()
            await asyncio.to_thread(starting.__exit__, None, None, None)
