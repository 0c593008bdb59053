"""Feedback: everything the rest of the service asks of events, opened and closed as one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import orjson

from validator import metrics
from validator.background import keep_running
from validator.blacklist.entry import Cause, RuleFault
from validator.blacklist.keys import address_rule
from validator.database import Database
from validator.errors import StorageUnavailable, WebhookRejected
from validator.feedback import store
from validator.feedback.classify import Classifier
from validator.feedback.event import Event, EventKind, Reported, judge, key_of
from validator.feedback.policy import Policy
from validator.feedback.reasons import FailureReason
from validator.feedback.webhooks.standard import load_secret
from validator.reference import Reference
from validator.settings import Settings

if TYPE_CHECKING:
    from validator.database.connecting import AsyncConnection
    from validator.feedback.recording import Changed, Written

ConfirmDomain = Callable[[str], Awaitable[bool | None]]
"""Whether a domain (A-labels) takes no mail: True, False, or None when DNS could not tell."""
Clock = Callable[[], datetime]

TRANSACTION_EVENTS = 500
"""Events in one transaction."""
FORGOTTEN_AT_ONCE = 5_000
"""Events that one transaction lets go of when their retention is over."""
_TRANSACTION_S = 30.0
_TEND_EVERY_S = 3_600.0
_CONFIRM_AT_ONCE = 32
_DOMAIN_CAUSES = (Cause.DOMAIN_NOT_FOUND, Cause.DOMAIN_NO_MAIL)
_IGNORED_DAYS = 14
_COUNTED_DAYS = 30
_TOKEN_DAYS = 30


def utc_now() -> datetime:
    """The clock of everything that is written."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that was not stored."""

    index: int
    """Its place among those given."""
    why: str
    """For people; never quotes the value."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's events; every one is in exactly one of the four."""

    accepted: int
    """Stored, and say something about an address."""
    duplicate: int
    """Were stored before."""
    ignored: int
    """Stored, and say nothing about an address."""
    invalid: tuple[Refused, ...]
    """Not stored."""


