"""What a request says in the wrong place: parameters that nobody reads must not look as if they had been heard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blacklist.test_contract import blocked, call, enter
from tests.service import Service

ADDRESS = "ivan@example.org"
BODIES: dict[str, Any] = {
    "POST /blacklist": {"value": "other@example.org"},
    "PATCH /blacklist/{id}": {"note": "changed"},
    "POST /blacklist/lookup": {"keys": [ADDRESS]},
    "POST /blacklist/remove": {"filter": {"domain": "example.org"}},
    "POST /blacklist/undo": {"token": "{import}"},
    "POST /blacklist/erase": {"addresses": [ADDRESS]},
    "PUT /blacklist/lists/empty": {"note": "changed"},
    "DELETE /blacklist/lists/empty": None,
    "DELETE /blacklist/imports/{import}": None,
    "DELETE /blacklist/{id}": {"why": "asked"},
    "POST /blacklist/{id}/archive": {"why": "asked"},
    "POST /allowlist": {"value": ADDRESS, "note": "wrote to us"},
    "POST /policy/preview": {"reasons": {}},
}
"""What each of these operations would do without the parameter."""


@pytest.mark.parametrize("operation", BODIES)
async def test_a_parameter_that_is_not_known_is_refused_before_anything_is_done(
    running: Service, operation: str
) -> None:
    entry = await enter(running, ADDRESS)
    await call(running, "PUT", "/blacklist/lists/empty", {"note": "as it was"}, status=201)
    report = await call(running, "POST", "/blacklist/imports", b"imported@example.org\n", status=201)
    method, path = operation.replace("{id}", entry["id"]).replace("{import}", report["id"]).split()
    body = BODIES[operation]
    if operation.endswith("undo"):
        body = {"token": report["id"]}
    before = await state_of(running)
    problem = await call(running, method, f"{path}?dry_run=true", body, status=422)
    assert problem["errors"][0]["pointer"] in {"/query", "/query/dry_run"}
    assert await state_of(running) == before
    assert await blocked(running, ADDRESS) == [True]


async def test_the_reason_may_stand_in_the_query_beside_an_empty_body(running: Service) -> None:
    entry = await enter(running, ADDRESS)
    await call(running, "DELETE", f"/blacklist/{entry['id']}?why=asked", {})
    history = (await call(running, "GET", f"/blacklist/{entry['id']}"))["history"]
    assert history[-1]["why"] == "asked"


async def state_of(running: Service) -> list[Any]:
    """Everything there is to see, without how often it was asked about."""
    seen = [
        await call(running, "GET", path)
        for path in ("/blacklist?state=active,archived,removed", "/blacklist/lists", "/blacklist/imports", "/allowlist")
    ]
    for entry in seen[0]["entries"]:
        entry.pop("times_blocked"), entry.pop("last_blocked")
    return seen
