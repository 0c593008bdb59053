"""Any sequence of operations equals a dictionary; import then undo is the identity; export then import is the same."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.blacklist.asking import address, new
from tests.blacklist.conftest import Clock
from tests.blacklist.test_imports import bring
from tests.databases import fresh_postgres, postgres_bindir, shared_postgres_url
from tests.effort import examples
from validator.blacklist.entry import BLOCKING, Cause, Entry, State
from validator.blacklist.export_form import ALL_FIELDS, ExportFormat
from validator.blacklist.filter import Filter
from validator.blacklist.service import Blacklist
from validator.database import Database

PEOPLE = [f"{name}@example.org" for name in ("ann", "bob", "cat", "dan")]
CAUSES = [Cause.IMPORT, Cause.MAILBOX_NOT_FOUND, Cause.COMPLAINT]
WEIGHT = {Cause.IMPORT: 0, Cause.MAILBOX_NOT_FOUND: 1, Cause.COMPLAINT: 2}
SEEN = Filter(states=(State.ACTIVE, State.ARCHIVED, State.REMOVED))
Known = dict[str, tuple[State, Cause, str]]
"""Person -> state, cause, first date."""

person = st.sampled_from(PEOPLE)
cause = st.sampled_from(CAUSES)


class ListModel(RuleBasedStateMachine):
    """A blacklist on SQLite beside a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.clock = Clock()
        self.known: Known = {}
        self.imports: list[tuple[str, Known]] = []

    def do(self, work: Awaitable[Any]) -> Any:
        """Run to the end."""
        return self.loop.run_until_complete(work)  # type: ignore[arg-type]

    def url(self) -> str:
        """A new, empty store."""
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        return f"sqlite:///{Path(folder) / 'model.db'}"

    @initialize()
    def open(self) -> None:
        async def start() -> Blacklist:
            database = await Database.open(self.url())
            self.stack.push_async_callback(database.aclose)
            return await self.stack.enter_async_context(Blacklist.open(database, watch=False, clock=self.clock))

        self.blacklist: Blacklist = self.do(start())

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.loop.close()

    def _id(self, who: str) -> str | None:
        found: list[Any] = self.do(self.blacklist.entries.of_rule(new(who).rule))
        return found[0][0].id if found else None

    def _enter(self, who: str, why: Cause, *, revive: bool) -> None:
        state, old, since = self.known.get(who, (None, why, self.clock.now.isoformat()))
        if state is None or (state is State.REMOVED and revive):
            self.known[who] = (State.ACTIVE, why, self.clock.now.isoformat())
        elif state in BLOCKING:
            self.known[who] = (State.ACTIVE, why if WEIGHT[why] > WEIGHT[old] else old, since)

    @rule(who=person, why=cause)
    def add(self, who: str, why: Cause) -> None:
        self.clock.now += timedelta(seconds=1)
        self.do(self.blacklist.entries.add([new(who, cause=why)], actor="a"))
        self._enter(who, why, revive=True)
        self.imports = []

    @rule(who=person, step=st.sampled_from(["archive", "remove", "restore"]))
    def move(self, who: str, step: str) -> None:
        identifier = self._id(who)
        if who not in self.known:
            assert identifier is None
            return
        state, why, since = self.known[who]
        origins, to = {
            "archive": ({State.ACTIVE, State.ARCHIVED}, State.ARCHIVED),
            "remove": (set(State) - {State.UNDONE}, State.REMOVED),
            "restore": (set(State) - {State.UNDONE}, State.ACTIVE),
        }[step]
        if state in origins:
            self.do(getattr(self.blacklist.entries, step)(identifier, actor="a"))
            self.known[who] = (to, why, since)
            self.imports = []

    @rule(people=st.lists(st.tuples(person, cause), max_size=6), revive=st.booleans())
    def bring(self, people: list[tuple[str, Cause]], revive: bool) -> None:
        self.clock.now += timedelta(seconds=1)
        before = dict(self.known)
        text = "email,cause\n" + "".join(f"{who},{why}\n" for who, why in people)
        batch = self.do(bring(self.blacklist, text, revive=revive))
        for who in {who for who, _ in people}:  # of several lines about a person the heaviest counts
            self._enter(who, max((why for name, why in people if name == who), key=WEIGHT.__getitem__), revive=revive)
        self.imports.append((batch.id, before))

    @precondition(lambda self: self.imports)
    @rule()
    def undo(self) -> None:
        identifier, before = self.imports.pop()
        self.do(self.blacklist.imports.undo(identifier, actor="a"))
        self.do(self.blacklist.imports.wait(identifier, timeout_s=30))
        self.known = before

    @invariant()
    def the_list_is_the_dictionary(self) -> None:
        if not hasattr(self, "blacklist"):
            return
        page = self.do(self.blacklist.entries.search(SEEN, limit=100))
        shown = {entry.value: (entry.state, entry.cause, entry.created.isoformat()) for entry in page.entries}
        assert shown == self.known
        hits = self.do(self.blacklist.match_addresses([address(who) for who in PEOPLE]))
        expected = [who in self.known and self.known[who][0] in BLOCKING for who in PEOPLE]
        assert [bool(found) for found in hits] == expected


class ListModelOnPostgres(ListModel):
    """The same on PostgreSQL."""

    def url(self) -> str:
        return self.stack.enter_context(fresh_postgres(shared_postgres_url()))


TestAnySequenceOfOperationsEqualsADictionary = ListModel.TestCase
TestAnySequenceOfOperationsEqualsADictionary.settings = settings(
    max_examples=examples(8), stateful_step_count=12, deadline=None
)

TestTheSameOnPostgreSQL = pytest.mark.skipif(postgres_bindir() is None, reason="no PostgreSQL server binaries")(
    ListModelOnPostgres.TestCase
)
TestTheSameOnPostgreSQL.settings = settings(max_examples=examples(3), stateful_step_count=10, deadline=None)  # type: ignore[attr-defined]


NOTES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)
VALUES = [
    "ann@example.org",
    "+bob@example.org",
    "-c@example.org",
    "*.d.example",
    "e.example",
    "192.0.2.0/24",
    "=f@example.org",
]


def told(entry: Entry) -> tuple[object, ...]:
    """What must survive an export and an import."""
    return (
        entry.kind, entry.value, entry.below, entry.list, entry.cause, entry.state, entry.source, entry.note,
        entry.created, entry.last_event, entry.expires,
    )  # fmt: skip


@given(rows=st.lists(st.tuples(st.sampled_from(VALUES), cause, NOTES), max_size=8), form=st.sampled_from(ExportFormat))
@settings(max_examples=examples(12), deadline=None)
def test_export_then_import_into_an_empty_store_gives_the_same_set(
    rows: list[tuple[str, Cause, str]], form: ExportFormat
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            first = await Database.open(f"sqlite:///{folder}/a.db")
            second = await Database.open(f"sqlite:///{folder}/b.db")
            async with Blacklist.open(first, watch=False) as here, Blacklist.open(second, watch=False) as there:
                for value, why, note in rows:
                    await here.entries.add([new(value, cause=why, note=note, source="=crm")], actor="a")
                pieces = [piece async for piece in here.exporting.export(SEEN, form=form, fields=ALL_FIELDS)]
                await bring(there, b"".join(pieces).decode())
                was = {told(entry) for entry in (await here.entries.search(SEEN, limit=100)).entries}
                now = {told(entry) for entry in (await there.entries.search(SEEN, limit=100)).entries}
                assert now == was
            await first.aclose()
            await second.aclose()

    asyncio.run(run())
