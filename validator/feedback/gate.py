"""Is this webhook really the provider's? Secrets from the settings, certificates from disk, one decision per request.

A provider whose secret is configured must prove itself with it. One whose secret is not configured falls back to an
own key with the scope `events`; which of the two it was is told by `Proof`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from validator.errors import SettingsError, WebhookRejected
from validator.feedback.webhooks import mailersend, mailgun, mailtrap, mandrill, sendgrid, ses, standard
from validator.feedback.webhooks.registry import PROVIDERS
from validator.settings import Settings

PLAIN_HEADER = "X-Webhook-Secret"
"""Header for providers that can send one of the operator's."""
_MAX_CERTIFICATE_BYTES = 64 * 1024
_FETCH_TIMEOUT_S = 5.0
TELL_EVERY_S = 10.0
"""Seconds between two lines of the log about refused webhooks of one provider."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How a request proved itself."""

    own_key: bool
    """Not at all yet: it needs an own key with the scope `events`."""
    token: str = ""
    """A token that counts once, to be used up with the events."""
    message_id: str = ""
    """The identifier that was signed, when the scheme has one."""


class WebhookGate:
    """Verifies requests; raises `SettingsError` at once for a secret that cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secrets = _secrets(settings.webhook_secrets.get_secret_value())
        self._sendgrid = sendgrid.load_key(settings.sendgrid_public_key) if settings.sendgrid_public_key else None
        self._mailgun = settings.mailgun_signing_key.get_secret_value().encode()
        self._standard = [
            standard.load_secret(text.strip(), setting="VALIDATOR_STANDARD_WEBHOOK_SECRETS")
            for text in settings.standard_webhook_secrets.get_secret_value().split(",")
            if text.strip()
        ]
        self._mailersend = settings.mailersend_signing_secret.get_secret_value().encode()
        self._mailtrap = settings.mailtrap_signing_secret.get_secret_value().encode()
        self._mandrill = settings.mandrill_webhook_key.get_secret_value().encode()
        if self._mandrill and not settings.mandrill_webhook_url.startswith(("https://", "http://")):
            raise SettingsError("VALIDATOR_MANDRILL_WEBHOOK_URL: the URL that Mandrill was given, which its key signs")
        self._certificates = _certificates(settings.ses_certificates)
        wrong = [topic for topic in settings.ses_topics if not topic.startswith("arn:aws")]
        if wrong:
            raise SettingsError("VALIDATOR_SES_TOPICS: names of topics (arn:aws:sns:…), comma-separated")
        if settings.ses_topics and not (self._certificates or settings.ses_fetch_certificates):
            raise SettingsError(
                "VALIDATOR_SES_TOPICS: nothing proves them: VALIDATOR_SES_CERTIFICATES names a file or a folder "
                "of them (*.pem), or set VALIDATOR_SES_FETCH_CERTIFICATES=true"
            )
        self._told: dict[str, float] = {}

    def worth_telling(self, provider: str, now: float) -> bool:
        """Whether a refusal should leave a line in the log: one each `TELL_EVERY_S`, however many there are."""
        if now - self._told.get(provider, -TELL_EVERY_S) < TELL_EVERY_S:
            return False
        self._told[provider] = now
        return True

    async def prove(
        self, provider: str, body: bytes, headers: Mapping[str, str], document: Any, now: datetime
    ) -> Proof:
        """How the request proves itself; raises `WebhookRejected` when it must and does not.

        What cannot even be read as a signature (text that is no Unicode, a form with too many fields) is refused too.
        """
        try:
            return await self._prove(provider, body, headers, document, now)
        except ValueError as error:
            raise WebhookRejected("its signature cannot be read") from error

    async def _prove(
        self, provider: str, body: bytes, headers: Mapping[str, str], document: Any, now: datetime
    ) -> Proof:
        tolerance_s = self._settings.webhook_tolerance_s
        seconds = now.timestamp()
        match provider:
            case "ses" if self._settings.ses_topics:
                await self._prove_sns(document, headers, now)
            case "sendgrid" if self._sendgrid is not None:
                tolerance = self._settings.sendgrid_tolerance_s
                sendgrid.verify(body, headers, self._sendgrid, now=seconds, tolerance_s=tolerance)
            case "mailgun" if self._mailgun:
                if not isinstance(document, Mapping):
                    raise WebhookRejected("its body is no object")
                mailgun.verify(document, self._mailgun, now=seconds, tolerance_s=tolerance_s)
                return Proof(own_key=False, token=f"mailgun:{mailgun.signature_of(document)}")
            case "standard" if self._standard:
                signed = standard.verify(body, headers, self._standard, now=seconds, tolerance_s=tolerance_s)
                return Proof(own_key=False, message_id=signed)
            case "mailersend" if self._mailersend:
                mailersend.verify(body, headers.get("Signature", ""), self._mailersend)
            case "mailtrap" if self._mailtrap:
                mailtrap.verify(body, headers.get("Mailtrap-Signature", ""), self._mailtrap)
            case "mandrill" if self._mandrill:
                fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50))
                given = headers.get("X-Mandrill-Signature", "")
                mandrill.verify(fields, self._settings.mandrill_webhook_url, given, self._mandrill)
            case _ if provider in self._secrets:
                if not _carries(headers, self._secrets[provider]):
                    raise WebhookRejected("it does not carry the secret of VALIDATOR_WEBHOOK_SECRETS")
            case _:
                return Proof(own_key=True)
        return Proof(own_key=False)

    async def _prove_sns(self, document: Any, headers: Mapping[str, str], now: datetime) -> None:
        if not isinstance(document, Mapping):
            raise WebhookRejected("its body is no object")
        claimed = headers.get("x-amz-sns-message-type")
        if claimed is not None and claimed != document.get("Type"):
            raise WebhookRejected("header and body name different types")
        topics, tolerance_s = self._settings.ses_topics, self._settings.ses_tolerance_s
        ses.require_plausible(document, topics=topics, now=now, tolerance_s=tolerance_s)
        url, name = ses.certificate_url(document), ses.certificate_name(document)
        held = self._certificates.get(name) or self._certificates.get("")
        if held is None and not self._settings.ses_fetch_certificates:
            raise WebhookRejected("its signing certificate is not among VALIDATOR_SES_CERTIFICATES")
        pem = await asyncio.to_thread(_fetch, url) if held is None else held
        ses.verify(document, pem, now=now)
        if held is None:  # only now: an answer that was cut off or was no certificate is asked for again
            self._certificates[name] = pem


def _secrets(text: str) -> dict[str, bytes]:
    secrets: dict[str, bytes] = {}
    for part in text.split(","):
        name, _, secret = part.strip().partition("=")
        if not name and not secret:
            continue
        if name not in PROVIDERS:  # which may be a secret whose provider was left out: it is not repeated
            raise SettingsError(
                f"VALIDATOR_WEBHOOK_SECRETS: `provider=secret`, comma-separated; providers are {', '.join(PROVIDERS)}"
            )
        if len(secret) < 8:
            raise SettingsError(f"VALIDATOR_WEBHOOK_SECRETS: the secret of {name} has fewer than 8 characters")
        secrets[name] = secret.encode()
    return secrets


def _certificates(path: Path | None) -> dict[str, bytes]:
    """PEM files by name; a single file stands for every name."""
    if path is None:
        return {}
    try:
        if path.is_dir():
            return {file.name: file.read_bytes() for file in sorted(path.glob("*.pem"))}
        return {"": path.read_bytes()}
    except OSError as error:
        raise SettingsError(f"VALIDATOR_SES_CERTIFICATES: {error.strerror}") from error


def _fetch(url: str) -> bytes:
    """A certificate from a URL that was checked to be Amazon's; its host must prove itself, redirects are refused."""

    class _NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(url, timeout=_FETCH_TIMEOUT_S) as answer:
            return bytes(answer.read(_MAX_CERTIFICATE_BYTES))
    except (OSError, HTTPException) as error:
        raise WebhookRejected("its signing certificate could not be fetched") from error


def _carries(headers: Mapping[str, str], secret: bytes) -> bool:
    """Whether a request carries the secret as Basic password, bearer token or header; constant time each."""
    scheme, _, credential = headers.get("Authorization", "").partition(" ")
    offered = [headers.get(PLAIN_HEADER, "")]
    if scheme.lower() == "bearer":
        offered.append(credential.strip())
    elif scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credential.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            decoded = ""
        offered += [decoded.partition(":")[2], decoded]
    held = False
    for text in offered:
        held |= hmac.compare_digest(text.encode("utf-8", "replace"), secret)
    return held
