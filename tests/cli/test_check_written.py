"""What `validator check` writes, refuses to write, and says when it cannot."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import DEMO_ZONE

ROW = '["x@fb.com"]'


def call(folder: Path, *words: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a process of its own: exit codes, both streams, what the interpreter adds on its way out."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("VALIDATOR_")}
    settings |= {"VALIDATOR_DNS_ZONE_FILE": str(DEMO_ZONE), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "validator", *words]
    if shell:
        command = ["bash", "-c", f'exec "$@" {shell}', "bash", *command]
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60, check=False)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence on standard error, exit code 2."""
    assert done.returncode == 2, done
    assert done.stderr.startswith("validator: ")
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("option", ["--out", "--report", "--record"])
@pytest.mark.parametrize("form", [("--format", "json"), ()])
def test_what_is_read_is_never_written(tmp_path: Path, option: str, form: tuple[str, ...]) -> None:
    (tmp_path / "a.json").write_text(ROW)
    (tmp_path / "link.json").symlink_to("a.json")
    refused(call(tmp_path, "check", "a.json", *form, option, "link.json"), option, "link.json")
    assert (tmp_path / "a.json").read_text() == ROW


def test_what_is_written_beside_the_output_is_no_input_either(tmp_path: Path) -> None:
    (tmp_path / "a.txt.partial").write_text("x@fb.com\n")
    refused(call(tmp_path, "check", "a.txt.partial", "--input", "txt", "--out", "a.txt"), "--out", "a.txt.partial")
    assert (tmp_path / "a.txt.partial").read_text() == "x@fb.com\n"


@pytest.mark.parametrize("form", [("--format", "sarif"), ()])
def test_an_output_that_cannot_be_written_is_a_sentence(tmp_path: Path, form: tuple[str, ...]) -> None:
    (tmp_path / "a.json").write_text(ROW)
    (tmp_path / "folder").mkdir()
    refused(call(tmp_path, "check", "a.json", *form, "--out", "no/such.x"), "no/such.x", "no such folder")
    refused(call(tmp_path, "check", "a.json", *form, "--out", "folder"), "folder", "name a file")
    refused(call(tmp_path, "check", "a.json", *form, "--out", "n" * 300), "too long")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "folder"]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(ROW)
    for words in (["check", "a.json", "--format", "sarif"], ["check", "a.json"], ["settings"], ["--help"]):
        refused(call(tmp_path, *words, shell="> /dev/full"), "No space left")
    refused(call(tmp_path, "check", "a.json", "--format", "sarif", "--out", "/dev/full"), "/dev/full", "No space left")


def test_a_pipe_is_not_replaced_by_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x@fb.com\n")
    os.mkfifo(tmp_path / "pipe")
    refused(call(tmp_path, "check", "a.txt", "--out", "pipe"), "pipe", "not a file")
    assert (tmp_path / "pipe").is_fifo()


def test_parquet_is_not_written_over_itself(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"email": ["anna@gmail.com"]}), tmp_path / "a.parquet")
    before = (tmp_path / "a.parquet").read_bytes()
    refused(call(tmp_path, "check", "a.parquet", "--out", "a.parquet"), "--out")
    refused(call(tmp_path, "check", "a.parquet", "--out", "no/b.parquet"), "no such folder")
    (tmp_path / "cut.parquet").write_bytes(before[:4] + bytes(40) + before[44:])
    refused(call(tmp_path, "check", "cut.parquet"), "cut.parquet")
    refused(call(tmp_path, "check", "a.parquet", "--out", "-"), "--out", "name a file")
    assert (tmp_path / "a.parquet").read_bytes() == before


