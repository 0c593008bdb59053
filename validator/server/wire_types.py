"""Texts, values, moments and names as they stand in requests about the blacklist, as pydantic types."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from validator.blacklist.entry import MAX_NOTE_CHARS

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
MAX_VALUE_CHARS = 320
"""Longest address, domain or network that is looked at."""


def _clean(text: str) -> str:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("holds a character that is no text")
    return text


def _read(value: object, plain: time) -> object:
    """Numbers are not dates: a model would take them for seconds. A strict model takes no text, so it is read here."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            if _DAY.fullmatch(value):
                return datetime.combine(date.fromisoformat(value), plain, UTC)
            if _RFC_3339.match(value):
                found = datetime.fromisoformat(value.upper())
                if found.tzinfo is not None:
                    return found
        except ValueError:
            pass
    raise ValueError("a day such as 2026-12-01, or an RFC 3339 date and time with an offset, 2026-12-01T18:00:00Z")


def _day_begins(value: object) -> object:
    return _read(value, time.min)


def _day_ends(value: object) -> object:
    return _read(value, time.max)


def _in_future(value: datetime) -> datetime:
    if value <= datetime.now(UTC):
        raise ValueError("this moment is over: the entry would not block at all")
    return value


def _in_range(value: datetime) -> datetime:
    try:
        found = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None
    if not 1970 <= found.year <= 2200:
        raise ValueError("between the years 1970 and 2200")
    return found


def split(value: object) -> object:
    """A query parameter that may hold several words, separated by comma."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Text = Annotated[str, Field(max_length=MAX_NOTE_CHARS), AfterValidator(_clean)]
"""A text for people."""
ShortText = Annotated[str, Field(max_length=150), AfterValidator(_clean)]
"""A text that may stand in a query."""
Value = Annotated[str, Field(min_length=1, max_length=MAX_VALUE_CHARS), AfterValidator(_clean)]
"""An address, domain, host or network."""
_DATES = WithJsonSchema(
    {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}, mode="validation"
)
Moment = Annotated[AwareDatetime, BeforeValidator(_day_begins), AfterValidator(_in_range), _DATES]
"""RFC 3339 with an offset, or a plain date: its beginning, UTC."""
Expiry = Annotated[
    AwareDatetime, BeforeValidator(_day_ends), AfterValidator(_in_range), AfterValidator(_in_future), _DATES
]
"""A moment to come; a plain date is its end, UTC."""
ListName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""The name of a list."""
Cursor = Annotated[str, Field(pattern=r"^c-[0-9]{1,18}$", description="From the page before.")]


class Wire(BaseModel):
    """What goes over the wire; its validator is built with its first use, not at the start."""

    model_config = ConfigDict(defer_build=True)


class StrictRequest(Wire):
    """What a client sends; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")
