"""Named lists that a file names: made when they are not there, as long as there is room for one more."""

from __future__ import annotations

import pytest

from tests.blacklist.asking import put
from tests.blacklist.test_imports import bring
from validator.blacklist.batch import BatchStatus
from validator.blacklist.entry import MAX_LISTS
from validator.blacklist.import_options import ImportOptions
from validator.blacklist.service import Blacklist
from validator.database import Database


async def fill(database: Database) -> None:
    """Make lists up to one below the limit."""
    async with database.transaction() as conn:
        names = ", ".join(f"('l{number}', '', 'a', 0)" for number in range(MAX_LISTS - 2))
        await conn.exec_driver_sql(f"INSERT INTO blacklist_list (name, note, actor, created) VALUES {names}")


async def test_any_number_of_imports_uses_up_no_numbers_of_lists(blacklist: Blacklist, database: Database) -> None:
    if database.path is not None:
        pytest.skip("SQLite has no sequences")
    for number in range(3):
        await bring(blacklist, f"a{number}@example.com\n")
    async with database.reading() as conn:
        used = await conn.exec_driver_sql("SELECT last_value FROM blacklist_list_id_seq")
        highest = await conn.exec_driver_sql("SELECT MAX(id) FROM blacklist_list")
        assert used.scalar_one() == highest.scalar_one()


@pytest.mark.parametrize("dry", [False, True])
async def test_a_file_cannot_name_more_lists_than_there_may_be(
    blacklist: Blacklist, database: Database, dry: bool
) -> None:
    await fill(database)
    text = "email,list\na@example.com,new\nb@example.com,newer\nc@example.com,new\nd@example.com,l7\n"
    if dry:
        rehearsal = await blacklist.imports.rehearse([text.encode()], ImportOptions())
        counts, faults = rehearsal.counts.document(), rehearsal.faults
    else:
        batch = await bring(blacklist, text)
        counts, faults = dict(batch.counts), tuple((await blacklist.imports.faults(batch.id, limit=10))[0])
    assert (counts["added"], counts["faults"]) == (3, 1)
    assert [(fault.line, fault.code) for fault in faults] == [(3, "list")]


async def test_lines_for_one_list_too_many_are_faults_each(blacklist: Blacklist, database: Database) -> None:
    await fill(database)
    await put(blacklist, "x@example.com", list="last")
    batch = await bring(blacklist, "a@example.com\nb@example.com\nc@example.com\n", list="one-more")
    assert batch.status is BatchStatus.DONE
    assert (batch.counts["added"], batch.counts["faults"]) == (0, 3)
