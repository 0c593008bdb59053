"""The fold over an address's events: order and repetition cannot matter; only what should block blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.effort import examples
from validator.blacklist.entry import Cause
from validator.errors import Conflict
from validator.feedback.classify import Classifier
from validator.feedback.event import Event, EventKind, Reported, judge
from validator.feedback.policy import Policy, Standing, decide
from validator.feedback.reasons import Action, Disposition, FailureReason
from validator.reference import load_reference

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
CLASSIFIER = Classifier(load_reference())
POLICY = Policy(CLASSIFIER.reasons)
FULL = "552 5.2.2 Mailbox full"
GONE = "550 5.1.1 User unknown"
TIMEOUT = "connection timed out"


def event(day: float, text: str = "", kind: EventKind = EventKind.BOUNCE, *, confirmed: bool | None = None) -> Event:
    at = START + timedelta(days=day)
    made = judge(
        Reported(kind, "a@far.example", "test", f"{day}:{text}:{kind}", at, text=text), CLASSIFIER, received_at=at
    )
    return Event(made.reported, made.classification, made.received_at, made.rules_version, confirmed)


def after(*events: Event, days: float = 60, forgiven: float | None = None) -> Standing:
    pardon = None if forgiven is None else START + timedelta(days=forgiven)
    return decide(events, POLICY, START + timedelta(days=days), forgiven_at=pardon)


def cause(standing: Standing) -> Cause | None:
    return standing.block.cause if standing.block else None


def test_a_dead_mailbox_blocks_at_once_and_for_good() -> None:
    standing = after(event(0, GONE), days=900)
    assert cause(standing) is Cause.MAILBOX_NOT_FOUND
    assert standing.block is not None
    assert standing.block.until is None


def test_soft_failures_count_days_not_events() -> None:
    same_day = [event(hour / 24 / 2, FULL) for hour in range(10)]
    assert cause(after(*same_day, days=1)) is None
    assert after(*same_day, days=1).soft_days == 1
    assert cause(after(event(0, FULL), event(1, FULL), days=2)) is None
    third = after(event(0, FULL), event(1, FULL), event(2, FULL), days=3)
    assert cause(third) is Cause.REPEATED_SOFT_BOUNCE
    assert cause(after(event(0, FULL), event(1, FULL), event(40, FULL), days=41)) is None


def test_a_soft_entry_expires_and_doubles_when_it_comes_back() -> None:
    first = [event(day, FULL) for day in (0, 1, 2)]
    again = [event(day, FULL) for day in (40, 41, 42)]
    assert cause(after(*first, days=31)) is Cause.REPEATED_SOFT_BOUNCE
    assert cause(after(*first, days=33)) is None
    second = after(*first, *again, days=43)
    assert second.block is not None
    assert second.block.until == START + timedelta(days=42 + 60)


def test_a_delivery_resets_the_count_and_lifts_soft_entries_only() -> None:
    soft = [event(day, FULL) for day in (0, 1, 2)]
    delivered = event(3, kind=EventKind.DELIVERY)
    lifted = after(*soft, delivered, days=4)
    assert (cause(lifted), lifted.lifted) == (None, "a message was delivered")
    assert cause(after(soft[0], soft[1], event(1.5, kind=EventKind.DELIVERY), soft[2], days=4)) is None
    assert cause(after(event(0, GONE), delivered, days=4)) is Cause.MAILBOX_NOT_FOUND
    assert cause(after(event(0, kind=EventKind.COMPLAINT), delivered, days=4)) is Cause.COMPLAINT


def test_their_trouble_needs_five_days_over_a_week() -> None:
    days = [event(day, TIMEOUT) for day in range(5)]
    assert cause(after(*days, days=6)) is None
    assert cause(after(*days, event(7, TIMEOUT), days=8)) is Cause.REPEATED_SOFT_BOUNCE


@pytest.mark.parametrize(
    "text",
    ["554 5.7.1 blocked using zen.spamhaus.org", "Envelope blocked", "550 5.7.26 fails DMARC policy", "looks like spam",
     "450 4.2.0 greylisted", "421 rate limit exceeded", "previously bounced address", "450 gibberish"],
)  # fmt: skip
def test_what_is_not_the_addresss_fault_never_blocks(text: str) -> None:
    assert cause(after(*[event(day, text) for day in range(60)], days=60)) is None


def test_an_unknown_permanent_failure_counts_as_soft() -> None:
    assert cause(after(*[event(day, "550 gibberish") for day in range(3)], days=4)) is Cause.REPEATED_SOFT_BOUNCE


def test_a_temporary_user_unknown_and_a_deferral_are_evidence_not_proof() -> None:
    assert cause(after(event(0, "450 4.1.1 User unknown"), days=1)) is None
    assert cause(after(event(0, GONE, EventKind.DEFERRAL), days=1)) is None
    three = [event(day, GONE, EventKind.DEFERRAL) for day in range(3)]
    assert cause(after(*three, days=4)) is Cause.REPEATED_SOFT_BOUNCE


def test_a_domain_reason_blocks_only_when_our_dns_agrees() -> None:
    assert cause(after(event(0, "No MX for far.example"), days=1)) is None
    assert cause(after(event(0, "No MX for far.example", confirmed=False), days=1)) is None
    agreed = event(0, "No MX for far.example", confirmed=True)
    assert cause(after(agreed, days=1)) is Cause.DOMAIN_NO_MAIL
    assert cause(after(agreed, event(2, kind=EventKind.DOMAIN_WORKS), days=3)) is None


def test_subscribing_again_lifts_an_unsubscription_and_no_complaint() -> None:
    again = event(2, kind=EventKind.PROVIDER_UNSUPPRESSED)
    assert cause(after(event(0, kind=EventKind.UNSUBSCRIBE), again, days=3)) is None
    assert cause(after(event(0, kind=EventKind.COMPLAINT), again, days=3)) is Cause.COMPLAINT


def test_what_was_forgiven_by_hand_does_not_come_back() -> None:
    assert cause(after(event(0, GONE), days=5, forgiven=1)) is None
    assert cause(after(event(0, GONE), event(2, GONE), days=5, forgiven=1)) is Cause.MAILBOX_NOT_FOUND


_TEXTS = ["", FULL, GONE, TIMEOUT, "550 gibberish", "450 gibberish", "spam", "No MX for far.example", "5.2.1 disabled"]
_KINDS = list(EventKind)
_EVENTS = st.builds(
    event,
    st.floats(0, 100, allow_nan=False),
    st.sampled_from(_TEXTS),
    st.sampled_from(_KINDS),
    confirmed=st.sampled_from([None, True, False]),
)


@given(st.lists(_EVENTS, max_size=14), st.randoms(use_true_random=False))
@settings(max_examples=examples(150), deadline=None)
def test_order_and_repetition_cannot_matter(events: list[Event], chance: object) -> None:
    shuffled = [*events, *events]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    unique = {(e.reported.provider, e.reported.event_id): e for e in shuffled}
    assert after(*unique.values()) == after(*shuffled)


@given(st.lists(_EVENTS, max_size=14))
@settings(max_examples=examples(150), deadline=None)
def test_only_dispositions_that_may_block_do(events: list[Event]) -> None:
    block = after(*events).block
    if block is not None:
        disposition = CLASSIFIER.reasons[block.reason].disposition
        assert disposition not in {Disposition.SENDER, Disposition.NONE}
        assert block.reason is not FailureReason.UNKNOWN or any(e.classification.permanent for e in events)


def test_a_changed_policy_is_checked() -> None:
    lenient = POLICY.changed({FailureReason.MAILBOX_FULL: {"days": 1}})
    assert decide([event(0, FULL)], lenient, START + timedelta(days=1)).block is not None
    for reason, fields in (
        (FailureReason.SENDER_REJECTED, {"action": Action.BLOCK}),
        (FailureReason.MAILBOX_FULL, {"days": 0}),
        (FailureReason.CONTENT_SPAM, {"action": Action.COUNT, "days": 1, "within_days": 3}),
    ):
        with pytest.raises(Conflict):
            POLICY.changed({reason: fields})


class Deliveries(RuleBasedStateMachine):
    """Events arrive late, twice and out of order; a second reader gets them in order. Both always stand the same."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[Event] = []

    @rule(new=_EVENTS, place=st.integers(0, 30))
    def arrives(self, new: Event, place: int) -> None:
        """A new event, at any place of what was delivered so far."""
        if all(old.reported.event_id != new.reported.event_id for old in self.arrived):
            self.arrived.insert(min(place, len(self.arrived)), new)

    @rule(place=st.integers(0, 30))
    def arrives_again(self, place: int) -> None:
        """An event that was delivered before."""
        if self.arrived:
            self.arrived.append(self.arrived[place % len(self.arrived)])

    @invariant()
    def stands_as_if_in_order(self) -> None:
        """What counts is when things happened."""
        in_order = {e.reported.event_id: e for e in sorted(self.arrived, key=lambda e: (e.at, e.reported.event_id))}
        assert after(*self.arrived) == after(*in_order.values())


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=examples(40), stateful_step_count=20, deadline=None)
