"""What every provider's reader needs: careful access to a foreign document, and the result of reading a batch. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from validator.feedback.event import Reported

MAX_ITEMS = 5_000
"""Events of one request that are read; more is a fault of the request."""

_MAX_MAILBOX_CHARS = 2_000
_IN_BRACKETS = re.compile(r"<([^<>]{1,320}@[^<>@]{1,320})>")


class Unreadable(ValueError):
    """An item of a batch that is not what the provider documents; the text never quotes a value."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An item of a batch that could not be read."""

    index: int
    """Its place in the batch."""
    why: str
    """A sentence for people."""
    pointer: str = ""
    """JSON pointer to the part that is wrong; empty: the whole item."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A request of a provider, read."""

    reported: tuple[Reported, ...]
    """Every event, one per recipient."""
    unread: tuple[Unread, ...]
    """Items that are no events."""
    places: tuple[int, ...]
    """Which item each event came from; same length and order as `reported`."""


ReadItem = Callable[[Mapping[str, Any]], list[Reported]]


def read_items(items: Sequence[Any], read: ReadItem) -> Batch:
    """Read each item on its own: one that is wrong never spoils the rest."""
    reported: list[Reported] = []
    unread: list[Unread] = []
    places: list[int] = []
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            unread.append(Unread(index, "not an object"))
            continue
        try:
            found = read(item)
        except Unreadable as error:
            unread.append(Unread(index, str(error)))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            unread.append(Unread(index, f"not as documented ({type(error).__name__})"))
        else:
            reported += found
            places += [index] * len(found)
    return Batch(tuple(reported), tuple(unread), tuple(places))


def as_list(document: Any) -> Sequence[Any]:
    """A single object as a batch of one."""
    return document if isinstance(document, list) else [document]


def json_lines(body: bytes) -> Any:
    """JSON, or a list of the lines where each is JSON of its own; a line that is none becomes None.

    Raises `ValueError` when not even one line is an object.
    """
    try:
        return json.loads(body)
    except ValueError:
        items = [_line(line) for line in body.splitlines() if line.strip()]
        if not any(isinstance(item, Mapping) for item in items):
            raise
        return items


def _line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def text_of(item: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds text or a number, as text; empty when none does."""
    for name in names:
        value = item.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def part_of(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A nested object, or an empty one."""
    value = item.get(name)
    return value if isinstance(value, Mapping) else {}


def code_of(item: Mapping[str, Any], *names: str) -> int | None:
    """A reply code from the first of these fields that holds one."""
    for name in names:
        digits = text_of(item, name)[:3]
        if digits.isascii() and digits.isdigit() and 200 <= int(digits) < 600:
            return int(digits)
    return None


def mailbox(value: object) -> str:
    """The address of `Name <a@b>` or of a bare address, as it stands; empty when it is no text.

    The library's reader of addresses calls itself for each parenthesis, and three thousand of them end it.
    """
    if not isinstance(value, str):
        return ""
    named = _IN_BRACKETS.search(value[:_MAX_MAILBOX_CHARS])
    return named.group(1).strip() if named else value.strip()


def moment_of(item: Mapping[str, Any], *names: str) -> datetime | None:
    """A moment from the first of these fields that holds one: seconds or milliseconds since 1970, or ISO 8601."""
    for name in names:
        found = moment(item.get(name))
        if found is not None:
            return found
    return None


def moment(value: object) -> datetime | None:
    """A moment in any of the forms that providers use; None for anything else. Naive times are UTC."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text)
        except ValueError:
            return _iso_moment(text)
    if isinstance(value, int | float):
        try:
            seconds = value / 1000 if value > 1e11 else value
            return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 4e9 else None
        except (OverflowError, OSError, ValueError):
            return None
    return None


def _iso_moment(text: str) -> datetime | None:
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[: min(digits, 6)]:0<6}{tail[digits:]}"
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
