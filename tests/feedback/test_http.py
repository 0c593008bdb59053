"""Feedback over HTTP: classify, events, webhooks, evidence, policy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import orjson
from pydantic import SecretStr

from tests.feedback.test_message import ARF, _dsn
from tests.service import Service, service

GONE = {"address": "anna@far.example", "kind": "bounce", "text": "550 5.1.1 User unknown", "id": "e-1"}


async def _json(response: object, status: int = 200) -> dict[str, object]:
    assert response.status == status, await response.text()  # type: ignore[attr-defined]
    return dict(await response.json())  # type: ignore[attr-defined]


async def test_one_reply_is_classified(running: Service) -> None:
    answer = await _json(await running.post("/classify", {"text": "552 5.2.2 Mailbox full"}))
    assert (answer["reason"], answer["disposition"], answer["enhanced_status"]) == ("mailbox_full", "soft", "5.2.2")
    assert answer["results"][0]["rule"] == answer["rule"]  # type: ignore[index]


async def test_a_list_is_classified_in_order_and_bounded(running: Service) -> None:
    answer = await _json(await running.post("/classify", [{"text": "Complained"}, {"text": "Envelope blocked"}]))
    assert [row["reason"] for row in answer["results"]] == ["complaint", "sender_rejected"]  # type: ignore[attr-defined]
    assert (await running.post("/classify", [{"text": "x"}] * 1001)).status == 422
    assert (await running.post("/classify", {"text": "x", "shoes": 3})).status == 422
    assert (await running.post("/classify", {"text": "x", "enhanced_status": "5"})).status == 422
    assert (await running.post("/classify", b"{")).status == 400


async def test_a_raw_message_is_classified_per_recipient(running: Service) -> None:
    for headers in ({"Content-Type": "message/rfc822"}, {"Content-Type": "application/octet-stream"}):
        answer = await _json(await running.post("/classify", _dsn(), headers=headers))
        assert answer["kind"] == "bounce"
        assert [row["recipient"] for row in answer["results"]] == ["ivan@far.example"]  # type: ignore[attr-defined]


async def test_an_event_blocks_what_is_checked_and_shows_why(running: Service) -> None:
    assert await _json(await running.post("/events", GONE)) == {
        "accepted": 1, "duplicate": 0, "ignored": 0, "invalid": [],
    }  # fmt: skip
    again = await _json(await running.post("/events", {"events": [GONE, {**GONE, "id": "e-2", "kind": "delivery"}]}))
    assert (again["accepted"], again["duplicate"]) == (1, 1)
    page = await _json(await running.client.get("/events", params={"address": "ANNA@far.example", "limit": "1"}))
    assert len(page["events"]) == 1  # type: ignore[arg-type]
    rest = await _json(
        await running.client.get("/events", params={"address": "anna@far.example", "cursor": str(page["cursor"])})
    )
    assert [row["reason"] for row in rest["events"]] == ["mailbox_not_found"]  # type: ignore[attr-defined]
    assert (await running.client.get("/events", params={"limit": "0"})).status == 422


async def test_soft_failures_are_seen_before_they_block(running: Service) -> None:
    soft = {**GONE, "address": "anna@gmail.com", "text": "552 5.2.2 Mailbox full"}
    await running.post("/events", soft)
    verdict = await running.check("anna@gmail.com", explain=True)
    assert verdict["explain"]["extra"]["soft_bounces"]["days"] == 1
    assert "soft_bounces" not in (await running.check("olga@gmail.com", explain=True))["explain"]["extra"]
    counts = await _json(await running.client.get("/blacklist/stats"))
    assert counts["soft_bounced"] == 1


async def test_one_bad_event_is_named_and_the_rest_is_stored(running: Service) -> None:
    lines = [
        orjson.dumps(GONE),
        b"{",
        orjson.dumps({"address": "x", "kind": "bounce"}),
        orjson.dumps({"kind": "shoes"}),
    ]
    answer = await _json(
        await running.post("/events", b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    )
    assert answer["accepted"] == 1
    assert [row["index"] for row in answer["invalid"]] == [1, 2, 3]  # type: ignore[attr-defined]
    assert "far.example" not in json.dumps(answer)
    assert (await running.post("/events", {"kind": "shoes"})).status == 422


async def test_a_returned_message_is_an_event_once_whatever_its_line_endings(running: Service) -> None:
    first = await _json(await running.post("/events/message", _dsn()))
    assert (first["accepted"], first["kind"]) == (1, "bounce")
    again = await _json(await running.post("/events/message", _dsn().replace(b"\n", b"\r\n")))
    assert again["duplicate"] == 1
    complaint = await _json(await running.post("/events/message", ARF.format(kind="abuse").encode()))
    assert complaint["accepted"] == 1
    report = await _json(await running.post("/events/message", ARF.format(kind="auth-failure").encode()))
    assert (report["accepted"], report["ignored"]) == (0, 1)
    other = await _json(await running.post("/events/message", b"From: a@b.example\n\nhello"))
    assert (other["accepted"], other["ignored"]) == (0, 1)


async def test_webhooks_are_open_only_to_whoever_proves_himself(tmp_path: Path) -> None:
    item = [{"event": "bounce", "email": "a@far.example", "reason": "550 5.1.1 unknown user", "sg_event_id": "s-1"}]
    bounce = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 7, "Email": "b@far.example"}
    keys = SecretStr("robot:0123456789abcdef0123456789abcdef:events")
    async with service(tmp_path, keys=keys, webhook_secrets=SecretStr("postmark=long-secret")) as running:
        refused = await running.post("/events/postmark", bounce)
        assert refused.status == 401
        assert "detail" not in await refused.json()
        held = await running.post("/events/postmark", bounce, headers={"X-Webhook-Secret": "long-secret"})
        assert (await _json(held))["accepted"] == 1
        assert (await running.post("/events/sendgrid", item)).status == 401
    async with service(tmp_path / "..", database_url=SecretStr(f"sqlite:///{tmp_path}/open.db")) as running:
        assert (await _json(await running.post("/events/sendgrid", item)))["accepted"] == 1
        assert (await running.post("/events/sendgrid", b"{")).status == 400
        assert (await running.post("/events/sendgrid", b"5")).status == 422
        assert (await running.post("/events/nobody", item)).status in {404, 405}


async def test_a_provider_that_looks_first_finds_the_url_and_nothing_else(tmp_path: Path) -> None:
    keys = SecretStr("robot:0123456789abcdef0123456789abcdef:events")
    key = SecretStr("k" * 20)
    async with service(
        tmp_path, keys=keys, mandrill_webhook_key=key, mandrill_webhook_url="https://x.example/"
    ) as running:
        for name in ("mandrill", "unisender"):
            for method in ("HEAD", "GET"):
                assert (await running.client.request(method, f"/events/{name}")).status == 200
            assert (await running.post(f"/events/{name}", b"mandrill_events=%5B%5D")).status == 401
        assert (await running.client.get("/events/sendgrid")).status == 405


async def test_every_event_of_a_webhook_that_is_not_stored_is_named_by_its_place(running: Service) -> None:
    opened = {"event": "open", "email": "a@far.example", "sg_event_id": "s-1"}
    nobody = {"event": "bounce", "email": "far.example", "sg_event_id": "s-2"}
    answer = await _json(await running.post("/events/sendgrid", ["shoes", opened, nobody, "shirt"]))
    assert [row["index"] for row in answer["invalid"]] == [0, 2, 3]  # type: ignore[attr-defined]
    assert [row["pointer"] for row in answer["invalid"]] == ["/0", "/2", "/3"]  # type: ignore[attr-defined]
    assert (answer["accepted"], answer["ignored"]) == (0, 1)
    answer = await _json(await running.post("/events", {"events": [GONE, {**GONE, "address": "anna"}]}))
    assert [row["pointer"] for row in answer["invalid"]] == ["/events/1/address"]  # type: ignore[attr-defined]


async def test_many_deliverers_of_one_webhook_count_once(running: Service) -> None:
    item = [{"event": "bounce", "email": "a@far.example", "reason": "550 5.1.1 unknown user", "sg_event_id": "s-1"}]
    answers = await asyncio.gather(*(running.post("/events/sendgrid", item) for _ in range(8)))
    totals = [await _json(answer) for answer in answers]
    assert sum(int(total["accepted"]) for total in totals) == 1  # type: ignore[call-overload]


async def test_the_policy_is_shown_and_another_can_be_tried(running: Service) -> None:
    policy = await _json(await running.client.get("/policy"))
    assert policy["reasons"]["sender_ip_blocked"]["action"] == "never"  # type: ignore[index]
    await running.post("/events", {**GONE, "text": "552 5.2.2 Mailbox full"})
    tried = await _json(await running.post("/policy/preview", {"reasons": {"mailbox_full": {"days": 1}}}))
    assert (tried["addresses"], tried["added"], tried["added_addresses"]) == (1, 1, ["anna@far.example"])
    unsafe = {"reasons": {"content_spam": {"action": "block"}}}
    assert (await running.post("/policy/preview", unsafe)).status == 409
    assert (await running.post("/policy/preview", {"reasons": {"shoes": {}}})).status == 422


async def test_a_field_that_does_not_exist_is_named_and_nothing_stored_is_no_success(running: Service) -> None:
    refused = await _json(await running.post("/events", {**GONE, "at": "now"}), 422)
    assert refused["errors"] == [{"pointer": "/at", "detail": "there is no field at"}]
    listed = await _json(await running.post("/events", [{**GONE, "at": 1}]), 422)
    assert listed["errors"] == [{"pointer": "/0/at", "detail": "there is no field at"}]
    assert (await running.post("/events", [{**GONE, "address": "nobody"}])).status == 422
    mixed = await _json(await running.post("/events", {"events": [GONE, {**GONE, "at": 1}]}))
    [fault] = mixed["invalid"]  # type: ignore[misc]
    assert (mixed["accepted"], fault["index"], fault["pointer"]) == (1, 1, "/events/1/at")
    assert fault["detail"] == "there is no field at"


async def test_an_entry_says_which_words_and_which_event_made_it(running: Service) -> None:
    await running.post("/events", {**GONE, "text": "550 5.1.1 User unknown\u0000\u0007 " + "x" * 900})
    page = await _json(await running.client.get("/blacklist"))
    [entry] = page["entries"]  # type: ignore[misc]
    for part in ("mailbox_not_found", "550 5.1.1 User unknown", "event api/e-1", "rule "):
        assert part in entry["note"]
    assert len(entry["note"]) < 700
    assert entry["note"].isprintable()
    events = await _json(await running.client.get("/events"))
    assert events["events"][0]["occurred_at"] == events["events"][0]["received_at"]  # type: ignore[index]


async def test_a_message_is_answered_per_recipient(running: Service) -> None:
    told = await _json(await running.post("/events/message", _dsn()))
    assert [(row["recipient"], row["disposition"]) for row in told["results"]] == [  # type: ignore[attr-defined]
        ("ivan@far.example", "hard")
    ]
    none = await _json(await running.post("/events/message", b"From: a@b.example\n\nhello"))
    assert (none["kind"], none["results"]) == ("other", [])


async def test_a_domain_without_mail_is_hard_only_once_dns_agrees(running: Service) -> None:
    told = await _json(await running.post("/classify", {"text": "No MX for acme.org"}))
    assert (told["reason"], told["disposition"]) == ("domain_no_mail", "transient")
    assert "DNS" in str(told["explanation"])


async def test_a_credential_that_is_no_text_is_refused(tmp_path: Path) -> None:
    keys = SecretStr("robot:0123456789abcdef0123456789abcdef:events")
    async with service(tmp_path, keys=keys) as running:
        for header in ("Bearer \udcff", "Bearer \u00ff", "Basic \udcff"):
            refused = await running.post("/events", GONE, headers={"Authorization": header})
            assert refused.status == 401
