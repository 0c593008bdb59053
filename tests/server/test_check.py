"""`POST /check` from the outside."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.corpora_dir import corpora
from tests.service import Service, service
from validator.blacklist.entry import Cause, Kind, NewEntry, Rule
from validator.blacklist.keys import parse_rule


async def block(running: Service, value: str, kind: Kind, **options: Any) -> None:
    rule = parse_rule(value, kind, **options)
    assert isinstance(rule, Rule)
    await running.runtime.blacklist.entries.add([NewEntry(rule, Cause.MANUAL, "test")], actor="test")


async def test_a_slip_is_repaired_and_the_verdict_speaks_of_the_repaired_address(running: Service) -> None:
    assert await running.check("Ivan@gmial.com") == {
        "orig": "Ivan@gmial.com",
        "valid": True,
        "email": "Ivan@gmail.com",
        "reason": None,
        "status": "valid",
        "suggestion": None,
    }


async def test_the_published_examples_pin_the_precedence(running: Service) -> None:
    verdict = await running.check("Test@Example.com")
    assert (verdict["reason"], verdict["email"], verdict["orig"]) == (
        "mx_record",
        "Test@example.com",
        "Test@Example.com",
    )
    assert (await running.check("test@gmail.com"))["reason"] == "system"


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("not an address", "invalid"),
        ("o'brien@acme.test", "invalid"),
        ("sales@no-mail.test", "mx_record"),
        ("anna@nowhere.acme.test", "mx_record"),
        ("x@fb.com", "application"),
        ("noreply@acme.test", "system"),
        ("bounced@acme.test", "blacklisted"),
        ("hello@bad-host.test", "mx_record_blacklisted"),
        ("hello@bad-network.test", "mx_ip_blacklisted"),
        ("anna@acme.test", None),
    ],
)
async def test_each_reason_has_an_address(running: Service, email: str, reason: str | None) -> None:
    await block(running, "bounced@acme.test", Kind.ADDRESS)
    await block(running, "spamtrap.test", Kind.MX_HOST, below=True)
    await block(running, "93.184.215.64/29", Kind.MX_IP)
    verdict = await running.check(email)
    assert verdict["reason"] == reason
    assert verdict["valid"] is (reason is None)
    assert verdict["status"] == ("valid" if reason is None else "invalid")


async def test_a_dns_failure_is_unknown_and_never_invalid(running: Service) -> None:
    response = await running.post("/check", {"email": "anna@broken-dns.test"})
    verdict = await response.json()
    assert (verdict["valid"], verdict["reason"], verdict["status"]) == (True, None, "unknown")
    assert int(response.headers["Retry-After"]) > 0


async def test_on_unknown_error_is_a_503_problem(running: Service) -> None:
    response = await running.post("/check", {"email": "anna@broken-dns.test", "on_unknown": "error"})
    assert response.status == 503
    assert response.content_type == "application/problem+json"
    assert int(response.headers["Retry-After"]) > 0


async def test_a_later_reason_that_is_certain_is_reported_when_dns_cannot_tell(running: Service) -> None:
    await block(running, "gone@broken-dns.test", Kind.ADDRESS)
    assert (await running.check("noreply@broken-dns.test"))["reason"] == "system"
    assert (await running.check("gone@broken-dns.test"))["reason"] == "blacklisted"


async def test_a_dead_resolver_is_unknown_within_the_budget(tmp_path: Path) -> None:
    changes = {"dns_zone_file": None, "dns_servers": ("127.0.0.1:9",), "dns_timeout_s": 0.3}
    async with service(tmp_path, **changes) as running:
        verdict = await running.check("anna@acme.test")
        assert (verdict["valid"], verdict["status"]) == (True, "unknown")
        assert (await running.check("test@gmail.com"))["reason"] == "system"
        assert (await running.check("x@fb.com"))["reason"] == "application"


async def test_without_sanitizing_nothing_changes_and_the_repair_is_the_suggestion(running: Service) -> None:
    verdict = await running.check(" Ivan@gmail.com", sanitize=False)
    assert (verdict["email"], verdict["reason"]) == (" Ivan@gmail.com", "invalid")
    assert verdict["suggestion"] == "Ivan@gmail.com"
    verdict = await running.check("Ivan@ACME.test", sanitize=False)
    assert (verdict["email"], verdict["valid"], verdict["suggestion"]) == ("Ivan@ACME.test", True, None)


async def test_two_addresses_are_invalid_with_the_first_as_suggestion(running: Service) -> None:
    verdict = await running.check("anna@gmail.com, petr@mail.ru")
    assert (verdict["reason"], verdict["suggestion"]) == ("invalid", "anna@gmail.com")


async def test_explain_carries_changes_findings_dns_provider_and_entries(running: Service) -> None:
    await block(running, "bounced@gmail.com", Kind.ADDRESS)
    verdict = await running.check("bounced@gmial.com", explain=True)
    explain = verdict["explain"]
    assert [(change["before"], change["after"]) for change in explain["changes"]] == [("gmial.com", "gmail.com")]
    assert [finding["reason"] for finding in explain["findings"]] == [
        "invalid", "mx_record", "application", "system", "blacklisted", "mx_record_blacklisted", "mx_ip_blacklisted",
    ]  # fmt: skip
    assert [finding["outcome"] for finding in explain["findings"]] == [*["passed"] * 4, "failed", "passed", "passed"]
    assert explain["provider"]["vendor"]
    assert explain["dns"]["outcome"] == "deliverable"
    assert explain["entries"][0]["cause"] == "manual"


async def test_a_second_check_of_the_answer_changes_nothing(running: Service) -> None:
    for text in ("Ivan@gmial.com", "шмфт@ьфшд.кг", '" a b@gmail.com"', "not an address", "Anna <anna@mail.ru>"):
        first = await running.check(text)
        assert (await running.check(first["email"]))["email"] == first["email"]


async def test_a_warm_check_answers_as_a_cold_one(running: Service) -> None:
    for text in ("anna@acme.test", "x@fb.com", "test@gmail.com", "sales@no-mail.test", "Ivan@gmial.com"):
        cold = await running.check(text)
        assert await running.check(text) == cold


async def test_an_entry_is_visible_to_the_next_check(running: Service) -> None:
    assert (await running.check("anna@acme.test"))["valid"] is True
    await block(running, "acme.test", Kind.DOMAIN)
    assert (await running.check("anna@acme.test"))["reason"] == "blacklisted"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_the_body_is_json_whatever_its_content_type(running: Service, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await running.post("/check", {"email": "anna@acme.test"}, headers=headers)
    assert response.status == 200


async def test_a_misspelt_option_is_refused_by_name(running: Service) -> None:
    response = await running.post("/check", {"email": "anna@gmial.com", "sanitise": False})
    problem = await response.json()
    assert response.status == 422
    assert problem["errors"] == [{"pointer": "/sanitise", "detail": "there is no field sanitise"}]


@pytest.mark.parametrize("path", ["/check", "/check/batch"])
async def test_an_option_in_the_query_is_refused_and_does_not_silently_rewrite(running: Service, path: str) -> None:
    body = {"email": "anna@gmial.com"} if path == "/check" else {"emails": ["anna@gmial.com"]}
    response = await running.post(f"{path}?sanitize=false", body)
    assert response.status == 422
    assert [error["pointer"] for error in (await response.json())["errors"]] == ["/query"]


@pytest.mark.parametrize("flag", [{}, [], {"a": []}, "true", 1, 0, None])
@pytest.mark.parametrize("name", ["sanitize", "explain"])
async def test_a_flag_of_another_type_is_refused(running: Service, name: str, flag: object) -> None:
    response = await running.post("/check", {"email": "anna@acme.test", name: flag})
    assert response.status == 422


async def test_an_address_as_a_field_name_is_not_repeated(running: Service) -> None:
    response = await running.post("/check", {"email": "a@b.com", "secret@planted.example": 1})
    assert response.status == 422
    assert "planted" not in await response.text()


def body_of(row: dict[str, Any]) -> bytes:
    """The bytes of a corpus row; some are described, not stored."""
    if row["body_b64"] is not None:
        return base64.b64decode(row["body_b64"])
    name = row["gen"]
    if name == "deep 100k":
        return b'{"email":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    if name == "70k keys":
        return json.dumps({f"k{number}": number for number in range(70_000)}).encode()
    raise AssertionError(f"unknown body {name}")


async def test_every_request_body_of_the_corpus_gets_an_allowed_status(running: Service) -> None:
    path = corpora("http", "request_bodies.jsonl")
    wrong = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        response = await running.post("/check", body_of(row), headers=row["headers"])
        if response.status not in row["expect"]:
            wrong.append((row["name"], response.status, row["expect"]))
        if response.status != 200:
            assert response.content_type == "application/problem+json"
    assert wrong == []


async def test_the_envelope_is_what_clients_of_the_model_service_parse(running: Service) -> None:
    response = await running.post("/v1/email/check", {"email": "Ivan@gmial.com", "sanitize": 1, "whatever": []})
    answer = await response.json()
    assert answer["_meta"]["status"] == "SUCCESS"
    assert answer["_meta"]["count"] == 1
    assert answer["_meta"]["time"] >= 0
    assert answer["data"] == {
        "orig": "Ivan@gmial.com",
        "valid": True,
        "email": "Ivan@gmail.com",
        "vendor": answer["data"]["vendor"],
        "domain": "gmail.com",
        "trusted": True,
    }
    response = await running.post("/v1/email/check", {"email": "test@gmail.com", "sanitize": "false"})
    assert (await response.json())["data"]["reason"] == "system"


@pytest.mark.parametrize(("flag", "status"), [(True, 200), ("0", 200), (0, 200), (2, 422), ("maybe", 422), (None, 422)])
async def test_the_envelope_takes_flags_as_its_clients_send_them(running: Service, flag: object, status: int) -> None:
    response = await running.post("/v1/email/check", {"email": "anna@acme.test", "sanitize": flag})
    assert response.status == status


async def test_a_problem_of_the_envelope_says_error_where_its_clients_look(running: Service) -> None:
    for body in (b"not json", b'{"mail": "a@acme.test"}'):
        response = await running.post("/v1/email/check", body)
        problem = await response.json()
        assert response.content_type == "application/problem+json"
        assert problem["status"] == response.status
        assert problem["_meta"]["status"] == "ERROR"
        assert problem["_meta"]["count"] == 0
