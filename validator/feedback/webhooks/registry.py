"""Every provider whose webhook is understood, by the name in its path: how a body becomes events. Pure.

A new provider is one file and one line here; `docs/adding-a-webhook.md` is the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from validator.errors import LimitExceeded, NotReadable, RequestRefused
from validator.feedback.webhooks import (
    brevo,
    mailersend,
    mailgun,
    mailjet,
    mailtrap,
    mandrill,
    postal,
    postmark,
    sendgrid,
    ses,
    sparkpost,
    standard,
    unisender,
)
from validator.feedback.webhooks.reading import MAX_ITEMS, Batch, ReadItem, as_list, json_lines, read_items


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider's request is read."""

    name: str
    """Name in the path, and of its events."""
    title: str
    """Name for people."""
    read: ReadItem
    """One item -> events."""
    items: Callable[[Any], Sequence[Any]] = as_list
    """The document -> items."""
    document: Callable[[bytes], Any] = json.loads
    """The body -> document."""
    looks_first: bool = False
    """Takes a URL only when a HEAD or GET without any proof is answered 200."""


def _nested(name: str) -> Callable[[Any], Sequence[Any]]:
    def items(document: Any) -> Sequence[Any]:
        if isinstance(document, Mapping) and isinstance(document.get(name), list):
            return list(document[name])
        return as_list(document)

    return items


def _mailgun_document(body: bytes) -> Any:
    is_form = body.lstrip()[:1] not in {b"{", b"["} and b"timestamp=" in body
    return mailgun.form(body) if is_form else json.loads(body)


def _mandrill_document(body: bytes) -> Any:
    if not body.startswith(b"mandrill_events="):
        return json.loads(body)
    return json.loads(parse_qs(body.decode("utf-8", "replace"), max_num_fields=50)["mandrill_events"][0])


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider("ses", "Amazon SES", ses.read),
        Provider("sendgrid", "Twilio SendGrid", sendgrid.read),
        Provider("mailgun", "Mailgun", mailgun.read, document=_mailgun_document),
        Provider("postmark", "Postmark", postmark.read),
        Provider("sparkpost", "SparkPost", sparkpost.read),
        Provider("standard", "Standard Webhooks senders such as Resend", standard.read),
        Provider("brevo", "Brevo", brevo.read),
        Provider("mailersend", "MailerSend", mailersend.read),
        Provider("mailjet", "Mailjet", mailjet.read),
        Provider("mailtrap", "Mailtrap", mailtrap.read, items=_nested("events"), document=json_lines),
        Provider("mandrill", "Mandrill", mandrill.read, document=_mandrill_document, looks_first=True),
        Provider("postal", "Postal", postal.read),
        Provider("unisender", "Unisender Go", unisender.read, items=unisender.items, looks_first=True),
    )
}
"""By name."""


def read_document(provider: Provider, body: bytes) -> Any:
    """The document of a request; raises `NotReadable` or `RequestRefused` when the body is none."""
    try:
        document = provider.document(body)
    except (ValueError, KeyError, RecursionError) as error:
        raise NotReadable("the body is not JSON") from error
    if not isinstance(document, Mapping | list):
        raise RequestRefused("the body is neither an object nor a list")
    return document


def read_batch(provider: Provider, document: Any) -> Batch:
    """Every event of a request; raises `LimitExceeded` for more than `MAX_ITEMS`."""
    items = provider.items(document)
    if len(items) > MAX_ITEMS:
        raise LimitExceeded(f"more than {MAX_ITEMS} events in one request")
    return read_items(items, provider.read)
