"""`validator blacklist …` as people use it, on both databases."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from validator.cli.main import build
from validator.errors import ValidatorError
from validator.runtime import open_runtime
from validator.settings import load_settings


class Terminal:
    """Runs commands on one store."""

    def __init__(self, url: str) -> None:
        self.environment = {"VALIDATOR_DATABASE_URL": url, "VALIDATOR_DNS_OFF": "true", "COLUMNS": "80"}

    def run(self, *words: str, code: int = 0, typed: str | None = None) -> Result:
        """One command, whose exit code must be this one."""
        result = CliRunner().invoke(build(), list(words), env=self.environment, input=typed)
        assert result.exit_code == code, (result.output, result.stderr, result.exception)
        return result

    def blacklist(self, *words: str, code: int = 0, typed: str | None = None) -> str:
        """What `validator blacklist …` prints."""
        return str(self.run("blacklist", *words, code=code, typed=typed).output)

    def refused(self, *words: str) -> str:
        """The sentence with which a command is refused."""
        result = CliRunner().invoke(build(), ["blacklist", *words], env=self.environment)
        assert isinstance(result.exception, ValidatorError), result.output
        return str(result.exception)


@pytest.fixture
def terminal(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("VALIDATOR_DATABASE_URL", database_url)
    return Terminal(database_url)


def report(address: str, text: str) -> None:
    """A bounce, as a service would record it."""
    from validator.feedback.event import EventKind, Reported

    async def record() -> None:
        async with open_runtime(load_settings(None)) as runtime:
            now = runtime.feedback.clock()
            reported = Reported(EventKind.BOUNCE, address, "own", f"id:{text}", now, text=text)
            await runtime.feedback.record([reported])

    asyncio.run(record())


def test_what_is_entered_is_listed_shown_removed_and_restored(terminal: Terminal) -> None:
    terminal.blacklist("add", "jane@example.org", "*.bad.example", "--note", "called us", "--expires", "2126-12-01")
    listed = terminal.blacklist("list")
    assert "jane@example.org" in listed
    assert "*.bad.example" in listed
    assert "2126-12-01" in listed
    shown = terminal.blacklist("show", "Jane@example.org")
    assert "note: called us" in shown
    assert "added by cli" in shown
    terminal.blacklist("remove", "jane@example.org", "--why", "a mistake")
    assert "a mistake" in terminal.blacklist("show", "jane@example.org")
    assert "removed" in terminal.blacklist("list", "--state", "removed")
    assert "active" in terminal.blacklist("restore", "jane@example.org")
    assert "not on the list" in terminal.blacklist("show", "nobody@example.org", code=1)
    assert "2126" not in terminal.blacklist("add", "joan@example.org", "--expires", "yesterday", code=2)


def test_everything_that_options_find_is_shown_removed_and_brought_back_at_once(terminal: Terminal) -> None:
    terminal.blacklist("add", "a@example.org", "b@example.org", "c@example.com")
    asked = terminal.blacklist("remove", "--domain", "example.org", typed="n\n", code=1)
    assert "a@example.org" in asked
    assert "remove 2 entries?" in asked
    done = terminal.blacklist("remove", "--domain", "example.org", "--yes")
    number = done.split("undo ")[1].split()[0]
    assert "c@example.com" in terminal.blacklist("list")
    assert "a@example.org" not in terminal.blacklist("list")
    terminal.blacklist("undo", number)
    assert "a@example.org" in terminal.blacklist("list")
    terminal.blacklist("remove", code=2)
    terminal.blacklist("remove", "a@example.org", "--domain", "example.org", code=2)


def test_the_allow_list_is_kept_from_the_terminal(terminal: Terminal) -> None:
    terminal.blacklist("add", "jane@example.org", "--cause", "complaint")
    terminal.blacklist("allow", "jane@example.org", "--note", "wrote to us")
    assert "overridden" not in terminal.blacklist("show", "jane@example.org").split("history")[0]
    again = terminal.blacklist("allow", "jane@example.org", "--note", "wants our mail", "--acknowledge-complaint")
    assert "renewed" in again
    assert "overridden by the allow-list" in terminal.blacklist("show", "jane@example.org")
    assert "wants our mail" in terminal.blacklist("allowlist")
    assert "with force it is entered all the same" in terminal.refused("allow", "gmail.com", "--note", "big")
    assert "with force it is entered all the same" in terminal.refused("add", "gmail.com")
    assert "no more" in terminal.blacklist("disallow", "Jane@example.org", "--why", "over")
    assert "not on the allow-list" in terminal.blacklist("disallow", "jane@example.org", code=1)


def test_one_value_that_is_not_there_keeps_no_other_from_being_moved(terminal: Terminal) -> None:
    terminal.blacklist("add", "anna@acme.com")
    terminal.blacklist("allow", "x.com", "--note", "ours")
    said = terminal.blacklist("remove", "999", "anna@acme.com", code=1)
    assert said.splitlines() == ["999\tno entry with this identifier", "1\tremoved\tanna@acme.com"]
    said = terminal.blacklist("archive", "anna@acme.com", "998", code=1)
    assert [line.split("\t")[0] for line in said.splitlines()] == ["anna@acme.com", "998"]
    assert "anna@acme.com" in terminal.blacklist("restore", "anna@acme.com")
    terminal.blacklist("remove", "anna@acme.com", "no address", code=2)
    assert "active" in terminal.blacklist("show", "anna@acme.com")
    assert "allowed no more" in terminal.blacklist("disallow", "999", "x.com", code=1)


def test_named_lists_are_made_and_deleted_and_a_misspelt_one_is_named(terminal: Terminal) -> None:
    assert "made" in terminal.blacklist("lists", "--make", "news", "--note", "the weekly one")
    assert "the weekly one" in terminal.blacklist("lists")
    assert "newss" in terminal.refused("list", "--list", "newss")
    assert "newss" in terminal.refused("export", "--list", "newss")
    terminal.blacklist("add", "jane@example.org", "--list", "news")
    assert "1 active" in terminal.refused("lists", "--delete", "news")
    terminal.blacklist("lists", "--make", "typo")
    assert "deleted" in terminal.blacklist("lists", "--delete", "typo")


def test_an_import_reports_its_lines_in_the_right_number(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email,type,created\na@example.org,spam,2024-01-02\n", "utf-8")
    assert "import 1 is done: 2 lines\n" in terminal.blacklist("import", str(file))
    file.write_text("b@example.org\n", "utf-8")
    assert "import 2 is done: 1 line\n" in terminal.blacklist("import", str(file))
    file.write_text("email,type,created\nno one,spam,\nc@example.org,zombie,someday\n", "utf-8")
    told = terminal.blacklist("import", str(file), code=1)
    assert "1  made no entry" in told
    assert "2  entered without something" in told
    faults = terminal.blacklist("faults", "3", code=1)
    assert [word for word in ("unknown_cause", "unreadable_date") if word not in faults] == []
    assert "every line made an entry" in terminal.blacklist("faults", "2")
    assert "no import with this identifier" in terminal.refused("faults", "99")
    assert "list.csv" in terminal.blacklist("imports")
    assert "c@example.org" in terminal.blacklist("list", "--import", "3")
    assert "a@example.org" not in terminal.blacklist("list", "--import", "3")


def test_an_export_is_what_blocks_now_or_everything(terminal: Terminal, tmp_path: Path) -> None:
    terminal.blacklist("add", "a@example.org", "b@example.org", "--cause", "mailbox_not_found")
    terminal.blacklist("add", "c@example.org", "--list", "news")
    terminal.blacklist("remove", "b@example.org")
    terminal.blacklist("add", "d@example.org", "--cause", "mailbox_not_found")
    terminal.blacklist("allow", "d@example.org", "--note", "sure")
    assert terminal.run("blacklist", "export").stdout.split() == ["email", "a@example.org"]
    assert terminal.run("blacklist", "export", "--list", "news").stdout.split() == ["email", "c@example.org"]
    rows: list[dict[str, Any]] = list(
        csv.DictReader(io.StringIO(terminal.run("blacklist", "export", "--everything").stdout))
    )
    assert sorted(row["value"][0] for row in rows) == ["a", "b", "c", "d"]
    file = tmp_path / "all.ndjson"
    terminal.blacklist("export", "--everything", "--format", "ndjson", "-o", str(file))
    assert len([orjson.loads(line) for line in file.read_bytes().splitlines()]) == 4
    counts = terminal.run("blacklist", "stats").stdout.split()
    assert counts[counts.index("all") + 1] == "2"


def test_erasing_wipes_what_failures_told_as_well(terminal: Terminal) -> None:
    report("jane@example.org", "550 5.1.1 User unknown")
    assert "550 5.1.1 User unknown" in terminal.blacklist("show", "jane@example.org")
    assert "cannot be undone" in terminal.blacklist("erase", "jane@example.org", typed="n\n", code=1)
    assert "erased 1, not known 1" in terminal.blacklist("erase", "Jane@example.org", "joe@example.org", "--yes")
    shown = terminal.blacklist("show", "jane@example.org")
    assert "(erased)" in shown
    assert "User unknown" not in shown


def test_a_rule_about_the_domain_is_part_of_the_story(terminal: Terminal) -> None:
    terminal.blacklist("add", "bad.example", "--note", "spam house")
    shown = terminal.blacklist("show", "jane@bad.example")
    assert "bad.example  domain on default, manual" in shown
    assert "blocks it as well" in shown


def test_keys_are_listed_under_a_header(terminal: Terminal) -> None:
    terminal.run("keys", "create", "crm", "--scope", "check")
    lines = terminal.run("keys", "list").stdout.splitlines()
    assert lines[1].split()[:4] == ["id", "name", "state", "scopes"]
    assert "crm" in lines[3]
    assert orjson.loads(terminal.run("keys", "list", "--json").stdout)["name"] == "crm"


def test_a_compressed_file_is_imported_and_a_damaged_one_enters_nothing(terminal: Terminal, tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"user{number}@example.org\n" for number in range(60_000)).encode())
    listed = tmp_path / "list.txt.gz"
    listed.write_bytes(whole[:-20])
    assert "cut off" in terminal.run("blacklist", "import", str(listed), code=2).stderr
    assert "user1@" not in terminal.blacklist("list")
    listed.write_bytes(whole)
    assert "it would be: 60,000 lines" in terminal.blacklist("import", str(listed), "--dry-run")
    assert "is done: 60,000 lines" in terminal.blacklist("import", str(listed))
    listed.write_bytes(b"PK\x03\x04" + bytes(100))
    assert "a spreadsheet or a zip archive" in terminal.refused("import", str(listed))


def test_a_file_that_cannot_be_written_or_read_is_told_in_a_sentence(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.blacklist("add", "jane@example.org")
    for place in (tmp_path / "no" / "folder.csv", tmp_path):
        told = terminal.run("blacklist", "export", "--output", str(place), code=2)
        assert "cannot be written" in told.stderr
    listed = tmp_path / "list.txt"
    listed.write_text("joe@example.org\n")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read anything
    assert "cannot be read" in terminal.run("blacklist", "import", str(listed), code=2).stderr
