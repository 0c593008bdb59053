"""The wire contract of the blacklist as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from validator.blacklist.entry import Action, Cause, Entry, Event, Hit, Kind, State
from validator.blacklist.filter import Filter, Group
from validator.server.wire_types import (
    Cursor,
    Expiry,
    ListName,
    Moment,
    ShortText,
    StrictRequest,
    Text,
    Value,
    Wire,
    split,
)


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
    blocks: bool = Field(description="Whether it blocks now: its state does and it has not expired.")
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
    """An entry with everything that ever happened to it."""

    history: list[EntryEvent] = Field(description="Oldest first.")


class AddressDetail(Wire):
    """Why and since when an address is on the blacklist."""

    address: str = Field(description="The address that was asked about, as it is compared.")
    blocked: bool = Field(
        description="Whether an entry of this address on the default list blocks and is not overridden."
    )
    entries: list[EntryDetail] = Field(description="Its entries on every list, with their history.")


class AddRequest(StrictRequest):
    """One entry to be made."""

    value: Value = Field(description="Address, domain (`*.x` for what is below too), mail host, IP address or CIDR.")
    kind: Kind | None = Field(None, description="What it is; told from the value when missing (hosts need it).")
    below: bool = Field(False, description="Also what lies below a domain or host.")
    list: ListName = Field("default", description="Named list; made when it is not there.")
    cause: Cause = Field(Cause.MANUAL, description="Why.")
    source: Text = Field("api", description="Where it comes from; not an address.")
    note: Text = Field("", description="For people.")
    created: Moment | None = Field(None, description="Since when, if earlier than now.")
    last_event: Moment | None = Field(None, description="The last failure behind it.")
    expires: Expiry | None = Field(None, description="When it stops blocking; a plain date is its end, UTC.")
    force: bool = Field(False, description="Enter it even if it would hit half the world.")


class EditRequest(StrictRequest):
    """Fields to change; what is left out stays."""

    note: Text | None = Field(None, description="For people; null empties it.")
    expires: Expiry | None = Field(None, description="When it stops blocking; null for never.")
    why: Text = Field("", description="For the history.")


class WhyRequest(StrictRequest):
    """Why something is done; the whole body may be left out."""

    why: Text = Field("", description="For the history.")


class WhyQuery(StrictRequest):
    """Why something is done."""

    why: ShortText = Field("", description="For the history; the body may carry it as well.")


Kinds = Annotated[
    list[Kind], BeforeValidator(split), Field(description="Any of these kinds; repeat, or separate by comma.")
]
Causes = Annotated[list[Cause], BeforeValidator(split), Field(description="Any of these causes.")]
States = Annotated[
    list[State], BeforeValidator(split), Field(description="Any of these states; active when none is named.")
]
Lists = Annotated[list[ListName], BeforeValidator(split), Field(description="On any of these lists.")]


class FilterModel(StrictRequest):
    """Which entries: every given part must hold."""

    kind: Kinds = Field(default_factory=list)
    cause: Causes = Field(default_factory=list)
    state: States = Field(default_factory=list)
    list: Lists = Field(default_factory=list)
    source: ShortText | None = Field(None, description="Exactly this source.")
    domain: Value | None = Field(None, description="Addresses at this domain and rules about it.")
    q: ShortText | None = Field(None, description="Part of the value or of the note.")
    since: Moment | None = Field(None, description="Entered at or after.")
    until: Moment | None = Field(None, description="Entered before.")
    expired: bool | None = Field(None, description="Only what has expired, or only what has not.")

    def wanted(self, domain: str | None) -> Filter:
        """As the store understands it; *domain* is the A-label form."""
        return Filter(
            kinds=self.kind,
            causes=self.cause,
            states=self.state or (State.ACTIVE,),
            lists=self.list,
            source=self.source,
            domain=domain,
            text=self.q,
            since=self.since,
            until=self.until,
            expired=self.expired,
        )


class SearchQuery(FilterModel):
    """A filter, and which page."""

    limit: int = Field(100, ge=1, le=1_000, description="Entries in a page.")
    cursor: Cursor | None = None


class EntryPage(Wire):
    """Some entries, newest first."""

    entries: list[EntryModel] = Field(description="In a stable order.")
    cursor: str | None = Field(description="For the next page; null when this was the last.")


class LookupKey(StrictRequest):
    """Something to look up."""

    value: Value = Field(description="Address, domain, host or IP address.")
    kind: Kind | None = Field(None, description="What it is; told from the value when missing.")


class LookupRequest(StrictRequest):
    """Up to 1,000 keys."""

    keys: list[Value | LookupKey] = Field(max_length=1_000, description="What to look up; a text, or value and kind.")
    lists: list[ListName] = Field(default_factory=list, max_length=16, description="Lists besides `default`.")


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


class LookupResult(Wire):
    """What is known about one key."""

    blocked: bool | None = Field(description="Whether something blocks it; null for a key that is none.")
    entries: list[HitModel] = Field(description="What matches, decisive entries first.")
    fault: str | None = Field(description="Why the key is none.")


class LookupResponse(Wire):
    """Same length and order as the keys."""

    results: list[LookupResult] = Field(description="One per key.")


class RemoveRequest(StrictRequest):
    """Remove what a filter finds."""

    filter: FilterModel = Field(description="Which entries; an empty one is refused.")
    why: Text = Field("", description="For the history.")
    dry_run: bool = Field(False, description="Only count, and show some.")
    expected: int | None = Field(None, ge=0, description="Number that a dry run showed; 409 when it is another now.")


class RemoveResponse(Wire):
    """What a bulk removal came to."""

    number: int = Field(description="Entries removed, or that would be.")
    undo: str | None = Field(description="Token for `POST /blacklist/undo`; null for a dry run.")
    sample: list[EntryModel] = Field(description="Some of them, only in a dry run.")


class UndoRequest(StrictRequest):
    """Which import or bulk removal to undo."""

    token: Annotated[str, Field(min_length=1, max_length=40, description="Identifier of the import or removal.")]


class CountModel(Wire):
    """One group."""

    name: str = Field(description="Cause, kind, source, list, state or day.")
    count: int = Field(description="Entries that block.")


class StatsQuery(StrictRequest):
    """What to count by."""

    group_by: Group = Field(Group.CAUSE, description="cause, kind, source, list, state or day.")
    state: States = Field(default_factory=list)


class StatsResponse(Wire):
    """Counts of entries that have not expired."""

    group_by: Group = Field(description="What they are counted by.")
    total: int = Field(description="All together.")
    groups: list[CountModel] = Field(description="Most first; days in order.")
    soft_bounced: int | None = Field(description="Addresses that bounced softly and are not blacklisted.")


class ListModel(Wire):
    """A named list."""

    name: str = Field(description="Its name.")
    note: str = Field(description="For people.")
    actor: str = Field(description="Who made it.")
    created: datetime = Field(description="When.")
    entries: int = Field(description="Entries on it that block.")


class ListsResponse(Wire):
    """Every named list."""

    lists: list[ListModel] = Field(description="`default` first.")


class ListRequest(StrictRequest):
    """A named list to be made or changed."""

    note: Text = Field("", description="For people.")


class EraseRequest(StrictRequest):
    """Addresses to wipe for good."""

    addresses: list[Value] = Field(min_length=1, max_length=1_000, description="Exact addresses.")


class EraseResponse(Wire):
    """What an erasure came to."""

    erased: int = Field(description="Addresses that were known and are wiped; whether they block stays as it was.")
    unknown: int = Field(description="Addresses that nothing was known about.")


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


def detail_document(entry: Entry, events: list[Event], now: datetime) -> dict[str, Any]:
    """The wire form of an entry with its history."""
    return entry_document(entry, now) | {"history": [_event(event) for event in events]}


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
    """The wire form of a match."""
    return {
        "id": hit.entry_id,
        "kind": hit.kind,
        "value": hit.value,
        "cause": hit.cause,
        "list": hit.list,
        "source": hit.source,
        "since": hit.since,
        "last_event": hit.last_event,
        "expires": hit.expires,
        "overridden": hit.overridden,
    }
