"""`POST /check/batch` from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service import Service, service

TEXTS = ["Ivan@gmial.com", "x@fb.com", "not an address", "anna@acme.test", "Test@Example.com", "a@broken-dns.test", ""]


async def test_results_are_those_of_single_checks_in_order(running: Service) -> None:
    response = await running.post("/check/batch", {"emails": TEXTS})
    assert response.status == 200
    results = (await response.json())["results"]
    assert results == [await running.check(text) for text in TEXTS]
    assert int(response.headers["Retry-After"]) > 0


async def test_options_hold_for_every_row(running: Service) -> None:
    response = await running.post("/check/batch", {"emails": TEXTS, "sanitize": False, "explain": True})
    for result, text in zip((await response.json())["results"], TEXTS, strict=True):
        single = await running.check(text, sanitize=False, explain=True)
        for verdict in (result, single):
            if verdict["explain"]["dns"]:
                del verdict["explain"]["dns"]["age_s"], verdict["explain"]["dns"]["expires_in_s"]
        assert result == single


async def test_an_undecided_row_with_on_unknown_error_is_an_error_object_in_its_place(running: Service) -> None:
    emails = ["anna@acme.test", "a@broken-dns.test", "noreply@broken-dns.test"]
    response = await running.post("/check/batch", {"emails": emails, "on_unknown": "error"})
    assert response.status == 200
    good, undecided, system = (await response.json())["results"]
    assert good["valid"] is True
    assert system["reason"] == "system"
    assert undecided["index"] == 1
    assert undecided["error"]["status"] == 503
    assert undecided["error"]["type"] == "/problems/unknown"
    assert undecided["error"]["retry_after_s"] > 0
    assert "broken-dns" not in str(undecided)


async def test_an_empty_batch_has_no_results(running: Service) -> None:
    response = await running.post("/check/batch", {"emails": []})
    assert await response.json() == {"results": []}
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"emails": ["a@b.c", 5]}, 422, "/emails/1"),
        ({"emails": "a@b.c"}, 422, "/emails"),
        ({}, 422, "/emails"),
        ({"emails": [], "sanitise": True}, 422, "/sanitise"),
        ({"emails": [], "lists": ["A B"]}, 422, "/lists/0"),
        (b"[", 400, None),
    ],
)
async def test_a_wrong_batch_is_refused_whole(running: Service, body: object, status: int, pointer: str | None) -> None:
    response = await running.post("/check/batch", body)
    assert response.status == status
    assert response.content_type == "application/problem+json"
    if pointer:
        assert [error["pointer"] for error in (await response.json())["errors"]] == [pointer]


async def test_limits_on_rows_and_bytes_are_settings(tmp_path: Path) -> None:
    async with service(tmp_path, batch_max_rows=3, batch_max_bytes=2_048) as running:
        assert (await running.post("/check/batch", {"emails": ["a@acme.test"] * 3})).status == 200
        too_many = await running.post("/check/batch", {"emails": ["a@acme.test"] * 4})
        assert too_many.status == 413
        assert (await too_many.json())["errors"][0]["pointer"] == "/emails"
        assert (await running.post("/check/batch", {"emails": ["a" * 3_000]})).status == 413


async def test_a_thousand_addresses_are_taken_and_one_more_is_not(running: Service) -> None:
    emails = [f"user{number}@acme.test" for number in range(1_000)]
    response = await running.post("/check/batch", {"emails": emails})
    assert [result["orig"] for result in (await response.json())["results"]] == emails
    assert (await running.post("/check/batch", {"emails": [*emails, "a@acme.test"]})).status == 413
