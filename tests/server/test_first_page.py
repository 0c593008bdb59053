"""What answers at the address of the service, and to those that ask for headers only."""

from __future__ import annotations

import yaml

from tests.service import Service
from validator import __version__
from validator.server.app import routes

ROUTES = routes()


async def test_the_first_page_says_what_this_is_and_every_link_leads_somewhere(running: Service) -> None:
    async with running.client.get("/") as answer:
        assert answer.status == 200
        page = await answer.json()
    assert (page["name"], page["version"]) == ("Validator", __version__)
    assert {"check", "openapi", "metrics", "ready"} <= set(page["links"])
    assert set(page["links"].values()) <= {route.path for route in ROUTES}
    tried = await running.post(page["try"]["path"], page["try"]["body"])
    assert tried.status == 200


async def test_the_description_is_served_as_yaml_and_as_json_and_both_say_the_same(running: Service) -> None:
    async with running.client.get("/openapi.json") as answer:
        as_json = await answer.json()
    async with running.client.get("/openapi.yaml") as answer:
        assert yaml.safe_load(await answer.text()) == as_json


async def test_head_is_answered_like_get_without_the_body(running: Service) -> None:
    for path in (
        "/",
        "/livez",
        "/readyz",
        "/healthz",
        "/version",
        "/metrics",
        "/openapi.json",
        "/reasons",
        "/blacklist",
    ):
        async with running.client.get(path) as whole, running.client.head(path) as head:
            assert head.status == whole.status == 200, path
            assert head.headers["Content-Type"] == whole.headers["Content-Type"]
            assert head.headers["X-Request-Id"]
            assert await head.read() == b""


async def test_head_of_what_takes_no_get_is_refused(running: Service) -> None:
    async with running.client.head("/check") as answer:
        assert answer.status == 405
        assert "POST" in answer.headers["Allow"]
