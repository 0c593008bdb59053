"""What a line of a file comes to, an entry to be made or a fault, and what holds for all of them. Pure values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from validator.blacklist.entry import DEFAULT_LIST, Cause, Kind, Rule, State
from validator.blacklist.import_options import Encoding

Classify = Callable[[str], Cause | None]
"""Judges the text of a failure; None when it does not speak against the address (a sender's fault)."""


class Format(StrEnum):
    """What a file turned out to be."""

    TEXT = "text"
    """One or several values a line."""
    CSV = "csv"
    """A header, then records."""
    NDJSON = "ndjson"
    """A JSON object or string a line."""


class Row(NamedTuple):
    """One entry to be made."""

    line: int
    """Line it begins on, from 1."""
    rule: Rule
    """What it matches."""
    list: str
    """Named list."""
    cause: Cause
    """Why."""
    state: State
    """`active`, except in our own exports."""
    source: str | None
    """Where it first came from, in our own exports."""
    note: str | None
    """For people."""
    created: datetime | None
    """Since when."""
    last_event: datetime | None
    """The last failure behind it."""
    expires: datetime | None
    """When it stops blocking."""


class Fault(NamedTuple):
    """A line that makes no entry, or (`WARNINGS`) not with everything that stands in it."""

    line: int
    """Line it begins on, from 1."""
    code: str
    """Machine-readable."""
    detail: str
    """A sentence for people; never quotes the line."""


WARNINGS: Final = frozenset({"unknown_cause", "unreadable_date"})
"""Codes of lines that do make an entry, but not with everything that stands in them."""
NOT_THE_RECIPIENT: Final = "not_the_recipient"
"""Code of a line whose failure does not speak against its address: left out on purpose, not an error."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every line that does not say otherwise."""

    list: str = DEFAULT_LIST
    """Named list."""
    cause: Cause | None = None
    """Overrules whatever the file says, when given."""
    kind: Kind | None = None
    """What values are; None: addresses, domains and networks are told apart."""
    expires: datetime | None = None
    """When entries stop blocking."""
    note: str = ""
    """For people."""
    classify: Classify | None = None
    """Judge of failure texts; None takes every line for a reason to block."""
    judge: bool = True
    """Leave out what other systems' words say does not speak against the address, or only for now."""
    encoding: Encoding | None = None
    """How the file is written; None: told from its beginning."""
