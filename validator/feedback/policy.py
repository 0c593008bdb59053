"""When failures become a blacklist entry: one fold over everything known about an address. Pure.

The fold sorts by the time of the events, so the order and number of their arrivals cannot matter; recording an event
compares the decision with and without it and acts only on the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from validator.blacklist.entry import Cause, outweighs
from validator.errors import Conflict
from validator.feedback.event import Event, EventKind
from validator.feedback.reasons import Action, Disposition, FailureReason, ReasonFacts

MAX_TERM = timedelta(days=365)
"""Longest time that a repeated soft failure blocks."""

EVIDENCE_CHARS = 300
"""Characters of a reply that an entry quotes."""
_CAUSES = {
    FailureReason.MAILBOX_NOT_FOUND: Cause.MAILBOX_NOT_FOUND,
    FailureReason.DOMAIN_NOT_FOUND: Cause.DOMAIN_NOT_FOUND,
    FailureReason.DOMAIN_NO_MAIL: Cause.DOMAIN_NO_MAIL,
    FailureReason.MAILBOX_MOVED: Cause.MAILBOX_MOVED,
    FailureReason.MAILBOX_DISABLED: Cause.MAILBOX_DISABLED,
    FailureReason.COMPLAINT: Cause.COMPLAINT,
    FailureReason.UNSUBSCRIBE: Cause.UNSUBSCRIBE,
}
_MAY_BLOCK = frozenset({Disposition.HARD, Disposition.COMPLAINT})
_MAY_COUNT = frozenset({Disposition.SOFT, Disposition.TRANSIENT, Disposition.HARD, Disposition.UNKNOWN})
_DOMAIN_CAUSES = frozenset({Cause.DOMAIN_NOT_FOUND, Cause.DOMAIN_NO_MAIL})
FEEDBACK_CAUSES = frozenset({*_CAUSES.values(), Cause.REPEATED_SOFT_BOUNCE})
"""Every cause that feedback can enter, and therefore lift."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How many failures block: the numbers of one row of the policy."""

    days: int
    """Distinct UTC days."""
    within_days: int
    """All of them in a window this long."""
    over_days: int
    """First and last at least this far apart."""
    term_days: int
    """How long the entry blocks the first time; doubles."""


SOFT = Counting(3, 30, 0, 30)
"""Used for a hard reason in a temporary reply or a delay: it is evidence, not yet proof."""
TRANSIENT = Counting(5, 30, 7, 14)
"""Used for a domain reason that our own DNS did not confirm."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What each reason leads to."""

    facts: Mapping[FailureReason, ReasonFacts]
    """One row per reason."""

    def changed(self, overrides: Mapping[FailureReason, Mapping[str, Any]]) -> Policy:
        """The policy with some fields of some rows replaced; raises `Conflict` for one that is not safe."""
        facts = dict(self.facts)
        for reason, fields in overrides.items():
            facts[reason] = _safe(replace(facts[reason], **fields))
        return Policy(facts)


def _safe(row: ReasonFacts) -> ReasonFacts:
    """Refuse a row that would count the sender's own faults against an address."""
    if row.action is Action.BLOCK and row.disposition not in _MAY_BLOCK:
        raise Conflict(f"{row.reason}: a reason of disposition {row.disposition} cannot block at once")
    if row.action is Action.COUNT and (row.disposition not in _MAY_COUNT or row.days < 1 or row.within_days < row.days):
        raise Conflict(f"{row.reason}: needs 1 or more days within a window that holds them, and a fault of theirs")
    return row


