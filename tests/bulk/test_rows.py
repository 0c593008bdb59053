"""Rows of every format: chunk borders do not matter, bad rows stay alone, nothing raises."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from validator.bulk.arrays import ArrayDecoder, ObjectLinesDecoder
from validator.bulk.encode import TableEncoder, defuse, merged_objects, output_header
from validator.bulk.gzipped import Gunzip, Gzip
from validator.bulk.lines import LineSplitter
from validator.bulk.ndjson import NdjsonDecoder, read_request
from validator.bulk.rows import RowFault, RowOptions, Rows, windows_of
from validator.bulk.table import TableDecoder, TableShape, TextDecoder
from validator.checker import CheckOptions
from validator.errors import RequestRefused
from validator.settings import OnUnknown
from validator.verdict import Reason, Status, Verdict

DEFAULTS = RowOptions(CheckOptions(), OnUnknown.ACCEPT)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in itertools.pairwise(borders)]


def lines_of(data: bytes, cuts: Sequence[int], limit: int = 65_536) -> list[bytes | None]:
    splitter = LineSplitter(limit)
    found = [line for piece in pieces(data, cuts) for line in splitter.feed(piece)]
    return found + splitter.finish()


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.binary(max_size=300), CUTS)
def test_chunk_borders_do_not_matter_to_lines(data: bytes, cuts: list[int]) -> None:
    expected: list[bytes | None] = [*data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    if expected[-1] == b"":
        expected.pop()
    assert lines_of(data, cuts) == expected


@given(st.lists(st.integers(0, 40), max_size=20), CUTS)
def test_a_line_over_the_limit_is_dropped_and_the_others_stay(lengths: list[int], cuts: list[int]) -> None:
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    assert lines_of(data, cuts, limit=20) == [b"x" * length if length <= 20 else None for length in lengths]


OPTION_NAMES = ["email", "sanitize", "explain", "x"]
PARTS_OF_JSON = [
    '"a","b"', '{"email":"c"', '"sanitize":true}', '{"x":[{}', "{}]}", "[", "]", '"', "", "  ", "nul", '"a"\r',
    '{"email":"a","email":"b"}', '{"email":"a"}',
]  # fmt: skip
JSON_LINES = st.one_of(
    st.text(max_size=10).map(json.dumps),
    st.dictionaries(st.sampled_from(OPTION_NAMES), st.text(max_size=5) | st.booleans()).map(json.dumps),
    st.sampled_from(PARTS_OF_JSON),
    st.text(alphabet='"{}[],:ae \\', max_size=8),
)


def by_line(rows: Rows) -> list[tuple[int, str, RowFault | None, RowOptions | None]]:
    return [
        (line, text, rows.faults.get(index), rows.options.get(index))
        for index, (text, line) in enumerate(zip(rows.texts, rows.lines, strict=True))
    ]


@given(st.lists(JSON_LINES, max_size=12))
def test_a_window_is_decoded_as_its_lines_one_by_one(texts: list[str]) -> None:
    lines: list[bytes | None] = [text.replace("\n", " ").encode("utf-8", "replace") for text in texts]
    together = NdjsonDecoder(DEFAULTS).decode(lines)
    alone = NdjsonDecoder(DEFAULTS)
    assert by_line(together) == [row for line in lines for row in by_line(alone.decode([line]))]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=6)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8), CUTS)
def test_a_table_is_read_as_the_csv_module_reads_it(cells: list[list[str]], cuts: list[int]) -> None:
    cells = [["email", "b", "c"], *(row for row in cells if "".join(row).strip())]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(cells)
    decoder = TableDecoder(TableShape(","), max_record_bytes=10_000, keep_records=True)
    rows = decoder.decode(lines_of(buffer.getvalue().encode(), cuts))
    rows.extend(decoder.finish())
    assert decoder.header == cells[0]
    assert rows.records == cells[1:]
    assert rows.texts == [row[0] for row in cells[1:]]


@given(st.binary(max_size=200))
@example(b"1")
def test_nothing_that_is_sent_as_a_table_raises(data: bytes) -> None:
    decoder = TableDecoder(TableShape(None, "1", header=False), max_record_bytes=64)
    rows = decoder.decode(lines_of(data, ()))
    rows.extend(decoder.finish())
    assert all(1 <= line <= data.count(b"\n") + 1 for line in rows.lines)


def test_a_quote_that_never_closes_costs_linear_time() -> None:
    decoder = TableDecoder(TableShape(",", "1", header=False), max_record_bytes=65_536)
    rows = decoder.decode([b'x"y,"z'] * 40_000)
    rows.extend(decoder.finish())
    assert len(rows) == 40_000


def test_a_quoted_record_spans_lines_and_counts_them() -> None:
    decoder = TableDecoder(TableShape(), max_record_bytes=1_000, keep_records=True)
    rows = decoder.decode([b"email,note", b'a@b.c,"one', b'two ""x""', b'three"', b"d@e.f,"])
    assert rows.texts == ["a@b.c", "d@e.f"]
    assert rows.lines == [2, 5]
    assert rows.records is not None
    assert rows.records[0] == ["a@b.c", 'one\ntwo "x"\nthree']


def test_plain_text_has_an_address_a_line() -> None:
    rows = TextDecoder().decode([b"a@b.c\r", b"", b" d@e.f ", None, b"\xff"])
    assert rows.texts == ["a@b.c", " d@e.f ", "", ""]
    assert rows.lines == [1, 3, 4, 5]
    assert [fault.status for fault in rows.faults.values()] == [413, 400]


ELEMENTS = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none()),
    lambda inner: st.dictionaries(st.sampled_from(["email", "k"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(ELEMENTS, max_size=8), CUTS, st.booleans())
def test_chunk_borders_do_not_matter_to_an_array(elements: list[object], cuts: list[int], indent: bool) -> None:
    data = json.dumps(elements, indent=2 if indent else None, ensure_ascii=indent).encode("utf-8", "replace")

    def read(parts: list[bytes]) -> list[object]:
        decoder = ArrayDecoder(column=None, max_element_chars=10_000, keep_records=True)
        rows = Rows(records=[])
        for part in parts:
            rows.extend(decoder.feed(part))
        rows.extend(decoder.finish())
        return [*by_line(rows), rows.records]

    whole = read([data])
    assert read(pieces(data, cuts)) == whole
    assert len(whole) - 1 == len(elements)


@pytest.mark.parametrize("text", ["", "{}", "[1", '["a" "b"]', '["a"] x', "[}", '["' + "x" * 500])
def test_what_is_no_array_is_refused_with_its_line(text: str) -> None:
    decoder = ArrayDecoder(column=None, max_element_chars=400)

    def read() -> None:
        decoder.feed(text.encode())
        decoder.finish()

    with pytest.raises(RequestRefused, match="line 1"):
        read()


def test_objects_of_a_file_may_have_any_members() -> None:
    decoder = ObjectLinesDecoder(column=None, keep_records=True)
    rows = decoder.decode([b'{"id": 1, "E-mail": "a@b.c"}', b'"d@e.f"', b"[]", b'{"x": 1}', b"{"])
    assert rows.texts == ["a@b.c", "d@e.f", "", "", ""]
    assert sorted(rows.faults) == [2, 3, 4]


REQUEST_NAMES = ["email", "sanitize", "explain", "on_unknown", "lists", "more"]
REQUEST_VALUES = st.one_of(
    st.text(max_size=3), st.booleans(), st.none(), st.integers(0, 1), st.sampled_from(["accept", "error"]),
    st.lists(st.sampled_from(["a", "A B", 1]), max_size=2),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(REQUEST_NAMES), REQUEST_VALUES))
def test_a_row_takes_what_a_check_takes(value: dict[str, object]) -> None:
    from pydantic import ValidationError

    from validator.server.schemas import CheckRequest

    try:
        request = CheckRequest.model_validate_json(json.dumps(value), strict=True)
    except ValidationError:
        assert isinstance(read_request(value, DEFAULTS), RowFault)
    else:
        options = read_request(value, DEFAULTS)
        assert isinstance(options, RowOptions)
        assert options.check == CheckOptions(request.sanitize, request.explain, tuple(request.lists))
        assert options.on_unknown is (request.on_unknown or OnUnknown.ACCEPT)


# --- gzip -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=60), max_size=5), CUTS)
def test_chunk_borders_do_not_matter_to_gzip(members: list[bytes], cuts: list[int]) -> None:
    data = b"".join(gzip.compress(member, mtime=0) for member in members)
    gunzip = Gunzip()
    found = b"".join(piece for part in pieces(data, cuts) for piece in gunzip.feed(part))
    gunzip.finish()
    assert found == b"".join(members)


def test_a_bomb_comes_in_bounded_pieces() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    sizes = [len(piece) for piece in Gunzip().feed(bomb)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 256 * 1024


def test_a_cut_off_stream_is_refused() -> None:
    gunzip = Gunzip()
    list(gunzip.feed(gzip.compress(random.Random(1).randbytes(5_000))[:-1]))
    with pytest.raises(RequestRefused, match="cut off"):
        gunzip.finish()


def test_every_compressed_piece_can_be_read_at_once() -> None:
    zipper, gunzip = Gzip(), Gunzip()
    for piece in (b"one\n", b"two\n"):
        assert b"".join(gunzip.feed(zipper.feed(piece))) == piece
    assert b"".join(gunzip.feed(zipper.finish())) == b""
    gunzip.finish()


# --- out ------------------------------------------------------------------------------------------------------------

GOOD = Verdict("A@B.c", True, "A@b.c", None, Status.VALID, None)
BAD = Verdict("=x", False, "=x", Reason.INVALID, Status.INVALID, "+x@b.c")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+cmd|x", "'+cmd|x"), ("-1+1", "'-1+1"), ("\t=1", "'\t=1"),
        ("+tag@example.org", "+tag@example.org"), ("-a.b@example.org", "-a.b@example.org"),
        ("-5.2", "-5.2"), ("+380 44 123", "+380 44 123"), ("plain", "plain"), ("", ""), ("--", "--"),
        ("+a@b.c=1", "'+a@b.c=1"), ("=a@b.c", "'=a@b.c"),
    ],
)  # fmt: skip
def test_only_what_a_spreadsheet_would_run_is_defused(cell: str, shown: str) -> None:
    assert defuse(cell) == shown


def test_our_names_win_and_the_lists_names_stay_to_be_found() -> None:
    assert output_header(["id", "email", "orig_email", "status"])[:4] == [
        "id", "orig_orig_email", "orig_email", "orig_status",
    ]  # fmt: skip
    (merged,) = merged_objects([{"email": "A@B.c", "k": 1}], [GOOD], [1])
    assert merged == {
        "orig_email": "A@B.c", "k": 1, "valid": True, "email": "A@b.c", "reason": None, "status": "valid",
        "suggestion": None,
    }  # fmt: skip


def test_a_table_has_a_line_a_row_whatever_its_cells() -> None:
    encoder = TableEncoder()
    header = encoder.header(["email", "n"])
    rows = Rows(["A@B.c", "=x"], [2, 3], records=[["A@B.c"], ["=x", 'a"b', "more"]])
    read = list(csv.reader(io.StringIO((header + encoder.encode(rows, [GOOD, BAD])).decode())))
    assert read[0][:2] == ["orig_email", "n"]
    assert read[1] == ["A@B.c", "", "true", "A@b.c", "", "valid", "", ""]
    assert read[2] == ["'=x", 'a"b', "false", "'=x", "invalid", "invalid", "+x@b.c", ""]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 7))
def test_windows_hold_every_row_once_and_in_order(numbers: list[int], size: int) -> None:
    rows = Rows([str(number) for number in numbers], numbers)
    rows.faults = {index: RowFault(400, "x") for index, number in enumerate(numbers) if number == 3}
    found = list(windows_of(rows, size))
    assert [text for part in found for text in part.texts] == rows.texts
    assert all(len(part) <= size for part in found)
    assert sum(len(part.faults) for part in found) == len(rows.faults)
    for part in found:
        assert all(part.texts[index] == "3" for index in part.faults)


READERS: list[Callable[[bytes], object]] = [
    lambda data: NdjsonDecoder(DEFAULTS).decode(lines_of(data, ())),
    lambda data: ObjectLinesDecoder(column=None).decode(lines_of(data, ())),
    lambda data: TextDecoder().decode(lines_of(data, ())),
]


@given(st.binary(max_size=120), st.sampled_from(READERS))
def test_nothing_raises_for_any_bytes(data: bytes, read: Callable[[bytes], object]) -> None:
    read(data)
