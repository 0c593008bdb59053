"""Signed requests of the providers that sign, through the gate: the right one is let in, one changed byte is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from validator.errors import WebhookRejected
from validator.feedback.gate import WebhookGate
from validator.feedback.webhooks import sendgrid
from validator.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "k" * 20
URL = "https://hooks.example/events/mandrill"
FORM = b"mandrill_events=" + quote(json.dumps([{"event": "hard_bounce", "msg": {"email": "a@x.example"}}])).encode()
Headers = dict[str, str]


def hex_of(name: str) -> Callable[[bytes], Headers]:
    return lambda body: {name: hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()}


def mandrill(body: bytes) -> Headers:
    events = json.dumps([{"event": "hard_bounce", "msg": {"email": "a@x.example"}}])
    signed = URL + "mandrill_events" + events
    return {"X-Mandrill-Signature": base64.b64encode(hmac.digest(KEY.encode(), signed.encode(), "sha1")).decode()}


SIGNED = [
    ("mailersend", {"mailersend_signing_secret": SecretStr(KEY)}, b'{"a": 1}', hex_of("Signature")),
    ("mailtrap", {"mailtrap_signing_secret": SecretStr(KEY)}, b'{"a": 1}\n{"b": 2}\n', hex_of("Mailtrap-Signature")),
    ("mandrill", {"mandrill_webhook_key": SecretStr(KEY), "mandrill_webhook_url": URL}, FORM, mandrill),
]


@pytest.mark.parametrize(("provider", "settings", "body", "sign"), SIGNED)
def test_only_what_is_signed_is_let_in(
    provider: str, settings: dict[str, object], body: bytes, sign: Callable[[bytes], Headers]
) -> None:
    gate = WebhookGate(Settings(**settings))  # type: ignore[arg-type]
    headers = sign(body)
    assert not asyncio.run(gate.prove(provider, body, headers, None, NOW)).own_key
    [(name, signature)] = headers.items()
    wrong: list[tuple[bytes, Headers]] = [
        (body, {}),
        (body, {name: signature[:-1]}),
        (body, {name: signature.swapcase()}),
    ]
    wrong += [(body[:place] + b"~" + body[place + 1 :], headers) for place in range(len(body))]
    for changed, given in wrong:
        with pytest.raises(WebhookRejected):
            asyncio.run(gate.prove(provider, changed, given, None, NOW))


def test_sendgrid_signs_time_and_bytes_and_may_be_late_unless_told() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    body, stamp = b'[{"event": "open"}]\r\n', str(int(NOW.timestamp()) - 7_200)
    signature = base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {sendgrid.TIMESTAMP: stamp, sendgrid.SIGNATURE: signature}
    for text in (base64.b64encode(der).decode(), pem.decode()):
        patient = WebhookGate(Settings(sendgrid_public_key=text))
        assert not asyncio.run(patient.prove("sendgrid", body, headers, None, NOW)).own_key
        with pytest.raises(WebhookRejected):
            asyncio.run(patient.prove("sendgrid", body.strip(), headers, None, NOW))
    strict = WebhookGate(Settings(sendgrid_public_key=pem.decode(), sendgrid_tolerance_s=300))
    with pytest.raises(WebhookRejected):
        asyncio.run(strict.prove("sendgrid", body, headers, None, NOW))
