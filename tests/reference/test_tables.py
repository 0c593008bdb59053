"""Tables are loaded as if they could hurt us."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from validator.cli.data import verify
from validator.errors import DatasetError
from validator.reference import load_reference
from validator.reference.suffixes import is_delegated_tld, is_public_suffix, public_suffix, registrable_domain
from validator.reference.tables import default_data_dir, parse_table, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "data"
    shutil.copytree(default_data_dir(), target)
    return target


def test_the_tables_that_came_with_the_program_equal_their_manifest() -> None:
    reference = load_reference()
    assert len(reference.version) == 12
    assert reference.table("applications").rows
    assert load_reference().version == reference.version


def test_an_operators_own_folder_may_differ_in_content(folder: Path) -> None:
    path = folder / "applications.tsv"
    text = path.read_text("utf-8").rstrip("\n")
    path.write_text(f"{text}\nzzz.example\tbelow\t*\tapplication\tours\tours\n", "utf-8")
    assert load_reference(folder).version != load_reference().version


def test_an_empty_table_is_refused(folder: Path) -> None:
    (folder / "applications.tsv").write_text("domain\tscope\n", "utf-8")
    with pytest.raises(DatasetError, match="applications: empty"):
        load_reference(folder)


def test_a_shrunken_table_is_refused(folder: Path) -> None:
    path = folder / "applications.tsv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]), "utf-8")
    with pytest.raises(DatasetError, match="applications: shrunk"):
        load_reference(folder)


def test_a_missing_table_is_refused(folder: Path) -> None:
    (folder / "applications.tsv").unlink()
    with pytest.raises(DatasetError, match="applications"):
        load_reference(folder)


def test_a_row_of_the_wrong_width_is_named_with_its_line() -> None:
    with pytest.raises(DatasetError, match="line 3 has 1 cells"):
        parse_table("x", b"a\tb\n1\t2\n3\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"a\tb\n1\t2\r\n",
        b"a\tb\n1 \t2\n",
        b"a\tb\n1\t 2\n",
        b"a\tb\n1\t2 ",
        b"a\tb\n 1\t2\n",
        "a\tb\n\u00a01\t2\n".encode(),
        b"a\tb\n1\r1\t2\n",
    ],
)
def test_white_space_at_the_edge_of_a_cell_is_refused(raw: bytes) -> None:
    with pytest.raises(DatasetError, match="white space"):
        parse_table("x", raw)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(DatasetError, match="not UTF-8 at byte 4"):
        parse_table("x", b"a\tb\n\xff\t2\n")


def test_the_manifest_can_be_brought_up_to_date(folder: Path) -> None:
    path = folder / "applications.tsv"
    text = path.read_text("utf-8").rstrip("\n")
    path.write_text(f"{text}\nzzz.example\tbelow\t*\tapplication\tours\tours\n", "utf-8")
    assert write_manifest(folder) == ["applications"]
    assert write_manifest(folder) == []


def test_public_suffixes_come_from_the_icann_section() -> None:
    assert is_public_suffix("co.uk")
    assert not is_public_suffix("github.io")
    assert registrable_domain("a.b.co.uk") == "b.co.uk"
    assert public_suffix("a.b.co.uk") == "co.uk"
    assert is_delegated_tld("xn--p1ai")
    assert is_delegated_tld("ck")
    assert not is_delegated_tld("con")


def test_the_verifier_builds_the_rules_of_replies_too(folder: Path) -> None:
    """An operator who edits the rules learns of one that can never be reached before the service does."""
    path = folder / "reply_rules.tsv"
    lines = path.read_text("utf-8").splitlines()
    last = lines[-1].split("\t")
    path.write_text("\n".join([*lines, "\t".join(["copied.rule", *last[1:]])]) + "\n", "utf-8")
    write_manifest(folder)
    with pytest.raises(DatasetError, match=r"rule copied.rule cannot be reached"):
        verify(folder)
