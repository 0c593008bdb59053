"""Fixtures: every address with its place, and the forms in which CI systems read what was found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from validator.bulk.documents import Cell
from validator.bulk.fields import FieldMatcher, parse_field
from validator.bulk.findings import (
    MEANINGS,
    Level,
    ListFinding,
    Placed,
    as_github,
    as_json,
    as_junit,
    as_sarif,
    as_text,
)
from validator.bulk.report import html_report
from validator.bulk.scanning import scan_all
from validator.bulk.summary import Summary
from validator.errors import RequestRefused
from validator.verdict import Reason, Status, Verdict

JSON = """{
  "users": [
    {"name": "a", "email": "one@b.c"},
    {"email": "t\\u0077o@b.c", "address": {"email": "three@b.c"}},
    {"email": null}, {"emails": ["four@b.c"]}
  ]
}
"""
YAML = """users:
  - name: a
    email: one@b.c
  - {email: "two@b.c", other: [x]}
  - email: ~
  - email:
  - email: &anchor three@b.c
  - email: *anchor
---
- four@b.c
"""
CSV = 'id,email,note\r\n1,one@b.c,x\r\n2,"two@b.c","a\r\nb"\r\n\r\n3, three@b.c ,\r\n4,,x\r\n5,four@b.c'


@pytest.mark.parametrize(
    ("kind", "text", "places"),
    [
        ("json", JSON, [(3, 28), (4, 15), (4, 52), (5, 34)]),
        ("yaml", YAML, [(3, 12), (4, 13), (7, 12), (10, 3)]),
        ("csv", CSV, [(2, 3), (3, 3), (6, 3), (8, 3)]),
        ("txt", "# people\none@b.c\n\n  two@b.c\nthree@b.c\r\nfour@b.c", [(2, 1), (4, 3), (5, 1), (6, 1)]),
        ("ndjson", '"one@b.c"\n{"email": "two@b.c"}\n{"x": 1}\n ["three@b.c"]\n{"a": {"email": "four@b.c"}}', [
            (1, 1), (2, 11), (4, 3), (5, 17),
        ]),
    ],
)  # fmt: skip
def test_every_address_is_found_where_it_stands(kind: str, text: str, places: list[tuple[int, int]]) -> None:
    cells = list(scan_all(text, kind))
    assert [cell.text.strip() for cell in cells] == ["one@b.c", "two@b.c", "three@b.c", "four@b.c"]
    assert [(cell.line, cell.column) for cell in cells] == places


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["$.users[*].email"], ["one@b.c", "two@b.c"]),
        (["$.users[1].email"], ["two@b.c"]),
        (["$..address.email"], ["three@b.c"]),
        (["$..email", "$..emails[*]"], ["one@b.c", "two@b.c", "three@b.c", "four@b.c"]),
        (["$.users[*]['email']"], ["one@b.c", "two@b.c"]),
        (["$.users.*.e*"], ["one@b.c", "two@b.c"]),
        (["email"], ["one@b.c", "two@b.c", "three@b.c"]),
        (["$.users[*].name"], ["a"]),
    ],
)
def test_field_paths_choose(paths: list[str], found: list[str]) -> None:
    assert [cell.text for cell in scan_all(JSON, "json", fields=paths)] == found


def test_a_field_may_be_missing_from_a_table_and_a_column_may_not() -> None:
    assert list(scan_all("id,name\n1,2\n", "csv", fields=["email"])) == []
    with pytest.raises(RequestRefused, match="column"):
        list(scan_all("id,name\n1,2\n", "csv", columns=["email"]))


@pytest.mark.parametrize("path", ["$.", "$[", "$.a[b]", "$[*", "$...a", "$['a]"])
def test_a_path_that_means_nothing_is_refused(path: str) -> None:
    with pytest.raises(RequestRefused, match="field"):
        parse_field(path)


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        ("json", '{"a":\n1', 2),
        ("json", "[\n}", 2),
        ("json", "\n]", 2),
        ("yaml", "a: [1\nb: 2", 2),
        ("json", '["\n"]', 1),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(kind: str, text: str, line: int) -> None:
    with pytest.raises(RequestRefused, match=f"line {line}"):
        list(scan_all(text, kind))


DOCUMENTS = st.recursive(
    st.one_of(st.text(max_size=6), st.integers(), st.booleans(), st.none()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["email", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def emails_of(value: object, *, wanted: bool = False) -> list[str]:
    if isinstance(value, str):
        return [value] if wanted else []
    if isinstance(value, list):
        return [found for item in value for found in emails_of(item)]
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in emails_of(item, wanted=name == "email")]
    return []


@given(DOCUMENTS, st.sampled_from([None, 2]))
def test_a_json_scanner_sees_what_a_parser_sees(document: object, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    cells = list(scan_all(text, "json", fields=["$..email"]))
    assert [cell.text for cell in cells] == emails_of(document)
    lines = text.split("\n")
    assert all(lines[cell.line - 1][cell.column - 1] == '"' for cell in cells)


@given(DOCUMENTS)
def test_a_yaml_scanner_sees_what_a_parser_sees(document: object) -> None:
    text = yaml.safe_dump(document, sort_keys=False)
    cells = list(scan_all(text, "yaml", fields=["$..email"]))
    assert [cell.text for cell in cells] == emails_of(document)


@given(st.text(max_size=60), st.sampled_from(["json", "yaml", "csv", "tsv", "txt", "ndjson"]))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    try:
        cells = list(scan_all(text, kind))
    except RequestRefused:
        return
    assert all(cell.line >= 1 and cell.column >= 1 for cell in cells)


def test_states_below_a_path_are_followed_once() -> None:
    matcher = FieldMatcher(["$[*].a"])
    state = matcher.below(matcher.below_index(matcher.start, 5), "a")
    assert matcher.is_wanted(state)
    assert matcher.below_index(matcher.start, 5) is matcher.below_index(matcher.start, 6)


# --- a large fixture ------------------------------------------------------------------------------------------------


def as_json_fixture(emails: list[str]) -> str:
    return (
        "[\n"
        + ",\n".join(f' {{"id": {number}, "email": {json.dumps(email)}}}' for number, email in enumerate(emails))
        + "\n]"
    )


def as_yaml_fixture(emails: list[str]) -> str:
    return "\n" + "".join(f"- email: {json.dumps(email)}\n" for email in emails)


def as_csv_fixture(emails: list[str]) -> str:
    return "id,email\n" + "".join(f"{number},{email}\n" for number, email in enumerate(emails))


@pytest.mark.parametrize(
    ("kind", "make"), [("json", as_json_fixture), ("yaml", as_yaml_fixture), ("csv", as_csv_fixture)]
)
def test_planted_faults_are_found_at_their_lines(kind: str, make: Callable[[list[str]], str]) -> None:
    choose = random.Random(kind)
    rows = 100_000 if kind != "yaml" else 20_000
    planted = sorted(choose.sample(range(rows), 17))
    emails = [f"user{number}@b.c" for number in range(rows)]
    for number in planted:
        emails[number] = "no address"
    cells: list[Cell] = list(scan_all(make(emails), kind))
    assert len(cells) == rows
    assert [cell.line - 2 for cell in cells if "@" not in cell.text] == planted


# --- forms ----------------------------------------------------------------------------------------------------------

STRANGE = 'a"<>&\x00\x1b,:%\n@b.c'
FINDINGS = [
    ListFinding(Placed("a b/c,d.json", 3, 7, "$.x"), "mx_record", Level.ERROR, "The domain takes no mail (b.c)", None),
    ListFinding(
        Placed("a b/c,d.json", 9, 1, ""), "unknown", Level.WARNING, f"{STRANGE} 100%",
        Verdict(STRANGE, True, STRANGE, None, Status.UNKNOWN, None, domain="b.c"),
    ),
    ListFinding(
        Placed("é.yaml", 1, 1, ""), "invalid", Level.ERROR, "Not an address",
        Verdict("x", False, "x", Reason.INVALID, Status.INVALID, "x@b.c"),
    ),
]  # fmt: skip
CHECKED = [("a b/c,d.json", 10), ("é.yaml", 1), ("good.csv", 4)]


def test_junit_is_read_by_a_junit_parser(tmp_path: object) -> None:
    text = "".join(as_junit(FINDINGS, CHECKED))
    suites = list(JUnitXml.fromstring(text.encode()))
    assert [(suite.name, suite.failures, suite.skipped) for suite in suites] == [
        ("a b/c,d.json", 1, 1), ("é.yaml", 1, 0), ("good.csv", 0, 0),
    ]  # fmt: skip
    assert [sum(1 for _ in suite) for suite in suites] == [3, 2, 1]


def test_sarif_has_what_code_scanning_asks_for() -> None:
    document = json.loads(as_sarif(FINDINGS, version="1", addresses=False))
    assert document["version"] == "2.1.0"
    [run] = document["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(MEANINGS)
    for result, finding in zip(run["results"], FINDINGS, strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        place = result["locations"][0]["physicalLocation"]
        assert place["region"] == {"startLine": finding.place.line, "startColumn": finding.place.column}
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/c%2Cd.json"


def test_a_colon_in_a_name_is_no_scheme() -> None:
    finding = replace(FINDINGS[0], place=replace(FINDINGS[0].place, file="a:b.json"))
    [result] = json.loads(as_sarif([finding], version="1", addresses=False))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%3Ab.json"


def test_github_commands_are_one_line_each_with_escapes() -> None:
    lines = [as_github(finding) for finding in FINDINGS]
    assert lines[0] == (
        "::error file=a b/c%2Cd.json,line=3,col=7,title=validator%3A mx_record::The domain takes no mail (b.c)"
    )
    assert lines[1].startswith("::warning ")
    assert all("\n" not in line for line in lines)
    assert lines[1].endswith("100%25")


def test_text_and_json_name_no_address_unless_asked() -> None:
    assert as_text(FINDINGS[0]) == "a b/c,d.json:3:7: mx_record: The domain takes no mail (b.c)"
    quiet = json.loads(as_json(FINDINGS[2], addresses=False))
    assert quiet == {
        "file": "é.yaml", "line": 1, "column": 1, "field": "", "level": "error", "reason": "invalid",
        "message": "Not an address", "status": "invalid", "domain": "",
    }  # fmt: skip
    assert json.loads(as_json(FINDINGS[2], addresses=True))["suggestion"] == "x@b.c"


def test_the_report_has_charts_and_neither_script_nor_address() -> None:
    summary = Summary()
    summary.add(
        [
            Verdict("secret@y.z", False, "secret@y.z", Reason.MX_RECORD, Status.INVALID, None, domain="<y>.z"),
            Verdict("Good@B.c", True, "Good@b.c", None, Status.VALID, "x@b.c", domain="b.c"),
        ]
    )
    page = html_report(summary, source="<list>.csv", finished="now", seconds=1.5, version="1")
    assert page.count("<svg") == 4
    assert "Content-Security-Policy" in page
    assert "default-src &#x27;none&#x27;" in page
    for word in ("<script", "http:", "https:", "secret", "@", " style=", "<y>", "<list>"):
        assert word not in page.replace("@media", "")


def test_a_line_of_ndjson_that_is_no_json_is_not_passed_over() -> None:
    with pytest.raises(RequestRefused, match="line 2: not JSON"):
        list(scan_all('{"email": "a@b.c"}\nbad line\n"d@e.f"\n', "ndjson"))
    assert len(list(scan_all('{"email": "a@b.c", "n": [1, -2.5e3, true, null]}\n"d@e.f"\n', "ndjson"))) == 2