class Feedback:
    """Events in, blacklist entries out. Every method raises `StorageUnavailable` when the store cannot be used."""

    def __init__(
        self,
        database: Database,
        reference: Reference,
        *,
        confirm_domain: ConfirmDomain,
        notices: bool = False,
        retention_days: int = 730,
        clock: Clock = utc_now,
    ) -> None:
        """*notices* says whether outgoing notices are queued; sending them is `notify`'s. Raises `DatasetError`."""
        self.database = database
        self._reference = reference
        # rules that came with the installation are built later: tests have done it; an operator's own may have a fault
        self._classifier = None if reference.shipped else Classifier(reference)
        self._confirm_domain = confirm_domain
        self._notices = notices
        self._retention_days = retention_days
        self.clock = clock

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database: Database,
        reference: Reference,
        settings: Settings,
        *,
        confirm_domain: ConfirmDomain,
        clock: Clock = utc_now,
    ) -> AsyncIterator[Self]:
        """A service configured by *settings*, with its background work: notices, retention, domains that work again."""
        feedback = cls(
            database,
            reference,
            confirm_domain=confirm_domain,
            notices=bool(settings.notice_url),
            retention_days=settings.event_retention_days,
            clock=clock,
        )
        tasks = [keep_running(feedback._tend_for_ever, "feedback-tending")]
        if settings.notice_url:
            from validator.feedback.notify import Notifier, parse_destination

            destination = parse_destination(settings.notice_url, private=settings.notice_private_networks)
            key = load_secret(settings.notice_secret.get_secret_value(), setting="VALIDATOR_NOTICE_SECRET")
            notifier = Notifier(database, destination, key, clock=clock)
            tasks.append(keep_running(notifier.run, "feedback-notices"))
        try:
            yield feedback
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tend_for_ever(self) -> None:
        """Once an hour, first after an hour; a store that cannot be used now is tried again then."""
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            with suppress(StorageUnavailable):
                await self.tend()
                await self.recheck_domains()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return Policy(self.classifier.reasons)

    @property
    def classifier(self) -> Classifier:
        """The rules in force, built from the tables with their first use."""
        if self._classifier is None:
            self._classifier = Classifier(self._reference)
        return self._classifier

    async def record(self, reported: Sequence[Reported], *, token: str = "", body: bytes = b"") -> Receipt:
        """Store events and decide, exactly once each, in transactions that are over when this returns.

        Raises `WebhookRejected` when *token* was used before with another *body*.
        """
        now = self.clock()
        refused = []
        events: list[tuple[int, Event]] = []
        for index, item in enumerate(reported):
            why = _fault_of(item)
            if why:
                refused.append(Refused(index, why))
            else:
                events.append((index, judge(item, self.classifier, received_at=now)))
        judged = await self._confirmed([event for _, event in events])
        counts = {"accepted": 0, "duplicate": 0, "ignored": 0}
        seen: set[tuple[str, str, str]] = set()
        starts = range(0, len(judged), TRANSACTION_EVENTS) if judged else range(1)
        for start in starts:
            chunk = judged[start : start + TRANSACTION_EVENTS]
            written = await self._write(chunk, now, token=token, body=body)
            for event in chunk:
                name = (key_of(event.reported.address), event.reported.provider, store.events.plain_id(event))
                if name not in written.added or name in seen:
                    outcome = "duplicate"
                else:
                    outcome = "ignored" if event.reported.kind is EventKind.IGNORED else "accepted"
                    _count_failure(event)
                seen.add(name)
                counts[outcome] += 1
                metrics.FEEDBACK_EVENTS.labels(event.reported.kind, outcome).inc()
        if refused:
            metrics.FEEDBACK_EVENTS.labels("none", "invalid").inc(len(refused))
        return Receipt(**counts, invalid=tuple(refused))

    async def _write(self, events: Sequence[Event], now: datetime, *, token: str, body: bytes) -> Written:
        from validator.feedback.recording import write_events

        async with self.database.transaction(timeout_s=_TRANSACTION_S) as conn:
            if token and not await store.notices.use_token(conn, token, body, now):
                raise WebhookRejected("its token was used before")
            written = await write_events(conn, events, self.classifier, self.policy, now)
            if self._notices and written.changes:
                await store.notices.add_notices(conn, [notice_of(changed, now) for changed in written.changes], now)
        for changed in written.changes:
            metrics.FEEDBACK_CHANGES.labels("blacklisted" if changed.block else "lifted").inc()
        return written

    async def _confirmed(self, events: list[Event]) -> list[Event]:
        """Ask our own DNS about every domain that a failure calls dead, each once."""
        facts = self.classifier.reasons
        doubtful = {
            domain: None
            for event in events
            if facts[event.classification.reason].confirm and (domain := _domain_of(event.reported.address))
        }
        if not doubtful:
            return events
        limit = asyncio.Semaphore(_CONFIRM_AT_ONCE)

        async def ask(domain: str) -> bool | None:
            async with limit:
                return await self._confirm_domain(domain)

        answers = dict(zip(doubtful, await asyncio.gather(*map(ask, doubtful)), strict=True))
        return [
            replace(event, confirmed=answers.get(_domain_of(event.reported.address)))
            if facts[event.classification.reason].confirm
            else event
            for event in events
        ]

    async def events(
        self,
        *,
        address: str | None = None,
        kind: EventKind | None = None,
        reason: FailureReason | None = None,
        since: datetime | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Stored events as evidence, newest arrival first."""
        key = None if address is None else key_of(address)
        async with self.database.reading() as conn:
            rows = await store.events.evidence(
                conn, key=key, kind=kind, reason=reason, since=since, before_id=before_id, limit=limit
            )
        return [dict(row._mapping) for row in rows]

    async def latest_events(self, address: str, *, limit: int = 10) -> list[dict[str, Any]]:
        """The evidence beside an entry: what was last reported about an address, in whatever spelling, newest first.

        Leaves out what says nothing about it (opened, clicked). The rows are those of `events`.
        """
        async with self.database.reading() as conn:
            rows = await store.events.latest_events(conn, key_of(address), limit)
        return [dict(row._mapping) for row in rows]

    async def soft_bounces(self, address: str) -> dict[str, object] | None:
        """Counters of an address that is failing and not blocked yet, for `explain`; None when there are none."""
        async with self.database.reading() as conn:
            row = await store.events.standing_row(conn, key_of(address))
        if row is None or not (row.soft_days or row.transient_days):
            return None
        return {
            "days": row.soft_days,
            "transient_days": row.transient_days,
            "last_at": row.last_failure.isoformat() if row.last_failure else None,
            "reason": row.last_reason,
        }

    async def evidence(self, address: str) -> Mapping[str, object]:
        """What `explain` shows of an address: `soft_bounces`, when there are any."""
        counted = await self.soft_bounces(address)
        return {"soft_bounces": counted} if counted else {}

    async def erase_keys(self, conn: AsyncConnection, keys: Sequence[str]) -> int:
        """Delete what is kept about these address keys, inside somebody else's transaction."""
        return await store.erasing.erase_keys(conn, keys)

    async def count_soft_bounced(self, conn: AsyncConnection) -> int:
        """`count_soft` inside somebody else's view of the store."""
        return await store.events.count_soft(conn, self.clock() - timedelta(days=_COUNTED_DAYS))

    async def count_soft(self) -> int:
        """Addresses that have failed softly of late and are not blocked; for the counts of the blacklist."""
        async with self.database.reading() as conn:
            return await store.events.count_soft(conn, self.clock() - timedelta(days=_COUNTED_DAYS))

    def evidence_since(self) -> datetime:
        """From when on every event is still there."""
        return self.clock() - timedelta(days=self._retention_days)

    async def tend(self) -> int:
        """Drop what is over its retention; answers how many events went.

        In portions, between which others may write: a retention that was made shorter lets go of millions at once.
        """
        now = self.clock()
        gone, portion = 0, FORGOTTEN_AT_ONCE
        while portion == FORGOTTEN_AT_ONCE:
            async with self.database.transaction(timeout_s=_TRANSACTION_S) as conn:
                portion = await store.notices.forget_before(
                    conn,
                    events=self.evidence_since(),
                    ignored=now - timedelta(days=min(_IGNORED_DAYS, self._retention_days)),
                    tokens=now - timedelta(days=_TOKEN_DAYS),
                    most=FORGOTTEN_AT_ONCE,
                )
            gone += portion
        return gone

    async def notices(self, *, retry: bool = False) -> dict[str, int]:
        """Outgoing notices by state; with *retry* those that were given up are tried again from the start."""
        async with self.database.transaction() as conn:
            if retry:
                await store.notices.revive_notices(conn, self.clock())
            return await store.notices.count_notices(conn)

    async def recheck_domains(self) -> int:
        """Lift the entries of addresses whose domain takes mail again; answers how many were asked about."""
        asked = 0
        async for batch in self._dead_addresses():
            domains = sorted({_domain_of(address) for address in batch} - {""})
            works = {domain for domain in domains if await self._confirm_domain(domain) is False}
            asked += len(batch)
            now = self.clock()
            healed = [
                Reported(
                    EventKind.DOMAIN_WORKS, address, "dns", f"works:{now:%Y-%m-%dT%H}", now, raw_type="domain_works"
                )
                for address in batch
                if _domain_of(address) in works
            ]
            if healed:
                await self.record(healed)
        return asked

    async def _dead_addresses(self) -> AsyncIterator[list[str]]:
        after = ""
        while True:
            async with self.database.reading() as conn:
                found = await store.events.dead_domains(conn, _DOMAIN_CAUSES, after, store.events.CHUNK)
            if not found:
                return
            after = found[-1][0]
            yield [shown for _, shown in found]


def _count_failure(event: Event) -> None:
    if event.reported.kind in {EventKind.BOUNCE, EventKind.DEFERRAL}:
        found = event.classification
        metrics.FEEDBACK_JUDGED.labels(found.reason, found.disposition).inc()


def notice_of(changed: Changed, now: datetime) -> tuple[str, str, str]:
    """Message id, kind and body of the notice about a change of the blacklist."""
    kind = "address.blacklisted" if changed.block else "address.lifted"
    data: dict[str, object] = {"address": changed.address, "list": "default"}
    if changed.block:
        data |= {
            "cause": changed.block.cause,
            "reason": changed.block.reason,
            "since": changed.block.since.isoformat(),
            "expires": changed.block.until.isoformat() if changed.block.until else None,
            "source": changed.block.source,
        }
    else:
        data["why"] = changed.why
    body = {"type": kind, "timestamp": now.isoformat(), "data": data}
    return f"msg_{secrets.token_hex(12)}", kind, orjson.dumps(body).decode()


def _fault_of(item: Reported) -> str:
    if item.kind is EventKind.IGNORED:
        return ""
    if not item.address:
        return "names no address"
    return "" if "@" in item.address and len(item.address) <= 320 else "not an address"


def _domain_of(address: str) -> str:
    rule = address_rule(address)
    return "" if isinstance(rule, RuleFault) else rule.key.rpartition("@")[2]
