"""Rate limits of keys and addresses, in memory and in Redis, and what happens when Redis is away."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr

from bench._served import free_port
from tests.operate.test_keys import BODY, SECRET, bearer
from tests.service import service
from validator.errors import Overloaded, SettingsError
from validator.server.auth import KeyAuthenticator
from validator.server.limits import FAILURES_PER_MINUTE, Limit, RateLimits, Spent, Windows, parse_limit
from validator.settings import load_settings


def limits(**changes: Any) -> RateLimits:
    return RateLimits(**({"per_key": "3/minute", "per_address": "2/minute"} | changes))


async def test_each_key_has_its_own_limit_and_is_told_when_to_come_back() -> None:
    counted = limits()
    for _ in range(3):
        await counted.spend_key("one", 1)
    with pytest.raises(Overloaded) as refused:
        await counted.spend_key("one", 1)
    assert 1 <= refused.value.retry_after_s <= 60
    await counted.spend_key("two", 1)


async def test_a_request_that_costs_more_takes_more_but_never_more_than_there_is() -> None:
    counted = limits()
    await counted.spend_key("one", 1000)
    with pytest.raises(Overloaded):
        await counted.spend_key("one", 1)


async def test_workers_without_redis_share_the_limit_out() -> None:
    item = parse_limit("rate_limit_per_key", "1000/second", share=4)
    assert item is not None
    assert item.amount == 250


def test_no_limit_is_a_word_because_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDATOR_RATE_LIMIT_PER_KEY", "none")
    monkeypatch.setenv("VALIDATOR_RATE_LIMIT_PER_ADDRESS", "")
    settings = load_settings()
    assert parse_limit("rate_limit_per_key", settings.rate_limit_per_key) is None
    assert parse_limit("rate_limit_per_address", settings.rate_limit_per_address) is not None


def test_an_empty_limit_is_none_and_nonsense_is_refused() -> None:
    assert parse_limit("rate_limit_per_key", " ") is None
    with pytest.raises(SettingsError, match="VALIDATOR_RATE_LIMIT_PER_KEY"):
        parse_limit("rate_limit_per_key", "many")


def test_counters_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validator.server.limits.WINDOWS_KEPT", 100)
    windows = Windows()
    for number in range(1000):
        windows.spend(Limit(1, 60), "key", str(number), 1)
    assert len(windows) <= 101
    assert not windows.spend(Limit(1, 60), "key", "999", 1).granted


def test_a_window_that_is_over_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("validator.server.limits.time.time", lambda: clock[0])
    windows = Windows()
    assert [windows.spend(Limit(2, 60), "key", "one", 1) for _ in range(3)] == [
        Spent(granted=True, resets_at=1_060.0),
        Spent(granted=True, resets_at=1_060.0),
        Spent(granted=False, resets_at=1_060.0),
    ]
    clock[0] = 1_060.0
    assert windows.spend(Limit(2, 60), "key", "one", 2) == Spent(granted=True, resets_at=1_120.0)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/second", Limit(100, 1)),
        ("5000 / hour", Limit(5000, 3600)),
        ("10 per 2 minutes", Limit(10, 120)),
        ("7/Day", Limit(7, 86_400)),
    ],
)
def test_limits_as_people_write_them(text: str, limit: Limit) -> None:
    assert parse_limit("rate_limit_per_key", text) == limit


@pytest.mark.parametrize("text", ["0/second", "ten/second", "10/fortnight", "10", "-1/day", "10/second;5/day"])
def test_anything_else_is_no_limit(text: str) -> None:
    with pytest.raises(SettingsError, match="VALIDATOR_RATE_LIMIT_PER_KEY"):
        parse_limit("rate_limit_per_key", text)


async def test_over_the_limit_is_429_with_retry_after(tmp_path: Path) -> None:
    async with service(tmp_path, keys=SecretStr(f"crm:{SECRET}"), rate_limit_per_key="2/hour") as here:
        statuses = [await here.post("/check", BODY, headers=bearer(SECRET)) for _ in range(3)]
        assert [response.status for response in statuses] == [200, 200, 429]
        assert int(statuses[2].headers["Retry-After"]) >= 1
        assert (await here.client.get("/readyz")).status == 200


async def test_wrong_keys_are_told_so_until_there_were_too_many(tmp_path: Path) -> None:
    async with service(tmp_path, keys=SecretStr(f"crm:{SECRET}")) as here:
        statuses = [(await here.post("/check", BODY, headers=bearer("x" * 30))).status for _ in range(70)]
        assert set(statuses[:FAILURES_PER_MINUTE]) == {401}
        assert statuses[-1] == 429
        assert (await here.post("/check", BODY, headers=bearer(SECRET))).status == 200


@pytest.mark.servers
async def test_redis_counts_for_every_replica(tmp_path: Path) -> None:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no redis-server or valkey-server here")
    port = free_port()
    words = ["--port", str(port), "--save", "", "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(program, *words, stdout=asyncio.subprocess.DEVNULL)
    try:
        await asyncio.sleep(1)
        one, two = (limits(redis_url=f"{scheme}://127.0.0.1:{port}/0") for scheme in ("redis", "valkey"))
        for counted in (one, two, one):
            await counted.spend_key("shared", 1)
        with pytest.raises(Overloaded):
            await two.spend_key("shared", 1)
        await one.aclose()
        await two.aclose()
    finally:
        process.terminate()
        await process.wait()


async def test_redis_that_is_away_neither_stops_nor_opens() -> None:
    counted = limits(redis_url="redis://127.0.0.1:1/0")
    for _ in range(3):
        await counted.spend_key("one", 1)
    with pytest.raises(Overloaded):
        await counted.spend_key("one", 1)
    await counted.aclose()


@pytest.mark.parametrize("url", ["redis://host:port", "mongodb://x:1", "redis://"])
def test_a_redis_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="VALIDATOR_REDIS_URL"):
        limits(redis_url=url)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4:4711, 10.0.0.7:80", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8:1:2::3]:4711", "2001:db8:1:2::/64"),
        ("10.0.0.1", "2001:db8:1:2::3", "2001:db8:1:2::/64"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(peer: str, forwarded: str, client: str) -> None:
    authenticator = KeyAuthenticator(SimpleNamespace(is_empty=True), limits(), trusted_proxies=["10.0.0.0/8"])  # type: ignore[arg-type]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=peer)
    assert authenticator.client_address(request) == client


def test_a_proxy_network_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        KeyAuthenticator(SimpleNamespace(is_empty=True), limits(), trusted_proxies=["the office"])  # type: ignore[arg-type]
