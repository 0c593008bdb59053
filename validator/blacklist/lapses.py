"""Lines of an entry's history that nobody wrote, because time alone brought them about. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from validator.blacklist.entry import BLOCKING, Action, Entry, Event

CLOCK = "validator"
"""Who did what time alone brought about."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A rule of the allow-list about the very key of an entry, as far as time ended it."""

    begun: datetime
    """Since when it was allowed."""
    ended: datetime
    """When its time was over."""


def with_expiries(events: Iterable[Event], entry: Entry, now: datetime) -> list[Event]:
    """The history with a line wherever the entry's time was over, each once: before what was done to it afterwards.

    Oldest first. A change names the values from before it, so that an expiry that was passed is seen in the next one.
    """
    found: list[Event] = []
    told: datetime | None = None
    for event in events:
        if event.action is Action.EXPIRED:
            if event.at == told:
                continue
            told = event.at
        elif event.before is not None and _over(event.before, event.at) and event.before.expires != told:
            told = event.before.expires
            found.append(_expired(event.before))
        found.append(event)
    if _over(entry, now) and entry.expires != told:
        found.append(_expired(entry))
    return found


def with_ends(events: list[Event], allowances: Iterable[Allowance]) -> list[Event]:
    """The history with a line where time ended an override that it tells of."""
    for allowance in allowances:
        told = [
            place
            for place, event in enumerate(events)
            if event.action is Action.OVERRIDDEN and allowance.begun <= event.at < allowance.ended
        ]
        if told:
            later = (place for place, event in enumerate(events) if place > told[-1] and event.at > allowance.ended)
            place = next(later, len(events))
            ended = Event(Action.OVERRIDE_ENDED, allowance.ended, CLOCK, "", None, None)
            events = [*events[:place], ended, *events[place:]]
    return events


def _over(entry: Entry, moment: datetime) -> bool:
    return entry.state in BLOCKING and entry.expires is not None and entry.expires <= moment


def _expired(entry: Entry) -> Event:
    assert entry.expires is not None, "only what has an expiry can expire"
    return Event(Action.EXPIRED, entry.expires, CLOCK, "", None, entry)
