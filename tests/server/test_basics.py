"""What every route has: problems, request ids, limits; and what machines ask."""

from __future__ import annotations

import pytest
import yaml

from tests.service import Service


async def test_an_unknown_path_is_a_problem(running: Service) -> None:
    response = await running.client.get("/nothing")
    problem = await response.json()
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert problem["status"] == 404
    assert problem["request_id"] == response.headers["X-Request-Id"]


async def test_a_wrong_method_names_the_right_one(running: Service) -> None:
    response = await running.client.get("/check")
    assert response.status == 405
    assert response.headers["Allow"] == "POST"


async def test_a_callers_request_id_comes_back(running: Service) -> None:
    response = await running.post("/check", {"email": "a@acme.test"}, headers={"X-Request-Id": "abc-123"})
    assert response.headers["X-Request-Id"] == "abc-123"


@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "/check/stream", b'"a@acme.test"\n'), ("GET", "/blacklist/export", None)]
)
async def test_a_streamed_answer_says_of_itself_what_others_do(
    running: Service, method: str, path: str, body: bytes | None
) -> None:
    response = await running.client.request(method, path, data=body, headers={"X-Request-Id": "abc-123"})
    assert (response.status, response.headers["X-Request-Id"]) == (200, "abc-123")
    assert response.headers["Server"] == "validator"
    response = await running.client.request(method, path, data=body)
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("given", ["a b", "x" * 129, "é", "<script>"])
async def test_a_request_id_that_is_no_token_is_replaced(running: Service, given: str) -> None:
    response = await running.post("/check", {"email": "a@acme.test"}, headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] != given
    assert response.headers["X-Request-Id"]


async def test_a_body_over_8_kib_is_refused(running: Service) -> None:
    response = await running.post("/check", b'{"email": "' + b"a" * 9000 + b'"}')
    assert response.status == 413
    assert (await running.post("/check", b'{"email": "' + b"a" * 8000 + b'"}')).status == 200


async def test_a_compressed_body_is_refused(running: Service) -> None:
    response = await running.post("/check", b"x", headers={"Content-Encoding": "gzip"})
    assert response.status == 415


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_probes_say_ok(running: Service, path: str) -> None:
    response = await running.client.get(path)
    assert (response.status, (await response.json())["status"]) == (200, "ok")


async def test_readiness_goes_before_the_drain(running: Service) -> None:
    running.runtime.draining = True
    response = await running.client.get("/readyz")
    assert (response.status, (await response.json())["status"]) == (503, "draining")
    assert (await running.client.get("/livez")).status == 200


async def test_readiness_names_the_resolver_and_the_data(running: Service) -> None:
    checks = (await (await running.client.get("/readyz")).json())["checks"]
    assert checks["data"]["version"] == running.runtime.reference.version
    assert "resolver" in checks
    assert checks["store"] == {"ok": True}


async def test_metrics_count_verdicts_by_reason(running: Service) -> None:
    await running.check("test@gmail.com")
    text = await (await running.client.get("/metrics")).text()
    assert 'validator_checks_total{reason="system",status="invalid"}' in text
    assert 'validator_http_requests_total{route="/check",status="200"}' in text


async def test_version_and_reasons(running: Service) -> None:
    version = await (await running.client.get("/version")).json()
    assert set(version) == {"version", "data_version", "python"}
    reasons = (await (await running.client.get("/reasons")).json())["reasons"]
    assert [item["precedence"] for item in reasons] == list(range(1, 8))


async def test_the_description_and_its_page_come_from_here(running: Service) -> None:
    document = yaml.safe_load(await (await running.client.get("/openapi.yaml")).text())
    assert document["openapi"] == "3.1.0"
    assert "/check" in document["paths"]
    page = await running.client.get("/docs")
    text = await page.text()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http://" not in text
    assert "https://" not in text
    for name in ("docs.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert (await running.client.get(f"/assets/{name}")).status == 200
    assert (await running.client.get("/assets/..%2fapp.py")).status == 404