@dataclass(frozen=True, slots=True)
class Block:
    """A decision to block."""

    cause: Cause
    """Why."""
    reason: FailureReason
    """The reason of the event that decided."""
    since: datetime
    """Time of the event that decided."""
    until: datetime | None
    """End; None for good."""
    last_event: datetime
    """Time of the last event that speaks for it."""
    source: str
    """Who reported the event that decided."""
    evidence: str
    """For people: the reason, the words, the rule and the event that decided."""

    def holds(self, now: datetime) -> bool:
        """Whether it blocks at *now*."""
        return self.until is None or self.until > now


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything known about an address, decided."""

    block: Block | None
    """The decision; None: not blocked, or no longer."""
    lifted: str
    """Why the last block ended, when something ended it; else empty."""
    soft_days: int
    """Distinct days of soft failures that count now."""
    transient_days: int
    """The same of transient ones."""
    last_failure: datetime | None
    """Time of the last failure that counts."""
    last_reason: FailureReason | None
    """Its reason."""
    last_delivery: datetime | None
    """Time of the last delivery."""


@dataclass(slots=True)
class _Fold:
    """The state of an address while its events are read in order."""

    days: dict[Counting, list[date]] = field(default_factory=dict)
    strikes: int = 0
    block: Block | None = None
    lifted: str = ""
    last_failure: datetime | None = None
    last_reason: FailureReason | None = None
    last_delivery: datetime | None = None

    def end(self, why: str) -> None:
        self.block = None
        self.lifted = why

    def forget(self) -> None:
        self.days.clear()
        self.strikes = 0
        self.last_failure = self.last_reason = None


def decide(events: Iterable[Event], policy: Policy, now: datetime, *, forgiven_at: datetime | None = None) -> Standing:
    """The standing of one address after all of its *events*, in whatever order and however often they are given.

    Events up to *forgiven_at* (somebody took the address off the list by hand) do not count any more.
    """
    state = _Fold()
    unique = {(event.reported.provider, event.reported.event_id): event for event in events}
    for event in sorted(unique.values(), key=_order):
        if forgiven_at is None or event.at > forgiven_at:
            _read(state, event, policy)
    if state.block is not None and not state.block.holds(now):
        state.end("its term was over")
    today = now.date()
    counted = {counting: _recent(days, counting, today) for counting, days in state.days.items()}
    return Standing(
        block=state.block,
        lifted=state.lifted if state.block is None else "",
        soft_days=sum(len(days) for counting, days in counted.items() if not counting.over_days),
        transient_days=sum(len(days) for counting, days in counted.items() if counting.over_days),
        last_failure=state.last_failure,
        last_reason=state.last_reason,
        last_delivery=state.last_delivery,
    )


def _order(event: Event) -> tuple[datetime, int, str, str]:
    """Time, then deliveries after failures of the same moment, then identifiers: the same in every process."""
    late = event.reported.kind in {EventKind.DELIVERY, EventKind.DOMAIN_WORKS, EventKind.PROVIDER_UNSUPPRESSED}
    return event.at, int(late), event.reported.provider, event.reported.event_id


def _read(state: _Fold, event: Event, policy: Policy) -> None:
    if state.block is not None and not state.block.holds(event.at):
        state.end("its term was over")
    match event.reported.kind:
        case EventKind.DELIVERY:
            state.last_delivery = event.at
            state.forget()
            if state.block is not None and state.block.cause is Cause.REPEATED_SOFT_BOUNCE:
                state.end("a message was delivered")
        case EventKind.PROVIDER_UNSUPPRESSED:
            if state.block is not None and state.block.cause is Cause.UNSUBSCRIBE:
                state.end("the person subscribed again")
        case EventKind.DOMAIN_WORKS:
            if state.block is not None and state.block.cause in _DOMAIN_CAUSES:
                state.end("the domain takes mail again")
        case EventKind.PROVIDER_SUPPRESSED | EventKind.AUTO_REPLY | EventKind.IGNORED:
            pass
        case _:
            _read_failure(state, event, policy)


def _read_failure(state: _Fold, event: Event, policy: Policy) -> None:
    facts = policy.facts[event.classification.reason]
    match facts.action:
        case Action.NEVER:
            return
        case Action.BLOCK if facts.disposition in _MAY_BLOCK:
            if facts.confirm and event.confirmed is not True:
                _count(state, event, TRANSIENT)
            elif event.reported.kind is EventKind.DEFERRAL or event.classification.permanent is False:
                _count(state, event, SOFT)
            else:
                term = timedelta(days=facts.term_days) if facts.term_days else None
                _block(state, event, _CAUSES[facts.reason], term)
        case Action.COUNT if facts.disposition in _MAY_COUNT:
            if facts.reason is FailureReason.UNKNOWN and event.classification.permanent is not True:
                return
            _count(state, event, Counting(facts.days, facts.within_days, facts.over_days, facts.term_days))
        case _:
            return


def _count(state: _Fold, event: Event, counting: Counting) -> None:
    """One more day against the address; a block that holds already is only kept up to date."""
    if state.block is not None:
        if state.block.cause is Cause.REPEATED_SOFT_BOUNCE:
            state.block = replace(state.block, last_event=event.at)
        return
    state.last_failure, state.last_reason = event.at, event.classification.reason
    day = event.at.date()
    days = _recent(state.days.get(counting, []), counting, day)
    if day not in days:
        days.append(day)
    state.days[counting] = days
    if len(days) >= counting.days and (days[-1] - days[0]).days >= counting.over_days:
        term = min(timedelta(days=counting.term_days) * 2 ** min(state.strikes, 12), MAX_TERM)
        state.strikes += 1
        state.days.clear()
        _block(state, event, Cause.REPEATED_SOFT_BOUNCE, term, counted=f"failed on {len(days)} days since {days[0]}")


def evidence_of(event: Event, counted: str = "") -> str:
    """Why an event decided, in a line for the entry: reason, what was counted, words, codes, rule, type, event."""
    reported, found = event.reported, event.classification
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in reported.text).split())
    codes = " ".join(str(part) for part in (found.code, found.enhanced_status) if part)
    parts = [
        f"{found.reason}",
        counted,
        f"\u201c{words[:EVIDENCE_CHARS]}\u201d" if words else "",
        f"code {codes}" if codes else "",
        f"rule {found.rule}",
        f"type {reported.raw_type[:EVIDENCE_CHARS]}" if reported.raw_type else "",
        f"event {reported.provider}/{reported.event_id[:EVIDENCE_CHARS]}",
    ]
    return "; ".join(part for part in parts if part)


def _recent(days: list[date], counting: Counting, today: date) -> list[date]:
    """The days that still lie in the window that ends *today*."""
    return [day for day in days if (today - day).days < counting.within_days]


def _block(state: _Fold, event: Event, cause: Cause, term: timedelta | None, *, counted: str = "") -> None:
    until = None if term is None else event.at + term
    held = state.block
    state.last_failure, state.last_reason = event.at, event.classification.reason
    if held is None or outweighs(cause, held.cause):
        since = event.at
        evidence, provider = evidence_of(event, counted), event.reported.provider
        state.block = Block(cause, event.classification.reason, since, until, event.at, provider, evidence)
    elif held.cause is cause:
        later = None if until is None or held.until is None else max(until, held.until)
        state.block = replace(held, until=later, last_event=event.at)
    else:
        state.block = replace(held, last_event=event.at)
