"""Webhooks: payloads become the right events, signatures hold or are refused, one changed byte is enough."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from tests.corpora_dir import corpora
from validator.errors import SettingsError, WebhookRejected
from validator.feedback.classify import Classifier
from validator.feedback.event import EventKind, judge
from validator.feedback.gate import WebhookGate, _fetch
from validator.feedback.webhooks import mailgun, sendgrid, ses, standard
from validator.feedback.webhooks.reading import moment
from validator.feedback.webhooks.registry import PROVIDERS, read_batch
from validator.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"


def gate(**settings: object) -> WebhookGate:
    return WebhookGate(Settings(**settings))  # type: ignore[arg-type]


def prove(checked: WebhookGate, provider: str, body: bytes, headers: dict[str, str], now: datetime = NOW) -> object:
    return asyncio.run(checked.prove(provider, body, headers, json.loads(body), now))


_MAIL = {"destination": ["a@x.example", "bystander@x.example"]}
_TO = [{"emailAddress": "a@x.example", "diagnosticCode": "smtp; 550 5.1.1 unknown"}]
_UNSUBSCRIBED = {"RecordType": "SubscriptionChange", "Recipient": "a@x.example", "SuppressSending": True}
PAYLOADS = [
    (
        "ses",
        {"eventType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": _TO}, "mail": _MAIL},
        [("bounce", "a@x.example")],
    ),
    (
        "ses",
        {"eventType": "Bounce", "bounce": {"bounceSubType": "OnAccountSuppressionList", "bouncedRecipients": _TO}},
        [("provider_suppressed", "a@x.example")],
    ),
    (
        "ses",
        {
            "notificationType": "Complaint",
            "complaint": {"complaintFeedbackType": "not-spam", "complainedRecipients": _TO},
        },
        [("ignored", "a@x.example")],
    ),
    ("sendgrid", [{"event": "bounce", "type": "blocked", "email": "a@x.example"}], [("bounce", "a@x.example")]),
    (
        "sendgrid",
        [{"event": "spamreport", "email": "a@x.example"}, "junk", {"event": "open", "email": "b@x.example"}],
        [("complaint", "a@x.example"), ("ignored", "b@x.example")],
    ),
    (
        "mailgun",
        {"event-data": {"event": "failed", "severity": "temporary", "recipient": "a@x.example"}},
        [("deferral", "a@x.example")],
    ),
    (
        "mailgun",
        {"event-data": {"event": "failed", "reason": "suppress-bounce", "recipient": "a@x.example"}},
        [("provider_suppressed", "a@x.example")],
    ),
    (
        "mailgun",
        {"event-data": {"event": "rejected", "recipient": "a@x.example", "reject": {"reason": "Sandbox only"}}},
        [("bounce", "a@x.example")],
    ),
    (
        "postmark",
        {**_UNSUBSCRIBED, "SuppressionReason": "ManualSuppression", "Origin": "Recipient"},
        [("unsubscribe", "a@x.example")],
    ),
    (
        "postmark",
        {**_UNSUBSCRIBED, "SuppressionReason": "ManualSuppression", "Origin": "Customer"},
        [("provider_suppressed", "a@x.example")],
    ),
    ("sparkpost", [{"msys": {}}], []),
    (
        "sparkpost",
        [{"msys": {"message_event": {"type": "bounce", "bounce_class": "90", "rcpt_to": "a@x.example"}}}],
        [("unsubscribe", "a@x.example")],
    ),
    (
        "standard",
        {"type": "email.bounced", "data": {"to": ["A <a@x.example>"], "bounce": {"message": "unknown"}}},
        [("bounce", "a@x.example")],
    ),
]


@pytest.mark.parametrize(("provider", "payload", "kinds"), PAYLOADS)
def test_payloads_become_events(provider: str, payload: object, kinds: list[tuple[str, str]]) -> None:
    batch = read_batch(PROVIDERS[provider], payload)
    assert [(item.kind.value, item.address) for item in batch.reported] == kinds


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@pytest.mark.parametrize("junk", [None, [], {}, [[]], "x", 7, {"a": []}, [{"event": 3, "email": 4}], [{"msys": 3}]])
def test_no_payload_makes_a_reader_raise(provider: str, junk: object) -> None:
    read_batch(PROVIDERS[provider], junk)


def test_times_are_read_in_every_form() -> None:
    wanted = datetime(2016, 4, 27, 20, 28, 50, 396393, tzinfo=UTC)
    assert moment("2016-04-27T16:28:50.3963933-04:00") == wanted
    assert moment(1461788930.396393) == wanted
    assert moment("1461788930") == wanted.replace(microsecond=0)
    assert moment("2016-04-27 20:28:50") == wanted.replace(microsecond=0)
    for wrong in (
        True,
        None,
        "soon",
        -1,
        1e30,
        "nan",
        "inf",
        {},
        "0001-01-01T00:00:00+12:00",
        "9999-12-31T23:59:59-12:00",
    ):
        assert moment(wrong) is None


_NAMES = {"amazon_ses": "ses", "resend": "standard", "unisender_go": "unisender"}


def _read(provider: str, payload: object, classifier: Classifier) -> list[tuple[str, str]]:
    """Kind and address of every event of a request, as they are stored."""
    batch = read_batch(PROVIDERS[_NAMES.get(provider, provider)], payload)
    assert not batch.unread
    judged = [judge(item, classifier, received_at=NOW).reported for item in batch.reported]
    return [(item.kind.value, item.address) for item in judged]


def test_the_public_payloads_have_the_kind_and_address_that_their_providers_document(classifier: Classifier) -> None:
    wanted: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    with Path(__file__).with_name("webhook_kinds.tsv").open(encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    for provider, test, variable, kind, address in lines[1:]:
        events = wanted.setdefault((provider, test, variable), [])
        events += [(kind, address)] if kind != "-" else []
    rows = json.loads(corpora("webhooks", "anymail_payloads.json").read_text())
    wrong = []
    for row in rows:
        name = (row["esp"], row["test"].removeprefix("test_"), row["var"])
        found = _read(row["esp"], row["payload"], classifier)
        if found != wanted[name]:
            wrong.append((name, found))
        if name[2] == "raw_ses_event":  # as Amazon sends it: inside an SNS envelope
            enveloped = {"Type": "Notification", "MessageId": "m-1", "Message": json.dumps(row["payload"])}
            assert _read(row["esp"], enveloped, classifier) == found
    assert len(rows) == len(wanted)
    assert 1 - len(wrong) / len(rows) >= 0.98, wrong


def test_a_category_tells_what_user_unknown_answered(classifier: Classifier) -> None:
    said = {
        "email": "a@x.example",
        "status": "hard_bounced",
        "delivery_info": {"destination_response": "555 User unknown"},
    }
    [alone] = read_batch(PROVIDERS["unisender"], said).reported
    assert judge(alone, classifier, received_at=NOW).classification.reason == "recipient_filtered"
    said["delivery_info"] = {"destination_response": "555 User unknown", "delivery_status": "err_user_unknown"}
    [told] = read_batch(PROVIDERS["unisender"], said).reported
    assert judge(told, classifier, received_at=NOW).classification.reason == "mailbox_not_found"


def test_a_block_of_the_sender_beside_the_events_of_unisender_spoils_none_of_them() -> None:
    gone = {"job_id": "j", "email": "a@x.example", "status": "hard_bounced", "event_time": "2026-03-01 10:00:00"}
    events = [
        {"event_name": "transactional_email_status", "event_data": gone},
        {"event_name": "transactional_spam_block", "event_data": {"block_type": "one_smtp", "domain": "x.example"}},
        {"event_data": {"email": "b@x.example"}},
        "shoes",
    ]
    document = {"events_by_user": [{"user_id": 1, "events": events}, {"user_id": 2}, 7]}
    batch = read_batch(PROVIDERS["unisender"], document)
    assert [(item.kind.value, item.address) for item in batch.reported] == [("bounce", "a@x.example"), ("ignored", "")]
    assert [item.index for item in batch.unread] == [2, 3, 4, 5]
    assert batch.places == (0, 1)


def test_an_event_of_mailgun_that_is_sent_again_under_another_token_is_the_same() -> None:
    def named(token: str, **changes: object) -> str:
        data = {"id": "e-1", "event": "failed", "recipient": "a@x.example", "timestamp": 1772300000.5, **changes}
        [item] = mailgun.read({"signature": {"token": token}, "event-data": data})
        return item.event_id

    assert named("one") == named("two") != ""
    assert named("one") != named("one", timestamp=1772400000.5)
    assert named("one", id=None) != named("two", id=None)


def test_the_really_signed_request_verifies_and_no_changed_byte_does() -> None:
    vector = json.loads(corpora("webhooks", "sendgrid_signature_vector.json").read_text())
    key = sendgrid.load_key(vector["PUBLIC_KEY"])
    body = vector["PAYLOAD"].encode()
    headers = {sendgrid.SIGNATURE: vector["SIGNATURE"], sendgrid.TIMESTAMP: vector["TIMESTAMP"]}
    sendgrid.verify(body, headers, key, now=0, tolerance_s=0)
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(WebhookRejected):
            sendgrid.verify(changed, headers, key, now=0, tolerance_s=0)
    for name, text in headers.items():
        for place in range(len(text)):
            changed_text = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
            with pytest.raises(WebhookRejected):
                sendgrid.verify(body, {**headers, name: changed_text}, key, now=0, tolerance_s=0)
    with pytest.raises(WebhookRejected):
        sendgrid.verify(body, headers, key, now=1_700_000_000, tolerance_s=300)


@pytest.fixture(scope="module")
def amazon() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(NOW + timedelta(days=10))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)


def envelope(key: rsa.RSAPrivateKey, version: str, **changes: str) -> dict[str, str]:
    made = {
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Subject": "s", "Message": "{}",
        "Timestamp": "2026-03-01T11:59:00.000Z", "SignatureVersion": version,
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
    }  # fmt: skip
    made |= changes
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{made[name]}\n" for name in names).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    made["Signature"] = base64.b64encode(key.sign(signed, padding.PKCS1v15(), algorithm)).decode()
    return made


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_messages_of_the_pinned_topic_verify(
    amazon: tuple[rsa.RSAPrivateKey, bytes], version: str, tmp_path: Path
) -> None:
    key, pem = amazon
    (tmp_path / "SimpleNotificationService-1.pem").write_bytes(pem)
    checked = gate(ses_topics=(TOPIC,), ses_certificates=tmp_path)
    good = envelope(key, version)
    assert prove(checked, "ses", json.dumps(good).encode(), {}) is not None
    wrong = [
        envelope(key, version, TopicArn="arn:aws:sns:eu-west-1:1:other"),
        envelope(key, version, Timestamp="2026-02-01T00:00:00Z"),
        {**good, "Message": '{"x":1}'},
        {**good, "SignatureVersion": "3"},
        {**good, "SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem"},
        {**good, "SigningCertURL": "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"},
        {**good, "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/unknown.pem"},
        {**good, "Type": "SubscriptionConfirmation"},
        {},
    ]
    for document in wrong:
        with pytest.raises(WebhookRejected):
            prove(checked, "ses", json.dumps(document).encode(), {})
    with pytest.raises(WebhookRejected):
        prove(checked, "ses", json.dumps(good).encode(), {"x-amz-sns-message-type": "SubscriptionConfirmation"})


def test_a_subscription_is_never_confirmed_by_itself() -> None:
    asked = {"Type": "SubscriptionConfirmation", "TopicArn": TOPIC, "Message": ""}
    own = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
    for url, shown in (
        (own, own),
        ("https://x", ""),
        ("https://sns.eu-west-1.amazonaws.com.x/", ""),
        ("https://[", ""),
    ):
        [item] = ses.read({**asked, "SubscribeURL": url})
        assert (item.kind, item.text) == (EventKind.IGNORED, shown)


def test_mailgun_signs_time_and_token() -> None:
    checked = gate(mailgun_signing_key=SecretStr("key-1"))
    stamp = str(int(NOW.timestamp()))
    signature = hmac.new(b"key-1", (stamp + "tok").encode(), hashlib.sha256).hexdigest()
    body = {
        "signature": {"timestamp": stamp, "token": "tok", "signature": signature},
        "event-data": {"event": "opened"},
    }
    proof = prove(checked, "mailgun", json.dumps(body).encode(), {})
    assert proof.token == f"mailgun:{signature}"  # type: ignore[attr-defined]
    for change in ({"token": "other"}, {"timestamp": str(int(stamp) + 1)}, {"signature": signature[:-1] + "z"}):
        wrong = {**body, "signature": {**body["signature"], **change}}
        with pytest.raises(WebhookRejected):
            prove(checked, "mailgun", json.dumps(wrong).encode(), {})
    with pytest.raises(WebhookRejected):
        prove(checked, "mailgun", json.dumps(body).encode(), {}, NOW + timedelta(hours=1))


def test_standard_webhooks_accept_any_listed_signature() -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    older = "whsec_" + base64.b64encode(b"o" * 24).decode()
    checked = gate(standard_webhook_secrets=SecretStr(f"{secret}, {older}"))
    body = b'{"type": "email.sent", "data": {}}'
    stamp = int(NOW.timestamp())
    signed = standard.sign(b"o" * 24, "msg_1", stamp, body)
    for prefix in ("webhook", "svix"):
        headers = {
            f"{prefix}-id": "msg_1",
            f"{prefix}-timestamp": str(stamp),
            f"{prefix}-signature": f"v1,AAAA {signed}",
        }
        assert prove(checked, "standard", body, headers).message_id == "msg_1"  # type: ignore[attr-defined]
        for name, value in (
            (f"{prefix}-id", "msg_2"),
            (f"{prefix}-timestamp", str(stamp + 1)),
            (f"{prefix}-signature", ""),
        ):
            with pytest.raises(WebhookRejected):
                prove(checked, "standard", body, {**headers, name: value})
        with pytest.raises(WebhookRejected):
            prove(checked, "standard", body, headers, NOW + timedelta(minutes=6))
        with pytest.raises(WebhookRejected):
            prove(checked, "standard", body + b" ", headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Webhook-Secret": "long-secret"},
        {"Authorization": "Bearer long-secret"},
        {"Authorization": "Basic " + base64.b64encode(b"user:long-secret").decode()},
    ],
)
def test_providers_without_signature_bring_a_secret(headers: dict[str, str]) -> None:
    checked = gate(webhook_secrets=SecretStr("postmark=long-secret"))
    assert not prove(checked, "postmark", b"{}", headers).own_key  # type: ignore[attr-defined]
    with pytest.raises(WebhookRejected):
        prove(checked, "postmark", b"{}", {name: value + "x" for name, value in headers.items()})
    assert prove(checked, "sparkpost", b"{}", {}).own_key  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook_secrets": SecretStr("nobody=long-secret")},
        {"webhook_secrets": SecretStr("postmark=short")},
        {"standard_webhook_secrets": SecretStr("whsec_*")},
        {"sendgrid_public_key": "x"},
        {"ses_certificates": Path("/no/such/file")},
        {"ses_topics": (TOPIC,)},
        {"mandrill_webhook_key": SecretStr("k" * 20)},
        {"mandrill_webhook_key": SecretStr("k" * 20), "mandrill_webhook_url": "hooks.example/m"},
    ],
)
def test_a_secret_that_cannot_be_used_stops_the_start(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        gate(**settings)


@pytest.mark.parametrize("moved", [".5", "e0", "_0", "0", "\u0660", " "])
def test_no_character_moves_from_the_token_of_mailgun_to_its_timestamp(moved: str) -> None:
    checked = gate(mailgun_signing_key=SecretStr("key-mailgun"))
    stamp = str(int(NOW.timestamp()))
    signature = hmac.new(b"key-mailgun", f"{stamp}{moved}abc".encode(), hashlib.sha256).hexdigest()
    parts = {"timestamp": stamp + moved, "token": "abc", "signature": signature}
    with pytest.raises(WebhookRejected):
        prove(checked, "mailgun", json.dumps({"signature": parts}).encode(), {})


_WHSEC = "whsec_" + base64.b64encode(b"k" * 24).decode()
STRANGE = [
    ("standard", {"standard_webhook_secrets": SecretStr(_WHSEC)}, b"{}", {"webhook-id": "\udcff"}),
    ("standard", {"standard_webhook_secrets": SecretStr(_WHSEC)}, b"{}", {"webhook-id": "\u00ff"}),
    ("mailgun", {"mailgun_signing_key": SecretStr("k" * 20)}, b'{"signature": {"token": "\\ud800"}}', {}),
    ("mailgun", {"mailgun_signing_key": SecretStr("k" * 20)}, b'{"signature": {"timestamp": "\\ud800"}}', {}),
    ("mailersend", {"mailersend_signing_secret": SecretStr("k" * 20)}, b"{}", {"Signature": "\udcff"}),
    ("mailtrap", {"mailtrap_signing_secret": SecretStr("k" * 20)}, b"{}", {"Mailtrap-Signature": "\udcff"}),
    ("postmark", {"webhook_secrets": SecretStr("postmark=long-secret")}, b"{}", {"Authorization": "Bearer \udcff"}),
]


@pytest.mark.parametrize(("provider", "settings", "body", "headers"), STRANGE)
def test_a_proof_that_is_no_text_is_refused(
    provider: str, settings: dict[str, object], body: bytes, headers: dict[str, str]
) -> None:
    stamped = {"webhook-timestamp": str(int(NOW.timestamp())), **headers}
    with pytest.raises(WebhookRejected):
        prove(gate(**settings), provider, body, stamped)


def test_a_form_with_too_many_fields_is_refused() -> None:
    checked = gate(mandrill_webhook_key=SecretStr("k" * 20), mandrill_webhook_url="https://hooks.example/m")
    body = b"&".join(b"a%d=1" % number for number in range(100))
    with pytest.raises(WebhookRejected):
        asyncio.run(checked.prove("mandrill", body, {}, None, NOW))


async def test_a_certificate_that_is_answered_in_no_http_refuses_the_webhook() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"250 a mail server\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(WebhookRejected):
            await asyncio.to_thread(_fetch, f"http://127.0.0.1:{port}/cert.pem")
