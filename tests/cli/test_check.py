"""`validator check` as a person and a CI job use it."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from typer.testing import CliRunner, Result

from tests.service import DEMO_ZONE, Service
from validator.cli.main import build
from validator.errors import RequestRefused

ROWS = ["Ivan@gmial.com", "x@fb.com", "bad", "anna@acme.test", "a@broken-dns.test"]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in an empty folder, with nothing of this shell's settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("VALIDATOR_DATABASE_URL", "VALIDATOR_SETTINGS_FILE"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, zone: bool = True, **options: Any) -> Result:
        command = ["check", *words, *(["--zone", str(DEMO_ZONE)] if zone else [])]
        return CliRunner().invoke(build(), command, **options)

    return call


@pytest.fixture
def list_csv(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text("id,email,n\n" + "".join(f"{number},{email},=1\n" for number, email in enumerate(ROWS)))
    return path


def test_addresses_are_shown_as_a_table_or_as_json(run: Run) -> None:
    table = run("Ivan@gmial.com", "x@fb.com")
    assert table.exit_code == 1
    assert "Ivan@gmail.com" in table.stdout
    lines = run("Ivan@gmial.com", "--format", "json")
    assert lines.exit_code == 0
    assert json.loads(lines.stdout)["email"] == "Ivan@gmail.com"


def test_exit_codes_of_addresses(run: Run) -> None:
    assert run("anna@acme.test").exit_code == 0
    assert run("x@fb.com", "a@broken-dns.test").exit_code == 1
    assert run("a@broken-dns.test").exit_code == 3
    assert run("anna@acme.test", "--no-dns", zone=False).exit_code == 0


def test_no_file_is_left_behind(run: Run, tmp_path: Path) -> None:
    run("anna@acme.test")
    assert list(tmp_path.iterdir()) == []


def test_a_list_comes_back_with_our_columns(run: Run, list_csv: Path) -> None:
    done = run("list.csv", "--out", "out.csv", "--report", "report.html")
    assert done.exit_code == 1, done.output
    assert "5 addresses" in done.stdout
    assert not any(email in done.stdout for email in ROWS)
    rows = list(csv.DictReader(io.StringIO((list_csv.parent / "out.csv").read_text())))
    assert [row["orig_email"] for row in rows] == ROWS
    assert [row["email"] for row in rows] == ["Ivan@gmail.com", *ROWS[1:]]
    assert [row["status"] for row in rows] == ["valid", "invalid", "invalid", "valid", "unknown"]
    assert [row["n"] for row in rows] == ["'=1"] * 5
    page = (list_csv.parent / "report.html").read_text()
    assert "<svg" in page
    assert "@" not in page


@pytest.mark.parametrize("name", ["o.ndjson", "o.json", "o.tsv", "o.csv", "o.txt"])
@pytest.mark.parametrize("source", ["list.csv", "list.txt", "list.ndjson", "list.json", "list.tsv"])
def test_every_format_in_and_out_has_the_same_verdicts(run: Run, tmp_path: Path, source: str, name: str) -> None:
    texts = {
        "list.csv": "email\n" + "\n".join(ROWS), "list.tsv": "id\temail\n" + "\n".join(f"1\t{row}" for row in ROWS),
        "list.txt": "\n".join(ROWS), "list.ndjson": "\n".join(json.dumps({"email": row}) for row in ROWS),
        "list.json": json.dumps(ROWS),
    }  # fmt: skip
    (tmp_path / source).write_text(texts[source])
    assert run(source, "--out", name).exit_code == 1
    text = (tmp_path / name).read_text()
    rows: list[dict[str, Any]]
    if name.endswith("json"):
        rows = json.loads(text) if name == "o.json" else [json.loads(line) for line in text.splitlines()]
    else:
        rows = list(csv.DictReader(io.StringIO(text), delimiter="," if name == "o.csv" else "\t"))
    assert [row["email"] for row in rows] == ["Ivan@gmail.com", *ROWS[1:]]
    assert [row["reason"] or None for row in rows] == [None, "application", "invalid", None, None]


def test_several_processes_write_what_one_writes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text(
        "".join(f"user{number}@acme.test\n{ROWS[number % 5]}\n" for number in range(4_500))
    )
    assert run("many.txt", "--out", "one.csv.gz").exit_code == 1
    assert run("many.txt", "--out", "two.csv.gz", "--jobs", "2").exit_code == 1
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()


async def test_a_running_service_is_asked_instead(run: Run, list_csv: Path, running: Service) -> None:
    url = str(running.client.make_url("/")).rstrip("/")
    assert (await asyncio.to_thread(run, "list.csv", "--out", "here.csv")).exit_code == 1
    done = await asyncio.to_thread(run, "list.csv", "--out", "there.csv", "--url", url, zone=False)
    assert done.exit_code == 1, done.output
    assert (list_csv.parent / "there.csv").read_bytes() == (list_csv.parent / "here.csv").read_bytes()


async def test_a_service_shows_its_evidence_and_its_refusals(run: Run, running: Service) -> None:
    url = str(running.client.make_url("/")).rstrip("/")
    words = ("Ivan@gmial.com", "--explain", "--format", "json")
    here, there = [
        json.loads((await asyncio.to_thread(run, *words, *more, zone=not more)).stdout)
        for more in ((), ("--url", url))
    ]  # fmt: skip
    assert [there[name] for name in here if name != "explain"] == [here[name] for name in here if name != "explain"]
    assert there["explain"]["changes"] == here["explain"]["changes"]
    assert there["explain"]["findings"] == here["explain"]["findings"]
    refused = await asyncio.to_thread(run, "a@acme.test", "--url", url, "--list", "nosuch", zone=False)
    assert isinstance(refused.exception, RequestRefused)
    lost = await asyncio.to_thread(run, "a@acme.test", "--url", f"{url}/elsewhere", zone=False)
    assert isinstance(lost.exception, RequestRefused)


def test_standard_input_needs_a_format(run: Run) -> None:
    done = run("-", "--input", "txt", input="anna@acme.test\nx@fb.com\n")
    assert done.exit_code == 1
    assert "2 addresses" in done.stdout
    assert isinstance(run("-", input="a").exception, RequestRefused)


@pytest.mark.parametrize(
    "words",
    [
        ("nofile.json",), ("folder/nofile",), ("list.csv", "a@b.c"), ("list.csv", "--resume"),
        ("list.csv", "--fail-on", "x"),
        ("list.csv", "--out", "list.csv"), ("list.csv", "--out", "no/folder.csv"), ("list.csv", "--input", "xml"),
        ("list.csv", "--column", "nothing"), ("a@b.c", "--format", "sarif"), ("list.csv", "--no-dns"),
        ("list.csv", "--record", "r"), ("list.csv", "--format", "text", "--input", "xml"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(run: Run, list_csv: Path, words: tuple[str, ...]) -> None:
    assert isinstance(run(*words).exception, RequestRefused)


# --- fixtures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fixtures(tmp_path: Path) -> list[str]:
    (tmp_path / "users.json").write_text('{"users": [{"email": "anna@acme.test"},\n  {"email": "x@fb.com"}]}')
    (tmp_path / "users.yaml").write_text("users:\n  - email: test@gmail.com\n  - email: Ivan@gmial.com\n")
    (tmp_path / "users.csv").write_text("id,email\n1,anna@acme.test\n2,bad\n")
    return ["users.json", "users.yaml", "users.csv"]


PLACES = [("users.json", 2, 13, "application"), ("users.yaml", 2, 12, "system"), ("users.csv", 3, 3, "invalid")]


def test_findings_have_their_places_in_every_form(run: Run, fixtures: list[str]) -> None:
    text = run(*fixtures, "--format", "text")
    assert text.exit_code == 1
    assert [line.split(": ")[0:2] for line in text.stdout.splitlines()[:3]] == [
        [f"{file}:{line}:{column}", rule] for file, line, column, rule in PLACES
    ]
    lines = [json.loads(line) for line in run(*fixtures, "--format", "json").stdout.splitlines()]
    assert [(line["file"], line["line"], line["column"], line["reason"]) for line in lines] == PLACES
    github = run(*fixtures, "--format", "github").stdout.splitlines()
    assert [line.split("::")[1] for line in github] == [
        f"error file={file},line={line},col={column},title=validator%3A {rule}" for file, line, column, rule in PLACES
    ]
    suites = JUnitXml.fromstring(run(*fixtures, "--format", "junit").stdout.encode())
    assert [suite.failures for suite in suites] == [1, 1, 1]
    results = json.loads(run(*fixtures, "--format", "sarif").stdout)["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == [rule for *_, rule in PLACES]


def test_fail_on_chooses_what_fails(run: Run, fixtures: list[str]) -> None:
    assert run(*fixtures, "--format", "text", "--fail-on", "mx_record").exit_code == 0
    assert run(*fixtures, "--format", "text", "--fail-on", "system,mx_record").exit_code == 1
    repaired = run("users.yaml", "--format", "json", "--fail-on", "repaired")
    assert repaired.exit_code == 1
    assert [json.loads(line)["level"] for line in repaired.stdout.splitlines()] == ["warning", "error"]


def test_undecided_is_three_unless_it_cannot_matter(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("- a@broken-dns.test\n")
    assert run("one.yaml").exit_code == 3
    assert run("one.yaml", "--fail-on", "invalid,system").exit_code == 0
    assert run("one.yaml", "--fail-on", "unknown").exit_code == 1
    assert run("one.yaml", "--no-dns", zone=False).exit_code == 0


def test_allowed_addresses_and_domains_are_no_findings(run: Run, fixtures: list[str], tmp_path: Path) -> None:
    (tmp_path / "allow.txt").write_text("# ours\nfb.com\nTest@gmail.com\nb*@\nbad*@x\n")
    done = run(*fixtures, "--format", "json", "--allow", "allow.txt")
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["users.csv"]


def test_findings_name_addresses_only_when_asked(run: Run, fixtures: list[str]) -> None:
    assert "x@fb.com" not in run(*fixtures, "--format", "text").output
    assert "x@fb.com" in run(*fixtures, "--format", "text", "--addresses").stdout


def test_fields_choose_what_is_looked_at(run: Run, fixtures: list[str]) -> None:
    done = run("users.json", "--field", "$.users[0].email")
    assert done.exit_code == 0
    assert "1 addresses" in done.stdout


def test_half_a_compressed_fixture_is_no_fixture(run: Run, tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"user%d@acme.test\n" % number for number in range(5_000)))
    for name, content, code in (("whole.txt.gz", whole, 0), ("half.txt.gz", whole[: len(whole) // 2], 2)):
        (tmp_path / name).write_bytes(content)
        assert run(name, "--format", "text").exit_code == code


def test_a_file_that_cannot_be_read_is_a_finding_and_exit_two(run: Run, fixtures: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"users": [\n}')
    done = run("broken.json", *fixtures, "--format", "text")
    assert done.exit_code == 2
    assert done.stdout.startswith("broken.json:2:1: unreadable")
    assert "users.csv:3:3" in done.stdout


@pytest.mark.parametrize("words", [("--zone", str(DEMO_ZONE)), ("--no-dns",), ("--replay", "dns.json")])
def test_runs_without_network_open_no_socket(
    run: Run, fixtures: list[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("VALIDATOR_DNS_ZONE_FILE", str(DEMO_ZONE))
    monkeypatch.setenv("VALIDATOR_SPECIAL_USE_EXCEPTIONS", "test")
    assert run(*fixtures, "--format", "json", "--record", "dns.json", zone=False).exit_code == 1
    monkeypatch.delenv("VALIDATOR_DNS_ZONE_FILE")
    real = socket.socket

    class Guarded(real):  # type: ignore[misc, valid-type]
        def __init__(self, family: int = -1, *rest: Any, **options: Any) -> None:
            if family in {socket.AF_INET, socket.AF_INET6}:
                raise AssertionError("a socket was opened")
            super().__init__(family, *rest, **options)

    monkeypatch.setattr(socket, "socket", Guarded)
    done = run(*fixtures, "--format", "json", *words, zone=False)
    assert done.exit_code == 1, done.output
    assert len(done.stdout.splitlines()) == 3


def test_the_evidence_names_mail_hosts_as_a_person_reads_them(run: Run) -> None:
    """It was printed as Python writes a dictionary."""
    shown = run("--explain", "ivan@gmial.com").output
    assert "  mail hosts             gmail-smtp-in.l.google.com (142.250.150.26)\n" in shown
    assert "{" not in shown
