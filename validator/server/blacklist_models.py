"""The wire contract of the blacklist as pydantic models."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from validator.blacklist.entry import DEFAULT_LIST, Cause, Kind, State
from validator.blacklist.export_form import ADDRESS_ONLY, ALL_FIELDS, ExportFormat
from validator.blacklist.filter import EVERYTHING, NOW_BLOCKING, Filter, Group
from validator.server.entry_models import EntryModel, HitModel
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
Identifier = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
ExportField = Literal[
    "email", "kind", "value", "below", "list", "cause", "state", "source", "note", "actor", "created", "last_event",
    "expires", "all",
]  # fmt: skip
Fields = Annotated[
    list[ExportField],
    BeforeValidator(split),
    Field(description="Fields in this order, or `all`; addresses only when none is named."),
]


class FilterModel(StrictRequest):
    """Which entries: every given part must hold."""

    kind: Kinds = Field(default_factory=list)
    cause: Causes = Field(default_factory=list)
    state: States = Field(default_factory=list)
    list: Lists = Field(default_factory=list)
    source: ShortText | None = Field(None, description="Exactly this source, as an entry shows it.")
    import_id: Identifier | None = Field(None, alias="import", description="Entered by the import with this id.")
    domain: Value | None = Field(None, description="Addresses at this domain and rules about it.")
    q: ShortText | None = Field(None, description="Part of the value or of the note.")
    since: Moment | None = Field(None, description="Entered at or after.")
    until: Moment | None = Field(None, description="Entered before.")
    expired: bool | None = Field(None, description="Only what has expired, or only what has not.")
    overridden: bool | None = Field(
        None, description="Only what the allow-list overrides for everybody it speaks about, or only what it does not."
    )

    def wanted(self, domain: str | None) -> Filter:
        """As the store understands it; *domain* is the A-label form."""
        return Filter(
            kinds=self.kind,
            causes=self.cause,
            states=self.state or (State.ACTIVE,),
            lists=self.list,
            source=self.source,
            batch=self.import_id,
            domain=domain,
            text=self.q,
            since=self.since,
            until=self.until,
            expired=self.expired,
            overridden=self.overridden,
        )


class BlockingFilter(FilterModel):
    """A filter that means what blocks now, as long as no states are named."""

    state: States = Field(
        default_factory=list,
        description="Any of these states; when none is named, what blocks now: active or archived, not expired, not "
        "overridden by the allow-list.",
    )

    def wanted(self, domain: str | None) -> Filter:
        """As the store understands it; *domain* is the A-label form."""
        named = super().wanted(domain)
        if self.state:
            return named
        return replace(
            named,
            states=NOW_BLOCKING.states,
            expired=NOW_BLOCKING.expired if self.expired is None else self.expired,
            overridden=NOW_BLOCKING.overridden if self.overridden is None else self.overridden,
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
    token: str | None = Field(description="Undoes it, given to `POST /blacklist/undo`; null for a dry run.")
    undo: str | None = Field(description="The same as `token`, under its older name.")
    sample: list[EntryModel] = Field(description="Some of them, only in a dry run.")


class UndoRequest(StrictRequest):
    """Which import or bulk removal to undo."""

    token: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        description="`token` of a bulk removal, or `id` of an import."
    )


class CountModel(Wire):
    """One group."""

    name: str = Field(description="Cause, kind, source, list, state or day.")
    count: int = Field(description="Entries.")


class StatsQuery(BlockingFilter):
    """What to count, and by what; on every list unless some are named."""

    group_by: Group = Field(Group.CAUSE, description="cause, kind, source, list, state or day.")


class ExportQuery(BlockingFilter):
    """What to write: without a filter, whom a plain check would call blacklisted now."""

    fields: Fields = Field(default_factory=list)
    list: Lists = Field(
        default_factory=list,
        description="On any of these lists; `default`, the one of every check, when none is named.",
    )
    everything: bool = Field(
        False,
        description="All there is, as another store needs it: every list, every state, expired or overridden or not; "
        "all fields when none is named.",
    )
    format: ExportFormat | None = Field(None, description="csv or ndjson; else by `Accept`.")

    def wanted(self, domain: str | None) -> Filter:
        """As the store understands it; *domain* is the A-label form."""
        if self.everything:
            return replace(FilterModel.wanted(self, domain), states=self.state or EVERYTHING)
        return replace(super().wanted(domain), lists=self.list or (DEFAULT_LIST,))

    @property
    def columns(self) -> tuple[str, ...]:
        """Fields in the order in which they are written."""
        if "all" in self.fields or (self.everything and not self.fields):
            return ALL_FIELDS
        if not self.fields and self.kind and Kind.ADDRESS not in self.kind:
            return ("value",)  # rules have no address, and a file of nothing but its header looks like an empty list
        return tuple(self.fields) or ADDRESS_ONLY


class StatsResponse(Wire):
    """Counts of entries."""

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
    entries: int = Field(description="Entries on it that block now.")


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

    erased: int = Field(
        description="Addresses that were known and are wiped; what blocked still does, and so does what "
        "only an allow-list rule about the very address held back: that rule is wiped as well."
    )
    unknown: int = Field(description="Addresses that nothing was known about.")
