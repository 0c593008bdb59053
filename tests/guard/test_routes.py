"""A new route cannot lack what every route has: an auth decision, limits, metrics, an OpenAPI entry."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.service import service
from validator.metrics import REGISTRY, flush
from validator.server.app import routes
from validator.server.openapi import openapi_document
from validator.server.routes import Media, ParamPlace, Route, Scope

ROUTES = routes()

OPEN_TO_EVERYBODY: dict[str, str] = {
    "/livez": "an orchestrator's probe has no key",
    "/readyz": "an orchestrator's probe has no key",
    "/healthz": "an orchestrator's probe has no key",
    "/version": "says nothing about anybody",
    "/reasons": "documentation",
    "/": "documentation",
    "/openapi.yaml": "documentation",
    "/openapi.json": "documentation",
    "/docs": "documentation",
    "/assets/{name}": "documentation",
}
WEBHOOKS = {route.path for route in ROUTES if route.path.startswith("/events/") and route.scope is None}
"""Proved by the provider's signature, or else by a key with scope `events`; see `test_a_webhook_without_proof`."""
OPEN_TO_EVERYBODY |= dict.fromkeys(WEBHOOKS, "proved by signature or by a key, inside")
NOT_LIMITED = {"/livez", "/readyz", "/healthz", "/metrics"}
SECRET = "a-secret-of-more-than-twenty-characters"
KEYS = SecretStr(f"nothing:{SECRET}:console")


def of(route: Route) -> str:
    return f"{route.method} {route.path}"


def filled(route: Route) -> str:
    """The path with something in the place of each parameter."""
    path = route.path
    for param in route.params:
        if param.place is ParamPlace.PATH:
            path = path.replace(f"{{{param.name}}}", "1").replace(f"{{{param.name}:.*}}", "1")
    return path


@pytest.mark.parametrize("route", ROUTES, ids=of)
def test_a_route_open_to_everybody_is_argued_for(route: Route) -> None:
    if route.scope is None and not route.path.startswith("/console"):
        assert OPEN_TO_EVERYBODY.get(route.path)


@pytest.mark.parametrize("route", ROUTES, ids=of)
def test_only_probes_and_metrics_escape_the_rate_limit(route: Route) -> None:
    assert route.rate_limited or route.path in NOT_LIMITED
    assert route.cost >= 1


@pytest.mark.parametrize("route", ROUTES, ids=of)
def test_a_body_has_a_bound(route: Route) -> None:
    if route.body is not None and not isinstance(route.body, Media):
        assert 0 < route.max_body_bytes <= 16 * 1024 * 1024


@pytest.mark.parametrize("route", ROUTES, ids=of)
def test_every_route_is_described(route: Route) -> None:
    operation = openapi_document(ROUTES)["paths"][route.path][route.method.lower()]
    assert operation["summary"]
    assert operation["operationId"]
    statuses = set(operation["responses"])
    if route.scope is not None:
        assert {"401", "403"} <= statuses
        assert operation["security"]
    if route.rate_limited:
        assert "429" in statuses


def test_operation_ids_and_paths_are_unique() -> None:
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)
    assert len({of(route) for route in ROUTES}) == len(ROUTES)


async def test_every_route_with_a_scope_needs_a_key_that_has_it(tmp_path: Path) -> None:
    async with service(tmp_path, keys=KEYS, rate_limit_per_key="") as here:
        for route in ROUTES:
            if route.scope is None:
                continue
            without = await here.client.request(route.method, filled(route), data=b"{}", allow_redirects=False)
            assert without.status == 401, of(route)
            if route.scope is not Scope.CONSOLE:
                headers = {"Authorization": f"Bearer {SECRET}"}
                wrong = await here.client.request(route.method, filled(route), data=b"{}", headers=headers)
                assert wrong.status == 403, of(route)
            assert without.content_type == "application/problem+json"


async def test_what_is_mounted_is_what_is_listed(tmp_path: Path) -> None:
    async with service(tmp_path) as here:
        app = here.client.app
        assert app is not None
        mounted = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    listed = {(route.method, route.path) for route in ROUTES}
    assert {(method, path) for method, path in mounted if method != "HEAD"} == listed


async def test_every_limited_route_is_limited(tmp_path: Path) -> None:
    keys = SecretStr(f"all:{SECRET}:*")
    async with service(tmp_path, keys=keys, rate_limit_per_key="1/hour") as here:
        headers = {"Authorization": f"Bearer {SECRET}"}
        assert (await here.post("/check", {"email": "a@acme.test"}, headers=headers)).status == 200
        for route in ROUTES:
            if route.scope is None:
                continue
            answer = await here.client.request(route.method, filled(route), data=b"{}", headers=headers)
            assert (answer.status == 429) is (route.path not in NOT_LIMITED), of(route)
            await answer.read()


async def test_every_body_that_is_read_whole_is_bounded(tmp_path: Path) -> None:
    async with service(tmp_path) as here:
        for route in ROUTES:
            if route.body is None or isinstance(route.body, Media):
                continue
            body = b" " * (route.max_body_bytes + 1)
            answer = await here.client.request(route.method, filled(route), data=io.BytesIO(body))
            assert answer.status == 413, of(route)
            await answer.read()


async def test_a_webhook_without_proof_is_refused(tmp_path: Path) -> None:
    async with service(tmp_path, keys=KEYS) as here:
        for path in sorted(WEBHOOKS):
            assert (await here.client.post(path, data=b"[]")).status == 401, path


async def test_every_route_is_counted_under_its_template(tmp_path: Path) -> None:
    async with service(tmp_path, keys=KEYS) as here:
        for route in ROUTES:
            await here.client.request(route.method, filled(route), data=b"{}", allow_redirects=False)
    flush()
    counted = {
        sample.labels["route"]
        for family in REGISTRY.collect()
        if family.name == "validator_http_requests"
        for sample in family.samples
    }
    assert {route.path for route in ROUTES} <= counted


def test_labels_come_from_closed_sets() -> None:
    flush()
    for family in REGISTRY.collect():
        for sample in family.samples:
            for name, value in sample.labels.items():
                assert "@" not in value, (sample.name, name)
                assert len(value) <= 60, (sample.name, name)
