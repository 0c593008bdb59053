"""Lists as people have them: odd headers, line ends, numbers and quotes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from validator.bulk.encoding import LineEnds
from validator.bulk.fields import FieldMatcher
from validator.bulk.files import ListFile, ListFormat, ListShape
from validator.bulk.output import OutputShape
from validator.bulk.rows import RowFault, Rows
from validator.bulk.scanning import scan_all
from validator.bulk.table import TableShape, choose_column, sniff_delimiter
from validator.errors import RequestRefused


def rows_of(path: Path, kind: ListFormat) -> Rows:
    found = Rows(records=[])
    for rows in ListFile(path, ListShape(kind)).rows():
        found.extend(rows)
    return found


@pytest.mark.parametrize(
    ("header", "index"),
    [
        ("id,email", 1), ("name,address,email", 2), ("name,address", 1), ("Имя,Почта", 1), ("Адрес,E-mail", 1),
        ("Name,E-Mail-Adresse", 1), ("nom,Adresse e-mail,adresse", 1), ("id,user_email", 1), ("Customer Email,n", 0),
        ("id,メールアドレス", 1), ("domain,email", 1), ("e-mail,email", 0),
    ],
)  # fmt: skip
def test_the_column_of_addresses_is_known_by_its_name(header: str, index: int) -> None:
    assert choose_column(header.split(","), TableShape()) == (index, True)


@pytest.mark.parametrize("header", ["id,name", "id,domain", "value,name", "contact,subscriber"])
def test_a_column_that_may_hold_anything_must_be_named(header: str) -> None:
    with pytest.raises(RequestRefused, match="--column"):
        choose_column(header.split(","), TableShape())


def test_a_row_with_an_address_is_no_header() -> None:
    assert choose_column(["Адрес", "anna@gmail.com"], TableShape()) == (1, False)


@pytest.mark.parametrize(
    ("line", "mark"),
    [('"a,b,c";email', ";"), ('email;"x,y,z', ";"), ("a,b;c,d", ","), ('"a;b;c"\temail', "\t"), ("email", ",")],
)
def test_what_is_quoted_says_nothing_about_the_delimiter(line: str, mark: str) -> None:
    assert sniff_delimiter(line) == mark


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([b"a\rb\r"], b"a\nb\n"), ([b"a\r", b"\nb\r\n"], b"a\r\nb\r\n"), ([b"a\r\nb\rc"], b"a\r\nb\rc"),
        ([b"a", b"b\rc", b"d\re"], b"ab\ncd\ne"), ([b"ab"], b"ab"),
    ],
)  # fmt: skip
def test_cr_alone_ends_a_line_where_nothing_else_does(pieces: list[bytes], text: bytes) -> None:
    ends = LineEnds()
    assert b"".join(map(ends.feed, pieces)) == text


def test_a_list_with_cr_alone_has_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(b"id,email\r1,anna@gmail.com\r2,boris@gmail.com")
    rows = rows_of(path, ListFormat.CSV)
    assert (rows.texts, rows.lines) == (["anna@gmail.com", "boris@gmail.com"], [2, 3])


def test_a_header_that_cannot_be_read_takes_no_column_along(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes("Имя,Почта,город\n1,anna@gmail.com,Minsk\n".encode("cp1251"))
    file = ListFile(tmp_path / "l.csv", ListShape(ListFormat.CSV))
    assert sum(len(rows) for rows in file.rows()) == 2
    assert file.header == ["column_1", "column_2", "column_3"]


@pytest.mark.parametrize("before", ["", "\n", "  \n\n", ";;\n"])
def test_blank_lines_before_a_table_change_nothing(before: str) -> None:
    cells = list(scan_all(f"{before}id;email\n1;anna@gmail.com\n", "csv"))
    assert [(cell.text, cell.line, cell.column) for cell in cells] == [("anna@gmail.com", 2 + before.count("\n"), 3)]


def written(rows: Rows, kind: ListFormat, columns: tuple[str, ...] | None = None) -> Iterator[dict[str, object]]:
    """The objects of an output in which no row has a verdict."""
    shape = OutputShape(kind, columns)
    faults = [RowFault(422, "not judged")] * len(rows)
    whole = shape.start() + shape.rows(rows, faults, first=True) + shape.end()
    return iter(json.loads(whole) if kind is ListFormat.JSON else map(json.loads, whole.splitlines()))


@pytest.mark.parametrize("kind", [ListFormat.JSON, ListFormat.NDJSON])
def test_whole_numbers_of_any_length_stay_as_they_are(tmp_path: Path, kind: ListFormat) -> None:
    path = tmp_path / "l"
    record = {"email": "anna@gmail.com", "id": 12345678901234567890123, "at": {"n": [18446744073709551616, 1.5]}}
    path.write_text(json.dumps([record] if kind is ListFormat.JSON else record))
    (row,) = written(rows_of(path, kind), kind)
    assert (row["id"], row["at"]) == (record["id"], record["at"])


def test_a_number_that_python_refuses_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text('[{"email": "anna@gmail.com", "id": ' + "1" * 5_000 + "}]")
    with pytest.raises(RequestRefused, match="line 1: not JSON"):
        rows_of(path, ListFormat.JSON)


def test_two_columns_of_one_name_are_two_members() -> None:
    rows = Rows(["x"], [2], {}, {}, [["1", "2", "3", "x"]])
    (row,) = written(rows, ListFormat.NDJSON, ("a", "a", "a_2", "login"))
    assert {row[name] for name in ("a", "a_2", "a_3", "login")} == {"1", "2", "3", "x"}


@pytest.mark.parametrize(
    ("kind", "text", "places"),
    [
        ("json", '{"name": "Anna", "email": "x y"}', [(1, 27)]),
        ("ndjson", '{"name": "Anna"}\n{"email": "x y", "city": "Roma"}', [(2, 11)]),
        ("yaml", "name: Anna\nemail: x y\n", [(2, 8)]),
        ("json", '["x y", {"name": "Anna"}]', [(1, 2)]),
        ("yaml", "? [a, b]\n: x\nemail: x y\n", [(3, 8)]),
        ("json", '{"email": ["x y", {"q": "u v"}], "mail": ["x y"]}', [(1, 12), (1, 43)]),
        ("yaml", "k: &k name\n*k : v\nemail: x y\n", [(3, 8)]),
        ("yaml", "email: x y\n? {a: b}\n: mail\nn: q\n", [(1, 8)]),
    ],
)
def test_without_a_field_only_members_with_a_usual_name_are_addresses(
    kind: str, text: str, places: list[tuple[int, int]]
) -> None:
    assert [(cell.line, cell.column) for cell in scan_all(text, kind)] == places


def test_places_of_an_array_are_no_members() -> None:
    matcher = FieldMatcher(["$.a[:]"])
    below = matcher.below(matcher.start, "a")
    assert matcher.is_wanted(matcher.below_index(below, 7))
    assert not matcher.is_wanted(matcher.below(below, "b"))
