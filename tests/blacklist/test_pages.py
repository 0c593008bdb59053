"""Pages of a long list are read in the order of the table, whatever the filter."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from tests.blacklist.test_imports import bring
from validator.blacklist.clock import utc_now
from validator.blacklist.entry import Cause, Kind, NewEntry, Rule
from validator.blacklist.export_form import ADDRESS_ONLY, ExportFormat
from validator.blacklist.filter import Filter
from validator.blacklist.service import Blacklist
from validator.blacklist.store.rows import entries
from validator.blacklist.store.searching import condition
from validator.blacklist.store.tables import ENTRIES
from validator.database import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(kinds=[Kind.ADDRESS]), Filter(domain="acme.test"), Filter(source="import:7")]
)
async def test_no_page_sorts_the_whole_list(wanted: Filter, tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path / 'list.db'}")
    query = entries().where(condition(wanted, now=NOW)).order_by(ENTRIES.c.id.desc()).limit(100)
    text = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    async with database.reading() as conn:
        plan = [row[-1] for row in (await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")).all()]
    await database.aclose()
    assert not [step for step in plan if "TEMP B-TREE" in step], plan


async def test_an_export_of_addresses_goes_on_where_its_page_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validator.blacklist.exporting.PAGE_ADDRESSES", 3)
    rules = [Rule(Kind.ADDRESS, f"row{number}@acme.test", f"row{number}@acme.test") for number in range(8)]
    rules.insert(4, Rule(Kind.DOMAIN, "bad.test", "bad.test"))
    async with Blacklist.open(database, watch=False, clock=utc_now) as blacklist:
        await blacklist.entries.add([NewEntry(rule, Cause.MANUAL, "api") for rule in rules], actor="test")
        pieces = [
            piece async for piece in blacklist.exporting.export(Filter(), form=ExportFormat.NDJSON, fields=ADDRESS_ONLY)
        ]
    assert b"".join(pieces) == b"".join(b'{"email":"row%d@acme.test"}\n' % number for number in range(8))
    assert len(pieces) == 3


@pytest.mark.parametrize("text", ["ЖАЛОБА", "жалоба из", "Café", "spam"])
async def test_a_note_is_found_by_a_part_of_it_in_any_case(database: Database, text: str) -> None:
    rule = Rule(Kind.ADDRESS, "a@acme.test", "a@acme.test")
    async with database.reading() as conn:
        if (await conn.exec_driver_sql("SELECT lower('Ж')")).scalar_one() != "ж" and database.path is None:
            pytest.skip("the locale of this server knows the letters A to Z")
    async with Blacklist.open(database, watch=False, clock=utc_now) as blacklist:
        await blacklist.entries.add([NewEntry(rule, Cause.MANUAL, "api", note="Жалоба из CAFÉ: Spam")], actor="test")
        assert len((await blacklist.entries.search(Filter(text=text))).entries) == 1
        assert not (await blacklist.entries.search(Filter(text="другая"))).entries


@pytest.mark.parametrize("text", ["Иван@", "иван", "ИВАН@acme", "ivan"])
async def test_an_address_is_found_by_a_part_of_it_in_any_case(database: Database, text: str) -> None:
    async with database.reading() as conn:
        if not (await conn.exec_driver_sql("SELECT lower('Ж') = 'ж'")).scalar_one():
            pytest.skip("the locale of this database does not know the letters")
    rules = [Rule(Kind.ADDRESS, key, key) for key in ("Иван@acme.test", "ivan@acme.test")]
    async with Blacklist.open(database, watch=False) as blacklist:
        await blacklist.entries.add([NewEntry(rule, Cause.MANUAL, "api") for rule in rules], actor="test")
        found = await blacklist.entries.search(Filter(text=text))
    assert [entry.key for entry in found.entries] == ["ivan@acme.test" if text.isascii() else "Иван@acme.test"]


async def test_what_shows_a_source_is_found_by_it_wherever_it_came_from(blacklist: Blacklist) -> None:
    own = await bring(blacklist, "here@acme.test\n")
    text = f"email,state,source\nthere@acme.test,active,import:{own.id}\nother@acme.test,active,crm\n"
    await bring(blacklist, text)
    found = await blacklist.entries.search(Filter(source=f"import:{own.id}"))
    assert {entry.value for entry in found.entries} == {"here@acme.test", "there@acme.test"}
    assert {entry.source for entry in found.entries} == {f"import:{own.id}"}