def test_parquet_comes_back_with_our_columns(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    emails = [None if number % 3 == 0 else f"anna{number}@gmial.com" for number in range(2_100)]
    table = pyarrow.table({"id": range(2_100), "email": emails})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=700)
    done = call(tmp_path, "check", "a.parquet", "--no-dns", "--out", "b.parquet")
    assert done.returncode == 1, done
    assert "2,100 addresses" in done.stdout
    rows = parquet.read_table(tmp_path / "b.parquet").to_pylist()
    assert [(row["id"], row["orig_email"]) for row in rows] == list(enumerate(emails))
    assert [row["email"] for row in rows] == [email and email.replace("gmial", "gmail") for email in emails]
    assert [row["valid"] for row in rows] == [email and True for email in emails]
    assert {row["error"] for row in rows} == {None, "no text in the column of addresses"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fixtures",), "is a folder"),
        (("./fixtures", "--format", "text"), "is a folder"),
        (("pipe.csv",), "standard input"),
        (("a.json", "--input", "docx", "--format", "text"), "--input: one of"),
        (("a.json", "--format", "text", "--resume", "--out", "o"), "--resume"),
        (("a.json", "--format", "text", "--output", "csv"), "--output"),
        (("document.json", "--out", "o.json"), "--format"),
        (("a.json", "b.csv", "--out", "o.csv"), "--format"),
        (("b.csv", "--column", "a", "--column", "b"), "--column"),
        (("b.csv", "--out", "o.xlsx"), ".xlsx"),
        (("b.csv", "--out", "o.yaml"), "YAML"),
        (("sheet.xlsx",), "spreadsheet"),
        (("x@fb.com", "--fail-on", "system"), "--fail-on: for files only"),
        (("x@fb.com", "--out", "o"), "--out: for files only"),
        (("x@fb.com", "--url", "localhost:8080"), "--url"),
        (("a.json", "--no-dns", "--allow", "folder"), "--allow"),
    ],
)
def test_what_would_be_passed_over_is_refused(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "a.json").write_text(ROW)
    (tmp_path / "b.csv").write_text("a,b\nx@fb.com,y@fb.com\n")
    (tmp_path / "document.json").write_text('{"users": []}')
    (tmp_path / "sheet.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "fixtures").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    there = sorted(tmp_path.iterdir())
    refused(call(tmp_path, "check", *words), told)
    assert sorted(tmp_path.iterdir()) == there


def test_closed_streams_end_no_process(tmp_path: Path) -> None:
    assert call(tmp_path, "check", "anna@gmail.com", shell="<&-").returncode == 0
    assert call(tmp_path, "check", "x@fb.com", shell=">&- <&-").returncode == 1


@pytest.mark.parametrize("form", ["text", "json", "github", "junit", "sarif"])
def test_a_name_that_is_no_text_is_shown_all_the_same(tmp_path: Path, form: str) -> None:
    name = os.fsdecode(b"l\xff\x1b[31m.json")
    (tmp_path / name).write_text(ROW)
    done = call(tmp_path, "check", name, "--no-dns", "--format", form)
    assert done.returncode == 1, done.stderr
    assert "\\xff" in done.stdout.replace("\\\\", "\\").replace("%5C", "\\")
    assert "\x1b" not in done.stdout


def test_an_address_that_is_no_text_is_judged(tmp_path: Path) -> None:
    done = call(tmp_path, "check", os.fsdecode(b"\xff\xfe@gmail.com"), "--format", "json")
    assert done.returncode == 1
    assert '"reason":"invalid"' in done.stdout


def test_a_compressed_fixture_that_is_cut_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"anna@gmail.com\nboris@gmail.com\n")[:-3])
    done = call(tmp_path, "check", "a.txt.gz", "--no-dns", "--format", "text")
    assert done.returncode == 2
    assert "a.txt.gz:1:1: unreadable: the gzip stream is cut off" in done.stdout


def test_a_file_that_is_named_twice_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(ROW)
    done = call(tmp_path, "check", "a.json", "a.json", "--no-dns", "--format", "text")
    assert done.stdout.count("a.json:1:2") == 1


@pytest.mark.parametrize("words", [("--field", "$.nothing"), ("--column", "*post*"), ("--format", "text")])
def test_nothing_found_is_said_but_no_fault(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "a.json").write_text('{"users": [{"login": "x@fb.com"}]}')
    done = call(tmp_path, "check", "a.json", "--no-dns", *words)
    assert done.returncode == 0
    assert done.stderr.startswith("no address found")
    assert words[1] in done.stderr or words[0] == "--format"
    (tmp_path / "b.json").write_text(ROW)
    assert call(tmp_path, "check", "a.json", "b.json", "--no-dns", "--format", "text").stderr == ""


