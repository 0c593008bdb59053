"""Comparing signatures: constant time, over raw bytes, with a window of time. Pure; the caller brings the clock."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from validator.errors import WebhookRejected

_SECONDS = re.compile(r"[0-9]{10}")


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The keyed hash."""
    return hmac.new(key, message, hashlib.sha256).digest()


def require_equal(given: bytes, wanted: bytes) -> None:
    """Refuse unless both are the same, in constant time."""
    if not hmac.compare_digest(given, wanted):
        raise WebhookRejected("the signature does not hold")


def require_fresh(timestamp: str, now: float, tolerance_s: float) -> None:
    """Refuse a time that is not ten digits, seconds since 1970, within *tolerance_s* of *now*; 0 accepts any time.

    One spelling per second: where a timestamp is signed together with what follows it, a longer one could borrow
    characters from there, and the same signature would hold for another request.
    """
    if not _SECONDS.fullmatch(timestamp) or (tolerance_s and not abs(now - int(timestamp)) <= tolerance_s):
        raise WebhookRejected("its time is missing or too far from ours")


def decoded(text: str) -> bytes:
    """Base64 as bytes, strictly: one spelling per value, so that no changed character can mean the same."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise WebhookRejected("the signature is no base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise WebhookRejected("the signature is no base64")
    return raw
