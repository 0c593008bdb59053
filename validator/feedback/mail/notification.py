"""Amazon SES notifications that SNS sends by mail: JSON as the text of a message. Pure."""

from __future__ import annotations

import json
import re

from validator.feedback.event import EventKind, Reported
from validator.feedback.mail.mime import Mail
from validator.feedback.webhooks import ses
from validator.feedback.webhooks.reading import Unreadable

_WRAPPED = re.compile(r"!\n ?|\n")
_NAMES = ('"notificationType', '"eventType', '\\"notificationType', '\\"eventType')


def notification_in(mail: Mail) -> list[Reported]:
    """The events of such a message; empty when it is none. Lines that a mail system wrapped are joined first."""
    text = mail.text.lstrip()
    if not text.startswith("{") or not any(name in text for name in _NAMES):
        return []
    end = text.find("\n--\n")
    body = _WRAPPED.sub("", text[: end if end > 0 else None]).strip().rstrip(",")
    try:
        document, _ = json.JSONDecoder().raw_decode(body if body.endswith("}") else body + "}")
        found = ses.read(document) if isinstance(document, dict) else []
    except (ValueError, RecursionError, Unreadable):
        return []
    return [item for item in found if item.address and item.kind is not EventKind.IGNORED]
