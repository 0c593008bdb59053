"""Keys: made, hashed, scoped, revoked; Basic only where the model service's clients need it; refusal to be open."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.service import Service, service, settings_for
from validator.database import Database
from validator.errors import NotFound, SettingsError
from validator.keys import KeyRing, Scope
from validator.keys.key import ALL_SCOPES, key_id_of, parse_scopes, parse_static_keys
from validator.keys.ring import REFRESH_S
from validator.server.app import routes
from validator.server.auth import check_binding
from validator.server.openapi import openapi_document

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "a-secret-of-more-than-twenty-characters"
BODY = {"email": "a@acme.test"}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


async def asks_until(running: Service, text: str, status: int) -> None:
    """Ask with a key, ten times a second, until the answer has *status*; five seconds at most."""
    for _ in range(50):
        if (await running.post("/check", BODY, headers=bearer(text))).status == status:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"five seconds without a {status}")


async def made(running: Service, *scopes: Scope, **options: object) -> str:
    text, _ = await running.runtime.keys.create("tester", frozenset(scopes), **options)  # type: ignore[arg-type]
    return text


async def test_without_keys_loopback_is_open_and_the_first_key_closes_it(running: Service) -> None:
    assert (await running.post("/check", BODY)).status == 200
    await made(running, Scope.METRICS)
    response = await running.post("/check", BODY)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await running.client.get("/livez")).status == 200


async def test_a_key_may_do_what_its_scopes_say_and_nothing_else(running: Service) -> None:
    check, metrics = await made(running, Scope.CHECK), await made(running, Scope.METRICS)
    assert (await running.post("/check", BODY, headers=bearer(check))).status == 200
    assert (await running.post("/check", BODY, headers=bearer(metrics))).status == 403
    assert (await running.client.get("/metrics", headers=bearer(metrics))).status == 200
    assert (await running.client.get("/metrics", headers=bearer(check))).status == 403


@pytest.mark.parametrize("header", ["Bearer ", "Bearer vk_x", "Basic !!!", "Basic " + "A" * 40, "Digest x", "x"])
async def test_what_is_no_key_gets_401(running: Service, header: str) -> None:
    await made(running, Scope.CHECK)
    for path in ("/check", "/v1/email/check"):
        assert (await running.post(path, BODY, headers={"Authorization": header})).status == 401


async def test_basic_credentials_work_on_the_envelope_only(running: Service) -> None:
    text = await made(running, Scope.CHECK)
    key_id = key_id_of(text) or ""
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    for client, secret in ((key_id, text), (key_id, digest), (key_id, digest.upper()), ("tester", digest)):
        assert (await running.post("/v1/email/check", BODY, headers=basic(client, secret))).status == 200
        assert (await running.post("/check", BODY, headers=basic(client, secret))).status == 401
    for client, secret in (("somebody", text), (key_id, "0" * 40), (key_id, ""), ("", digest)):
        assert (await running.post("/v1/email/check", BODY, headers=basic(client, secret))).status == 401
    offered = (await running.post("/v1/email/check", BODY)).headers["WWW-Authenticate"]
    assert offered == 'Bearer realm="validator", Basic realm="validator"'
    assert "Basic" not in (await running.post("/check", BODY)).headers["WWW-Authenticate"]
    paths = openapi_document(routes())["paths"]
    takes_basic = {
        path for path, methods in paths.items() for one in methods.values() if {"basic": []} in one.get("security", ())
    }
    assert takes_basic == {"/v1/email/check"}


async def test_the_sha1_of_a_key_is_no_bearer_key(running: Service) -> None:
    text = await made(running, Scope.CHECK)
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    assert (await running.post("/check", BODY, headers=bearer(digest))).status == 401


async def test_revoking_the_last_key_does_not_open_the_service(running: Service) -> None:
    text = await made(running, Scope.CHECK)
    await running.runtime.keys.revoke(key_id_of(text) or "")
    assert (await running.post("/check", BODY, headers=bearer(text))).status == 401
    assert (await running.post("/check", BODY)).status == 401
    with pytest.raises(NotFound):
        await running.runtime.keys.revoke(key_id_of(text) or "")


async def test_an_expired_key_does_not_work(running: Service) -> None:
    text = await made(running, Scope.CHECK, expires=datetime.now(UTC) - timedelta(seconds=1))
    assert (await running.post("/check", BODY, headers=bearer(text))).status == 401


async def test_a_key_made_elsewhere_works_at_once_and_a_revocation_within_five_seconds(tmp_path: Path) -> None:
    async with service(tmp_path) as here:
        await made(here, Scope.METRICS)
        database = await Database.open(f"sqlite:///{tmp_path / 'validator.db'}")
        elsewhere = KeyRing(database)
        text, record = await elsewhere.create("other", frozenset({Scope.CHECK}))
        await asks_until(here, text, 200)
        await elsewhere.revoke(record.id)
        await asks_until(here, text, 401)
        await database.aclose()
    assert REFRESH_S < 5


async def test_the_store_holds_no_secret(tmp_path: Path) -> None:
    async with service(tmp_path) as here:
        text = await made(here, Scope.CHECK)
    with closing(sqlite3.connect(tmp_path / "validator.db")) as connection:
        dump = "\n".join(connection.iterdump())
    secret = text.rpartition("_")[2] if text.count("_") == 2 else text.split("_", 2)[2]
    assert secret not in dump
    assert hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() not in dump


async def test_static_keys_come_from_the_settings(tmp_path: Path) -> None:
    keys = SecretStr(f"crm:{SECRET}:check+blacklist:read, prom:{SECRET[::-1]}:metrics")
    async with service(tmp_path, keys=keys) as here:
        assert (await here.post("/check", BODY, headers=bearer(SECRET))).status == 200
        assert (await here.post("/check", BODY, headers=bearer(SECRET[::-1]))).status == 403
        assert (await here.post("/check", BODY)).status == 401
        assert (await here.post("/v1/email/check", BODY, headers=basic("crm", SECRET))).status == 200


@pytest.mark.parametrize(
    "text",
    [
        "crm",
        "crm:short",
        f":{SECRET}",
        f"c@m:{SECRET}",
        f"crm:{SECRET}:everything",
        f"a:{SECRET} a:{SECRET}x",
        f"a:{SECRET} b:{SECRET}",
    ],
)
def test_a_static_key_that_cannot_be_used_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_static_keys(text, since=NOW)
    assert SECRET not in str(refused.value)


def test_scopes_are_read_from_words() -> None:
    assert parse_scopes(["check", "events"]) == {Scope.CHECK, Scope.EVENTS}
    assert parse_scopes(["*"]) == ALL_SCOPES
    for words in ([], ["checks"]):
        with pytest.raises(SettingsError):
            parse_scopes(words)


@pytest.mark.parametrize(("host", "allowed"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("::", False)])
def test_any_other_bind_without_keys_is_refused(tmp_path: Path, host: str, allowed: bool) -> None:
    settings = settings_for(tmp_path, host=host)
    if allowed:
        check_binding(settings, has_keys=False)
    else:
        with pytest.raises(SettingsError, match="VALIDATOR_ALLOW_PUBLIC_WITHOUT_KEYS"):
            check_binding(settings, has_keys=False)
    check_binding(settings, has_keys=True)
    check_binding(settings_for(tmp_path, host=host, allow_public_without_keys=True), has_keys=False)
