"""Moments as exports of all kinds write them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from functools import lru_cache

_RUSSIAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_JOINED = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_SLASHED = re.compile(r"(\d{4})/(\d\d)/(\d\d)(?=$|[ T])")
_DAY = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}|\d{8}")
_NEVER = frozenset({"never", "none", "null", "0", "-", "никогда", "бессрочно"})


@lru_cache(maxsize=4_096)
def date_of(text: str) -> datetime | None:
    """A moment in any of the forms that exports use, UTC when they do not say; None when it is none of them."""
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and not _RUSSIAN.fullmatch(text):
        if _JOINED.fullmatch(text) is None:
            return _from_epoch(float(text))
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"  # as seconds it would be a day in 1970
    russian = _RUSSIAN.fullmatch(text)
    try:
        if russian is not None:
            day, month, year, hour, minute, second = (int(part or 0) for part in russian.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        plain = _SLASHED.sub(r"\1-\2-\3", text).removesuffix(" UTC").removesuffix(" GMT")
        found = datetime.fromisoformat(plain)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None


def is_never(text: str) -> bool:
    """Whether this is how a system says that something has no end."""
    return text.strip().lower() in _NEVER


def end_of(text: str) -> datetime | None:
    """When something ends: a moment as `date_of` reads it, a plain date is its end, UTC."""
    found = date_of(text)
    if found is not None and _DAY.fullmatch(text.strip()):
        return datetime.combine(found.date(), time.max, UTC)
    return found


def _from_epoch(number: float) -> datetime | None:
    if number > 1e14:
        number /= 1e6
    elif number > 1e11:
        number /= 1e3
    if not 0 < number < 4e9:
        return None
    return datetime.fromtimestamp(number, UTC)