def test_utf_16_is_known_by_its_content_too(tmp_path: Path) -> None:
    (tmp_path / "a.fixture").write_bytes('{"email": "x@fb.com"}\n'.encode("utf-16"))
    assert "a.fixture:1:11: application" in call(tmp_path, "check", "a.fixture", "--no-dns", "--format", "text").stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ndjson", '"x@fb.com"\n{"email": "anna@gmail.com"}\n{"email":\n'),
        ("a.json", '["x@fb.com",\n"anna@gmail.com",\n}'),
        ("a.yaml", "- x@fb.com\n- anna@gmail.com\n- [\n"),
    ],
)
def test_what_stands_before_a_fault_is_judged(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    done = call(tmp_path, "check", name, "--no-dns", "--format", "text")
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stdout.splitlines()[:2]] == ["application", "unreadable"]
    assert "\n2 addresses" in done.stdout


@pytest.mark.parametrize("form", [("--format", "text"), ()])
def test_another_case_is_no_repair(tmp_path: Path, form: tuple[str, ...]) -> None:
    for text, code in (("Anna@Gmail.COM", 0), ("anna@gmial.com", 1)):
        (tmp_path / "a.txt").write_text(f"{text}\n")
        assert call(tmp_path, "check", "a.txt", "--no-dns", *form, "--fail-on", "repaired").returncode == code


def test_repairs_count_where_nobody_asks_dns(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('["anna@gmial.com", "anna@gmail.com"]')
    done = call(tmp_path, "check", "a.json", "--no-dns", "--format", "text", "--fail-on", "repaired")
    assert done.returncode == 1
    assert "a.json:1:2: repaired" in done.stdout
    assert "1 finding," in done.stdout


def test_a_run_is_continued_with_the_same_source_of_dns(tmp_path: Path) -> None:
    from validator.cli.check_engine import Engine

    def engine(**words: object) -> Engine:
        chosen: dict[str, object] = dict.fromkeys(("settings_file", "zone", "replay", "record", "url", "key"))
        chosen |= {"no_dns": False, "sanitize": True, "explain": False, "lists": (), **words}
        return Engine.choose(**chosen)  # type: ignore[arg-type]

    engines = [engine(), engine(no_dns=True), engine(zone=DEMO_ZONE), engine(url="http://127.0.0.1:1")]
    assert len({one.answered_by for one in engines}) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ping", "--url", "http://127.0.0.1:9", "--timeout-s", "-1"), "--timeout-s"),
        (("ping", "--url", "http://127.0.0.1:9", "--timeout-s", "nan"), "--timeout-s"),
        (("ping", "--url", "localhost:8080"), "--url"),
        (("ping", "--url", "https://localhost:8080"), "--url"),
        (("ping", "--url", "http://localhost:99999"), "--url"),
        (("ping", "--url", "http://[::1"), "--url"),
        (("ping", "--url", "http://127.0.0.1:9", "--path", "ready z"), "--path"),
        (("dns", "a.test", "--replay", "seen", "--record", "seen"), "--record"),
        (("dns", "a.test", "--zone", "zone", "--record", "zone"), "--record"),
        (("blacklist", "lists", "--note", "hi"), "--make"),
        (("blacklist", "import", "zone", "--list", "A B"), "--list"),
        (("blacklist", "import", "pipe"), "standard input"),
        (("blacklist", "export", "-o", "no/x.csv"), "no/x.csv"),
    ],
)
def test_other_commands_write_nothing_that_is_read_either(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    for name in ("seen", "zone"):
        (tmp_path / name).write_text("")
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    done = call(tmp_path, *words)
    assert done.returncode == 2, done
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    left = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if not path.name.startswith("validator.db")}
    assert left == before


def test_what_breaks_off_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    from validator.cli.written import written_whole

    (tmp_path / "x.csv").write_text("before")
    with pytest.raises(OSError, match="full"), written_whole(tmp_path / "x.csv") as file:  # noqa: PT012
        file.write(b"half")
        raise OSError("full")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.csv", "before")]
