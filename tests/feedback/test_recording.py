"""Events in, entries out, on both databases: idempotent, order-free, also with many deliverers at once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from validator.blacklist.entries import Entries
from validator.blacklist.entry import Cause, NewEntry, State
from validator.blacklist.filter import Filter
from validator.blacklist.guard import Guard
from validator.blacklist.keys import address_rule
from validator.database import Database
from validator.errors import WebhookRejected
from validator.feedback.event import EventKind, Reported
from validator.feedback.replaying import replay
from validator.feedback.service import Feedback
from validator.feedback.store.notices import add_notices, claim_notices, count_notices, settle_notice
from validator.reference import load_reference

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFERENCE = load_reference()
FULL = "552 5.2.2 Mailbox full"
GONE = "550 5.1.1 User unknown"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Dns:
    """Answers from a table and refuses what it was not told."""

    def __init__(self) -> None:
        self.no_mail: dict[str, bool | None] = {}
        self.asked: list[str] = []

    async def __call__(self, domain: str) -> bool | None:
        self.asked.append(domain)
        return self.no_mail[domain]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dns() -> Dns:
    return Dns()


@pytest.fixture
async def feedback(database: Database, clock: Clock, dns: Dns) -> Feedback:
    return Feedback(database, REFERENCE, confirm_domain=dns, notices=True, clock=clock)


def bounce(day: float, text: str = GONE, address: str = "anna@far.example", **fields: object) -> Reported:
    made = Reported(
        EventKind.BOUNCE, address, "test", f"{address}:{day}:{text}", NOW - timedelta(days=60 - day), text=text
    )
    return replace(made, **fields)  # type: ignore[arg-type]


WHY = (
    "mailbox_not_found; \u201c550 5.1.1 User unknown\u201d; code 550 5.1.1; rule no_such_user.status; "
    "event test/anna@far.example:50:550 5.1.1 User unknown"
)


async def listed(database: Database) -> dict[str, tuple[object, ...]]:
    page = await Entries(database, Guard(), clock=lambda: NOW).search(Filter(expired=False), limit=1000)
    return {e.value: (e.cause, e.source, e.created, e.last_event, e.expires, e.note) for e in page.entries}


async def test_a_dead_mailbox_is_listed_with_why_and_when(feedback: Feedback, database: Database) -> None:
    receipt = await feedback.record([bounce(50)])
    assert (receipt.accepted, receipt.duplicate, receipt.ignored, receipt.invalid) == (1, 0, 0, ())
    at = NOW - timedelta(days=10)
    assert await listed(database) == {"anna@far.example": (Cause.MAILBOX_NOT_FOUND, "feedback:test", at, at, None, WHY)}
    again = await feedback.record([bounce(50)])
    assert (again.accepted, again.duplicate) == (0, 1)


async def test_one_bad_event_never_spoils_the_rest(feedback: Feedback) -> None:
    items = [
        bounce(1),
        bounce(2, address=""),
        bounce(3, address="no at sign"),
        replace(bounce(4), kind=EventKind.IGNORED),
    ]
    receipt = await feedback.record(items)
    assert (receipt.accepted, receipt.ignored) == (1, 1)
    assert [refused.index for refused in receipt.invalid] == [1, 2]
    evidence = await feedback.events(address="ANNA@far.example")
    assert [row["kind"] for row in evidence] == ["ignored", "bounce"]


async def test_the_latest_events_of_an_address_are_those_that_happened_last(feedback: Feedback) -> None:
    opened = replace(bounce(59), kind=EventKind.IGNORED)
    await feedback.record([bounce(40), bounce(50, FULL), bounce(30), opened, bounce(55, address="olga@far.example")])
    latest = await feedback.latest_events("ANNA@Far.Example", limit=2)
    assert [(row["kind"], row["text"], row["occurred_at"]) for row in latest] == [
        ("bounce", FULL, NOW - timedelta(days=10)),
        ("bounce", GONE, NOW - timedelta(days=20)),
    ]
    assert await feedback.latest_events("nobody@far.example") == []


async def test_soft_failures_are_counted_before_they_block(feedback: Feedback, database: Database) -> None:
    await feedback.record([bounce(57, FULL), bounce(58, FULL)])
    assert await listed(database) == {}
    assert await feedback.count_soft() == 1
    counted = await feedback.soft_bounces("anna@far.example")
    assert counted is not None
    assert (counted["days"], counted["reason"]) == (2, "mailbox_full")
    await feedback.record([bounce(59, FULL)])
    entry = (await listed(database))["anna@far.example"]
    assert entry[0] is Cause.REPEATED_SOFT_BOUNCE
    assert "failed on 3 days since 2026-02-26" in str(entry[-1])
    assert await feedback.count_soft() == 0
    await feedback.record([replace(bounce(59.5), kind=EventKind.DELIVERY)])
    assert await listed(database) == {}


async def test_domains_are_confirmed_by_our_own_dns_and_lifted_by_it(
    feedback: Feedback, database: Database, dns: Dns, clock: Clock
) -> None:
    dns.no_mail = {"far.example": None, "gone.example": True}
    await feedback.record(
        [bounce(55, "No MX for far.example"), bounce(55, "No MX for gone.example", "olga@gone.example")]
    )
    assert set(await listed(database)) == {"olga@gone.example"}
    dns.no_mail = {"gone.example": False}
    clock.now += timedelta(hours=1)
    assert await feedback.recheck_domains() == 1
    assert await listed(database) == {}
    clock.now += timedelta(hours=1)
    assert await feedback.recheck_domains() == 0  # nor ever again, with one more event each time
    assert len(await feedback.events(address="olga@gone.example")) == 2


async def test_what_was_removed_by_hand_stays_removed_until_it_fails_anew(
    feedback: Feedback, database: Database, clock: Clock
) -> None:
    entries = Entries(database, Guard(), clock=clock)
    await feedback.record([bounce(50)])
    [entry] = (await entries.search(Filter())).entries
    await entries.remove(entry.id, actor="ann", why="he called")
    clock.now += timedelta(minutes=1)
    await feedback.record([bounce(51), bounce(52)])
    assert await listed(database) == {}
    clock.now += timedelta(days=2)
    await feedback.record([replace(bounce(53), occurred_at=clock.now, event_id="new")])
    assert set(await listed(database)) == {"anna@far.example"}


async def test_a_manual_entry_is_not_touched(feedback: Feedback, database: Database, clock: Clock) -> None:
    entries = Entries(database, Guard(), clock=clock)
    rule = address_rule("anna@far.example")
    await entries.add([NewEntry(rule, Cause.MANUAL, "api")], actor="ann")  # type: ignore[arg-type]
    await feedback.record([bounce(57, FULL), bounce(58, FULL), bounce(59, FULL)])
    await feedback.record([replace(bounce(59.5), kind=EventKind.DELIVERY)])
    [entry] = (await entries.search(Filter())).entries
    assert (entry.cause, entry.state) == (Cause.MANUAL, State.ACTIVE)


async def test_a_token_counts_once(feedback: Feedback) -> None:
    await feedback.record([bounce(1)], token="t-1", body=b"one")
    again = await feedback.record([bounce(1)], token="t-1", body=b"one")
    assert again.duplicate == 1
    with pytest.raises(WebhookRejected):
        await feedback.record([bounce(2)], token="t-1", body=b"two")


async def test_notices_are_queued_with_the_change(feedback: Feedback, database: Database) -> None:
    await feedback.record([bounce(50), bounce(57, FULL, "olga@far.example")])
    await feedback.record([bounce(50)])
    async with database.transaction() as conn:
        assert await count_notices(conn) == {"pending": 1}
        [notice] = await claim_notices(conn, NOW, limit=10, lease=timedelta(minutes=1))
        assert await claim_notices(conn, NOW, limit=10, lease=timedelta(minutes=1)) == []
    assert notice.kind == "address.blacklisted"


async def test_text_that_a_database_dislikes_is_kept_as_it_can_be(feedback: Feedback) -> None:
    await feedback.record([bounce(1, "nul \x00 lone \ud800 " + "x" * 5000)])
    [row] = await feedback.events(address="anna@far.example")
    assert "\x00" not in row["text"]
    assert len(row["text"].encode()) <= 1024


async def test_retention_drops_events_and_keeps_entries(feedback: Feedback, database: Database, clock: Clock) -> None:
    await feedback.record([bounce(50)])
    clock.now += timedelta(days=800)
    assert await feedback.tend() == 1
    assert set(await listed(database)) == {"anna@far.example"}
    assert (await replay(feedback, dry_run=False, rejudge=True)).lifted_count == 0
    assert set(await listed(database)) == {"anna@far.example"}


async def test_retention_leaves_nothing_of_an_address_without_events(
    feedback: Feedback, database: Database, clock: Clock
) -> None:
    await feedback.record([bounce(50, FULL), bounce(50, FULL, "olga@far.example")])
    clock.now += timedelta(days=800)
    fresh = replace(bounce(50, FULL, "olga@far.example"), occurred_at=clock.now, event_id="fresh")
    await feedback.record([fresh])
    assert await feedback.tend() == 2
    async with database.reading() as conn:
        kept = await conn.exec_driver_sql("SELECT key FROM feedback_address")
        assert [row[0] for row in kept] == ["olga@far.example"]
    assert await feedback.soft_bounces("olga@far.example") is not None


async def test_retention_lets_go_in_portions_and_of_notices_that_were_given_up(
    feedback: Feedback, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validator.feedback.service.FORGOTTEN_AT_ONCE", 2)
    await feedback.record([bounce(50 + number) for number in range(5)])
    async with database.transaction() as conn:
        await add_notices(conn, [("msg_1", "address.lifted", "{}")], clock.now)
        waiting = (await count_notices(conn))["pending"] - 1
        [first] = await claim_notices(conn, clock.now, limit=1, lease=timedelta(0))
        await settle_notice(conn, first.id, state="dead", error="", due=clock.now)
    clock.now += timedelta(days=800)
    assert await feedback.tend() == 5
    async with database.transaction() as conn:
        assert await count_notices(conn) == ({"pending": waiting} if waiting else {})


def _log(chance: random.Random, addresses: int) -> list[Reported]:
    kinds = [EventKind.BOUNCE] * 6 + [EventKind.DELIVERY, EventKind.DELIVERY, EventKind.COMPLAINT, EventKind.DEFERRAL]
    texts = [FULL, FULL, FULL, GONE, "connection timed out", "554 blocked using zen.spamhaus.org", "550 gibberish"]
    log = []
    for number in range(addresses):
        for count in range(chance.randint(1, 9)):
            moment = NOW - timedelta(days=chance.randint(0, 50), seconds=chance.randint(0, 80_000))
            kind = chance.choice(kinds)
            log.append(
                Reported(kind, f"u{number}@far.example", "test", f"{number}-{count}", moment, text=chance.choice(texts))
            )
    return log


async def _deliver(database: Database, log: list[Reported], chance: random.Random, deliverers: int) -> None:
    doubled = [*log, *log]
    chance.shuffle(doubled)
    feedback = Feedback(database, REFERENCE, confirm_domain=Dns(), clock=lambda: NOW)

    async def deliver(part: list[Reported]) -> None:
        while part:
            size = chance.randint(1, 12)
            await feedback.record(part[:size])
            part = part[size:]

    async with asyncio.TaskGroup() as group:
        for number in range(deliverers):
            group.create_task(deliver(doubled[number::deliverers]))


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_shuffled_and_doubled_log_gives_the_same_blacklist(
    database: Database, request: pytest.FixtureRequest, tmp_path: object, seed: int
) -> None:
    log = _log(random.Random(seed), 25)
    straight = await Database.open(f"sqlite:///{tmp_path}/straight.db")
    ordered = sorted(log, key=lambda item: item.occurred_at or NOW)
    await Feedback(straight, REFERENCE, confirm_domain=Dns(), clock=lambda: NOW).record(ordered)
    wanted = await listed(straight)
    await straight.aclose()
    await _deliver(database, log, random.Random(seed + 100), deliverers=8)
    assert wanted
    assert await listed(database) == wanted


async def test_a_replay_brings_back_what_was_lost_and_judges_by_the_rules_of_today(
    feedback: Feedback, database: Database
) -> None:
    await feedback.record([bounce(50), bounce(50, FULL, "olga@far.example")])
    wanted = await listed(database)
    async with database.transaction() as conn:
        await conn.execute(text("DELETE FROM blacklist_entry"))
        await conn.execute(text("UPDATE feedback_event SET rule = 'old', reason = 'unknown', disposition = 'unknown'"))
    looked = await replay(feedback, dry_run=True, rejudge=True)
    assert (looked.addresses, looked.rejudged, looked.added) == (2, 2, ["anna@far.example"])
    assert await listed(database) == {}
    assert (await replay(feedback, dry_run=False, rejudge=True)).added_count == 1
    assert await listed(database) == wanted
    again = await replay(feedback, dry_run=False, rejudge=True)
    assert (again.added_count, again.lifted_count, again.rejudged) == (0, 0, 0)
