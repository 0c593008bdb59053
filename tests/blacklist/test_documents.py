"""JSON documents as providers answer with: each record is a line, wherever the chunks end, and nothing goes unsaid."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.blacklist.test_importing import keys, read
from validator.blacklist.entry import Cause
from validator.blacklist.importing import Defaults, Fault, Reader, Row
from validator.blacklist.importing.lines import MAX_LINE_BYTES

CUTS = (1, 3, 7, 4_096, None)
ANN, BOB = {"email": "ann@x.org", "reason": "spam"}, {"email": "bob@x.org", "created": 1_700_000_000}
SES = {
    "SuppressedDestinationSummaries": [
        {"EmailAddress": "ann@x.org", "Reason": "COMPLAINT", "LastUpdateTime": "2024-04-10T21:03:05Z"},
        {"EmailAddress": "bob@x.org", "Reason": "BOUNCE", "LastUpdateTime": 1_586_552_585.077},
    ],
    "NextToken": "a@b",
}
POSTMARK = {
    "Suppressions": [
        {"EmailAddress": "ann@x.org", "SuppressionReason": "SpamComplaint", "Origin": "Recipient"},
        {"EmailAddress": "bob@x.org", "SuppressionReason": "HardBounce", "CreatedAt": "2024-10-01T10:00:00-05:00"},
    ]
}
MAILGUN = {
    "paging": {"next": "https://x.test/?p=1", "first": "https://x.test/"},
    "items": [{"address": "ann@x.org", "tags": ["*"]}, {"address": "bob@x.org", "code": "605", "error": ""}],
}
SPARKPOST = {
    "total_count": 2,
    "results": [
        {"recipient": "ann@x.org", "type": "transactional", "source": "Spam Complaint"},
        {"recipient": "bob@x.org", "source": "Bounce Rule", "description": "550 no {such} \"user\" [here] \\"},
    ],
    "links": [{"href": "https://x.test/carl@x.org", "rel": "next"}],
}  # fmt: skip
DOCUMENTS = {"list": [ANN, BOB], "ses": SES, "postmark": POSTMARK, "mailgun": MAILGUN, "sparkpost": SPARKPOST}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_records_of_an_answer_are_entered(name: str, indent: int | None, cut: int | None) -> None:
    found = read(json.dumps(DOCUMENTS[name], indent=indent), cut=cut)
    assert keys(found) == ["ann@x.org", "bob@x.org"]
    assert [item.line for item in found if isinstance(item, Row)] == [1, 2]
    if name not in {"mailgun", "sparkpost"}:
        assert next(item.cause for item in found if isinstance(item, Row)) is Cause.COMPLAINT


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("cut", CUTS)
def test_in_any_encoding(encoding: str, cut: int | None) -> None:
    many = [{"email": f"ann{number}@x.org", "note": "привет"} for number in range(200)]
    assert len(keys(read(json.dumps(many, ensure_ascii=False, indent=1).encode(encoding), cut=cut))) == 200


@pytest.mark.parametrize("cut", CUTS)
def test_brackets_around_an_address_are_no_document(cut: int | None) -> None:
    assert keys(read("[ann@x.org]\nbob@x.org\n", cut=cut)) == ["ann@x.org", "bob@x.org"]


@pytest.mark.parametrize("cut", CUTS)
def test_several_pages_after_one_another(cut: int | None) -> None:
    pages = "\n".join(json.dumps(page, indent=2) for page in (SES, POSTMARK, {"Suppressions": []}))
    assert keys(read(pages, cut=cut)) == ["ann@x.org", "bob@x.org"] * 2
    assert keys(read("[" + json.dumps(ANN) + "]\n[\n" + json.dumps(BOB) + "\n]\n", cut=cut)) == [
        "ann@x.org",
        "bob@x.org",
    ]


@pytest.mark.parametrize("cut", CUTS)
def test_objects_over_several_lines(cut: int | None) -> None:
    text = "\n".join(json.dumps(item, indent=4) for item in (ANN, BOB))
    assert keys(read(text, cut=cut)) == ["ann@x.org", "bob@x.org"]


@pytest.mark.parametrize("cut", CUTS)
def test_strings_are_values(cut: int | None) -> None:
    text = '["ann@x.org", "bob\\u0040x.org",\n "", "two\\nlines", null, ["c@x.org"], {"email": "d@x.org"}]'
    found = read(text, cut=cut)
    assert keys(found) == ["ann@x.org", "bob@x.org", "c@x.org"]
    assert {item.line for item in found if isinstance(item, Fault)} == {4, 5, 7}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"email": "ann@x.org", "events": [{"type": "bounce"}]}', ["ann@x.org"]),
        ('{"events": [{"type": "bounce"}], "email": "ann@x.org"}', ["ann@x.org"]),
        ('{"tags": [], "email": "ann@x.org"}', ["ann@x.org"]),
        ('{"tags": ["a"], "email": "ann@x.org"}', ["ann@x.org"]),
        ('  {"email": "ann@x.org"}', ["ann@x.org"]),
    ],
)
def test_an_object_a_line_and_text_are_read_as_ever(line: str, expected: list[str]) -> None:
    assert keys(read(line + "\n" + line.replace("ann", "bob"))) == [*expected, "bob@x.org"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('[{"email": "ann@x.org"}, oops, {"email": "bob@x.org"}]', 2),
        ('[{"email": "ann@x.org"}, {"email": oops}, {"email": "bob@x.org"}]', 2),
        ('{"items": [{"email": "ann@x.org"}, oops, {"email": "bob@x.org"}]}', 2),
        ('[{"email": "ann@x.org"}, {"email": "bob@x', 1),
        ('[{"email": "ann@x.org"},', 1),
        ('{"items": [{"email": "ann@x.org"}]', 1),
        ('[{"email": "ann@x.org"}]\nbob@x.org\n', 1),
        ('{"items": [{"email": "ann@x.org"}]}\n{"message": "not found"}', 1),
        ('[{"email": "ann@x.org"}, {"email": "%s@x.org"}, {"email": "bob@x.org"}]' % ("x" * MAX_LINE_BYTES), 2),
        ('[{"email": "ann@x.org"}, {"a": {"b": ["%s\\\\"]}}, {"email": "bob@x.org"}]' % ("\\\\" * MAX_LINE_BYTES), 2),
        ('["ann@x.org", "%s", "bob@x.org"]' % ("x" * MAX_LINE_BYTES), 2),
        ('[{"email": "ann@x.org"}%s]' % ("x" * MAX_LINE_BYTES), 1),
    ],
)  # fmt: skip
def test_what_is_broken_costs_itself_only_and_is_told(text: str, good: int, cut: int | None) -> None:
    if cut in {1, 3, 7} and len(text) > MAX_LINE_BYTES:
        cut = 1_000 + (cut or 0)
    found = read(text, cut=cut)
    assert keys(found) == ["ann@x.org", "bob@x.org"][:good]
    assert [item for item in found if isinstance(item, Fault)]


_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8)
_OBJECTS = st.dictionaries(
    st.text(max_size=5), st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3)), max_size=4
)


@given(
    st.lists(_OBJECTS, min_size=1, max_size=6),
    st.sampled_from([None, 0, 3]),
    st.sampled_from(["list", "envelope"]),
    st.sampled_from([1, 2, 5, 64, 5_000]),
)  # fmt: skip
def test_a_document_is_read_as_its_records_a_line_each(
    records: list[dict[str, object]], indent: int | None, shape: str, cut: int
) -> None:
    document = records if shape == "list" else {"count": 1, "items": records, "more": [{"email": "z@x.org"}]}
    lines = "\n".join(json.dumps(record) for record in records)
    assert read(json.dumps(document, indent=indent), cut=cut) == read(lines)


def test_a_long_document_is_never_held() -> None:
    reader = Reader(Defaults())
    record = json.dumps({"email": "ann@x.org", "reason": "spam", "text": "x" * 400}).encode()
    tracemalloc.start()
    reader.feed(b'{"items": [' + record)
    for _ in range(500):
        reader.feed(b"," + b",".join([record] * 20))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reader.lines == 1 + 500 * 20
    assert most < 500_000
