"""Values that no provider sends: one of them costs its own event at most, and nobody is answered with a 500."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from tests.service import Service
from validator.errors import WebhookRejected
from validator.feedback.classify import Classifier
from validator.feedback.event import judge
from validator.feedback.gate import WebhookGate
from validator.feedback.webhooks.reading import mailbox, moment
from validator.feedback.webhooks.registry import PROVIDERS, read_batch
from validator.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"


def nested(levels: int) -> Any:
    made: Any = []
    for _ in range(levels):
        made = [made]
    return made


HOSTILE = [
    None, 10**400, -(10**400), float("nan"), float("inf"), True, [], {}, "", "\ud800", "a@b\x00", "x" * 200_000,
    "a <" + "(" * 3_000 + ">", "<" + "(" * 3_000, "<" * 20_000 + "@", nested(900), ["a@x.example", None, {}],
]  # fmt: skip
TO = "a@x.example"
DOCUMENTS: list[tuple[str, Any]] = [
    (
        "ses",
        {
            "eventType": "Bounce",
            "mail": {"messageId": "m", "timestamp": "2026-03-01T10:00:00Z", "destination": [TO]},
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "timestamp": "2026-03-01T10:00:00Z",
                "bouncedRecipients": [{"emailAddress": TO, "diagnosticCode": "x", "status": "5.1.1"}],
            },
        },
    ),
    ("ses", {"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": "{}", "SubscribeURL": "x"}),
    ("sendgrid", {"event": "bounce", "type": "bounce", "email": TO, "reason": "x", "status": "5.1.1", "timestamp": 1}),
    (
        "mailgun",
        {
            "signature": {"token": "t"},
            "event-data": {
                "event": "failed",
                "severity": "permanent",
                "id": "i",
                "recipient": TO,
                "timestamp": 1.5,
                "delivery-status": {"code": 550, "message": "x"},
            },
        },
    ),
    (
        "postmark",
        {"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Email": TO, "BouncedAt": "x", "Details": "x"},
    ),
    (
        "sparkpost",
        {"msys": {"message_event": {"type": "bounce", "bounce_class": "10", "rcpt_to": TO, "timestamp": "1"}}},
    ),
    (
        "standard",
        {
            "type": "email.bounced",
            "created_at": "x",
            "data": {"to": [TO], "bounce": {"type": "x", "subType": "y", "diagnosticCode": ["x"]}},
        },
    ),
    ("brevo", {"event": "hard_bounce", "email": TO, "ts_epoch": 1, "reason": "x", "message-id": "<x>"}),
    (
        "mailersend",
        {
            "type": "activity.hard_bounced",
            "data": {"id": "1", "email": {"recipient": {"email": TO}}, "morph": {"reason": "x"}},
        },
    ),
    ("mailjet", {"event": "bounce", "email": TO, "time": 1, "error": "x", "error_related_to": "y", "comment": "z"}),
    (
        "mailtrap",
        {"event": "bounce", "email": TO, "timestamp": 1, "response": "x", "response_code": 550, "event_id": "1"},
    ),
    ("mandrill", {"event": "deferral", "_id": "1", "ts": 1, "msg": {"email": TO, "smtp_events": [{"diag": "x"}]}}),
    ("postal", {"event": "MessageBounced", "uuid": "1", "payload": {"original_message": {"to": TO}, "bounce": {}}}),
    (
        "unisender",
        {
            "event_data": {
                "email": TO,
                "status": "hard_bounced",
                "job_id": "1",
                "event_time": "x",
                "delivery_info": {"delivery_status": "x", "destination_response": "y"},
            }
        },
    ),
]


def places(document: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    found = []
    for name, value in inner:
        found.append((*way, name))
        if isinstance(value, dict | list):
            found += places(value, (*way, name))
    return found


@pytest.mark.parametrize(("provider", "document"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_no_value_in_any_place_makes_a_reader_raise(provider: str, document: Any, classifier: Classifier) -> None:
    for way in places(document):
        for value in HOSTILE:
            changed = deepcopy(document)
            inner = changed
            for name in way[:-1]:
                inner = inner[name]
            inner[way[-1]] = value
            for item in read_batch(PROVIDERS[provider], [changed, document]).reported:
                judge(item, classifier, received_at=NOW)


async def test_an_address_that_cannot_be_read_takes_no_other_with_it(running: Service) -> None:
    bad = {"event": "bounce", "email": "a <" + "(" * 3_000 + ">", "reason": "550 5.1.1 unknown user"}
    good = {"event": "bounce", "email": "b@far.example", "reason": "550 5.1.1 unknown user"}
    answer = await running.post("/events/sendgrid", [bad, good])
    assert answer.status == 200
    document = await answer.json()
    assert (document["accepted"], [item["index"] for item in document["invalid"]]) == (1, [0])


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "Type", "Message"])
def test_no_value_of_an_envelope_is_more_than_refused(name: str, value: Any, tmp_path: Any) -> None:
    (tmp_path / "a.pem").write_bytes(b"none")
    gate = WebhookGate(Settings(ses_topics=(TOPIC,), ses_certificates=tmp_path))
    envelope = {
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": "{}", "SignatureVersion": "2",
        "Timestamp": "2026-03-01T11:59:00.000Z", "Signature": "AAAA",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/a.pem", name: value,
    }  # fmt: skip
    with pytest.raises(WebhookRejected):
        asyncio.run(gate.prove("ses", b"{}", {}, envelope, NOW))


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["timestamp", "token", "signature"])
def test_no_value_of_a_signature_of_mailgun_is_more_than_refused(name: str, value: Any) -> None:
    gate = WebhookGate(Settings(mailgun_signing_key=SecretStr("k" * 20)))
    signature = {"timestamp": "1772366400", "token": "t", "signature": "0" * 64, name: value}
    with pytest.raises(WebhookRejected):
        asyncio.run(gate.prove("mailgun", b"{}", {}, {"signature": signature}, NOW))


def test_a_moment_that_no_clock_can_show_is_none() -> None:
    assert moment(10**400) is None
    assert moment(json.loads("1" + "0" * 400)) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a@x.example", "a@x.example"),
        (" Anna <a@x.example> ", "a@x.example"),
        ('"a > b" <a@x.example>', "a@x.example"),
        ("Anna (at home) <a@x.example> (new)", "a@x.example"),
        ('<"a@b"@x.example>', '"a@b"@x.example'),
        ("<a@x.example>, <b@x.example>", "a@x.example"),
        ("<undisclosed>", "<undisclosed>"),
        (7, ""),
    ],
)
def test_the_address_beside_a_name_is_found(text: object, address: str) -> None:
    assert mailbox(text) == address
