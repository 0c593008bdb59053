"""What is answered about entries, as pydantic models, and the values of the blacklist in that form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from validator.blacklist.entry import Action, Cause, Entry, Event, Hit, Kind, State
from validator.server.event_schemas import StoredEvent
from validator.server.events import event_document
from validator.server.wire_types import Wire

EVIDENCE_EVENTS = 10
"""Most events that are shown with an entry; `GET /events?address=` has them all."""


class EntryModel(Wire):
    """An entry of the blacklist."""

    id: str = Field(description="Stable identifier.")
    kind: Kind = Field(description="What it speaks about.")
    value: str = Field(description="Address, domain, host or network; empty once erased.")
    below: bool = Field(description="Also the subdomains of a domain, or the hosts under a name.")
    list: str = Field(description="The named list it is on.")
    cause: Cause = Field(description="Why it is there.")
    source: str = Field(description="Where it came from: api, cli, import:7, feedback:ses, …")
    note: str = Field(description="For people.")
    actor: str = Field(description="Who entered it.")
    created: datetime = Field(description="Since when.")
    last_event: datetime | None = Field(description="The last failure or wish behind it.")
    expires: datetime | None = Field(description="When it stops blocking; null for never.")
    state: State = Field(description="active, archived (hidden, blocks) or removed (does not block).")
    blocks: bool = Field(
        description="Its state blocks and it has not expired; whether the allow-list overrides it, a look-up tells."
    )
    import_id: str | None = Field(description="The import that entered it.")
    times_blocked: int = Field(description="How often a check said no because of it; a few seconds behind.")
    last_blocked: datetime | None = Field(description="When a check last did.")


class EntryEvent(Wire):
    """One line of an entry's history."""

    action: Action = Field(description="What happened.")
    at: datetime = Field(description="When.")
    actor: str = Field(description="Who did it.")
    why: str = Field(description="The reason given.")
    batch: str | None = Field(description="The import or bulk removal it was part of.")
    before: dict[str, Any] | None = Field(description="Cause, state, dates, note and source as they were before.")


class EntryDetail(EntryModel):
    """An entry with everything that ever happened to it, and the evidence."""

    history: list[EntryEvent] = Field(description="Oldest first.")
    evidence: list[StoredEvent] = Field(
        description="What was last reported about the address, newest first, with the server's words; ten at most, see "
        "`GET /events?address=` for all. Empty for entries that are no addresses and once erased."
    )


class HitModel(Wire):
    """An entry that matches."""

    id: str = Field(description="Its identifier.")
    kind: Kind = Field(description="What it speaks about.")
    value: str = Field(description="The form to show.")
    cause: Cause = Field(description="Why it is there.")
    list: str = Field(description="The named list it is on.")
    source: str = Field(description="Where it came from.")
    since: datetime = Field(description="Since when.")
    last_event: datetime | None = Field(description="The last failure behind it.")
    expires: datetime | None = Field(description="When it stops blocking.")
    overridden: bool = Field(description="The allow-list overrides it.")


class AddressDetail(Wire):
    """Why and since when an address is on the blacklist."""

    address: str = Field(description="The address that was asked about, as it is compared.")
    blocked: bool = Field(
        description="Whether an entry on the default list, of this address or about its domain, blocks it and is not "
        "overridden by the allow-list."
    )
    entries: list[EntryDetail] = Field(description="Its entries on every list, with history and evidence.")
    rules: list[HitModel] = Field(description="Entries about its domain on the default list that match it.")


def entry_document(entry: Entry, now: datetime) -> dict[str, Any]:
    """The wire form of an entry."""
    return {
        "id": entry.id,
        "kind": entry.kind,
        "value": entry.value,
        "below": entry.below,
        "list": entry.list,
        "cause": entry.cause,
        "source": entry.source,
        "note": entry.note,
        "actor": entry.actor,
        "created": entry.created,
        "last_event": entry.last_event,
        "expires": entry.expires,
        "state": entry.state,
        "blocks": entry.blocks(now),
        "import_id": entry.import_id,
        "times_blocked": entry.times_blocked,
        "last_blocked": entry.last_blocked,
    }


def detail_document(
    entry: Entry, events: Sequence[Event], reported: Sequence[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """The wire form of an entry with its history and what was *reported* about its address."""
    return entry_document(entry, now) | {
        "history": [_event(event) for event in events],
        "evidence": [event_document(row) for row in reported],
    }


def _event(event: Event) -> dict[str, Any]:
    before = None
    if event.before is not None:
        old = event.before
        before = {
            "cause": old.cause,
            "state": old.state,
            "source": old.source,
            "note": old.note,
            "created": old.created,
            "last_event": old.last_event,
            "expires": old.expires,
        }
    return {
        "action": event.action,
        "at": event.at,
        "actor": event.actor,
        "why": event.why,
        "batch": event.batch,
        "before": before,
    }


def hit_document(hit: Hit) -> dict[str, Any]:
    """The wire form of a match, which has its details."""
    details = hit.details
    assert details is not None
    return {
        "id": hit.entry_id,
        "kind": hit.kind,
        "value": hit.value,
        "cause": hit.cause,
        "list": hit.list,
        "source": details.source,
        "since": details.since,
        "last_event": details.last_event,
        "expires": details.expires,
        "overridden": hit.overridden,
    }
