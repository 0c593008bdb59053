"""What a check of fixtures found, and the forms in which CI systems read it. Pure.

No form names an address unless asked: a finding says where it is and which domain it has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape, quoteattr

import orjson

from validator.bulk.summary import Summary
from validator.verdict import Reason, Status, Verdict

UNKNOWN = "unknown"
"""Word for an address that DNS could not decide, beside the reasons."""
REPAIRED = "repaired"
"""Word for an address that is good only after a repair, beside the reasons."""


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """Makes the run fail."""
    WARNING = "warning"
    """Worth a look; the run does not fail for it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where something was found."""

    file: str
    """Path as it was given."""
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""
    field: str
    """Path in the document or name of the column; empty in plain text."""


@dataclass(frozen=True, slots=True)
class ListFinding:
    """One address that is not as it should be, or one file that cannot be read."""

    place: Placed
    """Where."""
    rule: str
    """A reason, `unknown`, `repaired` or `unreadable`."""
    level: Level
    """Does the run fail for it."""
    message: str
    """For people; names addresses only when that was asked for."""
    verdict: Verdict | None
    """What was judged; None for what could not be read."""


MEANINGS = {
    Reason.INVALID.value: "Not an address that ordinary mail can be sent to",
    Reason.MX_RECORD.value: "The domain takes no mail",
    Reason.APPLICATION.value: "The address belongs to an application",
    Reason.SYSTEM.value: "A system mailbox",
    Reason.BLACKLISTED.value: "The address or its domain is on the blacklist",
    Reason.MX_RECORD_BLACKLISTED.value: "A mail host of the domain is on the blacklist",
    Reason.MX_IP_BLACKLISTED.value: "An address of a mail host is on the blacklist",
    UNKNOWN: "DNS could not tell whether the domain takes mail",
    REPAIRED: "The address is good only after a repair",
    "unreadable": "The file or the row cannot be read",
}
"""Every rule in words, reasons first in order of precedence."""


def describe(verdict: Verdict, rule: str, *, addresses: bool) -> str:
    """The sentence of a finding."""
    sentence = MEANINGS[rule]
    if addresses:
        sentence += f": {printable(verdict.orig)}"
        meant = verdict.suggestion or (verdict.email if verdict.email != verdict.orig else None)
        return f"{sentence} (meant {printable(meant)}?)" if meant else sentence
    return f"{sentence} ({verdict.domain})" if verdict.domain else sentence


def printable(text: str) -> str:
    """Control and invisible characters as escapes, so that no reader can be told what to do."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def rule_of(verdict: Verdict) -> str | None:
    """What there is to say about a verdict; None when it is good as it stands."""
    if verdict.reason is not None:
        return verdict.reason.value
    if verdict.status is Status.UNKNOWN:
        return UNKNOWN
    return REPAIRED if is_repaired(verdict) else None


def is_repaired(verdict: Verdict) -> bool:
    """The address to store is another text than the one that was given, not only in other case."""
    return verdict.email.lower() != verdict.orig.lower()


# --- forms --------------------------------------------------------------------------------------------------------


def as_text(finding: ListFinding) -> str:
    """`file:line:column: rule: sentence`, as compilers write it."""
    place = finding.place
    return f"{printable(place.file)}:{place.line}:{place.column}: {finding.rule}: {finding.message}"


def as_json(finding: ListFinding, *, addresses: bool) -> bytes:
    """One JSON object without a line end."""
    place, verdict = finding.place, finding.verdict
    document: dict[str, object] = {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "field": place.field,
        "level": finding.level.value,
        "reason": finding.rule,
        "message": finding.message,
    }
    if verdict is not None:
        document["status"] = verdict.status.value
        document["domain"] = verdict.domain
        if addresses:
            document |= {"orig": verdict.orig, "email": verdict.email, "suggestion": verdict.suggestion}
    return orjson.dumps(document)


def as_github(finding: ListFinding) -> str:
    """A workflow command that GitHub shows beside the line."""
    place = finding.place
    properties = {
        "file": printable(place.file),
        "line": str(place.line),
        "col": str(place.column),
        "title": f"validator: {finding.rule}",
    }
    words = ",".join(f"{name}={_escaped(value, in_property=True)}" for name, value in properties.items())
    return f"::{finding.level.value} {words}::{_escaped(finding.message)}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def as_junit(findings: Sequence[ListFinding], checked: Sequence[tuple[str, int]]) -> Iterator[str]:
    """JUnit XML: a suite per file, a case per finding and one for everything else in it. *checked*: addresses each."""
    of_file = {
        file: list(found)
        for file, found in itertools.groupby(
            sorted(findings, key=lambda item: item.place.file), key=lambda item: item.place.file
        )
    }
    failures = sum(finding.level is Level.ERROR for finding in findings)
    cases = sum(len(of_file.get(file, ())) + 1 for file, _ in checked)
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<testsuites name="validator" tests="{cases}" failures="{failures}" errors="0">\n'
    for file, count in checked:
        found = of_file.get(file, [])
        failed = sum(finding.level is Level.ERROR for finding in found)
        yield (
            f'  <testsuite name={_attribute(file)} tests="{len(found) + 1}" failures="{failed}" errors="0"'
            f' skipped="{len(found) - failed}">\n'
        )
        yield f'    <testcase classname={_attribute(file)} name="{count} addresses checked"/>\n'
        for finding in found:
            place = finding.place
            name = f"line {place.line}, column {place.column}" + (f", {place.field}" if place.field else "")
            yield (
                f"    <testcase classname={_attribute(file)} name={_attribute(name)} file={_attribute(file)}"
                f' line="{place.line}">\n'
            )
            tag = "failure" if finding.level is Level.ERROR else "skipped"
            kind = f" type={_attribute(finding.rule)}" if tag == "failure" else ""
            yield f"      <{tag}{kind} message={_attribute(f'{finding.rule}: {finding.message}')}>"
            yield f"{escape(_xml_text(as_text(finding)))}</{tag}>\n    </testcase>\n"
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def _attribute(text: str) -> str:
    return quoteattr(_xml_text(text))


def _xml_text(text: str) -> str:
    """XML 1.0 has no place for most control characters, whatever the escape."""
    return "".join(char if char.isprintable() or char in "\t\n" else "\ufffd" for char in text)


def as_sarif(findings: Sequence[ListFinding], *, version: str, addresses: bool) -> bytes:
    """SARIF 2.1.0, one run; code scanning systems show it beside the lines."""
    rules = list(MEANINGS)
    results = []
    for finding in findings:
        place, verdict = finding.place, finding.verdict
        properties: dict[str, object] = {"field": place.field} if place.field else {}
        if verdict is not None:
            properties |= {"status": verdict.status.value, "domain": verdict.domain}
            if addresses:
                properties |= {"orig": verdict.orig, "email": verdict.email, "suggestion": verdict.suggestion}
        results.append(
            {
                "ruleId": finding.rule,
                "ruleIndex": rules.index(finding.rule),
                "level": finding.level.value,
                "message": {"text": finding.message},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": _uri(place.file)},
                            "region": {"startLine": place.line, "startColumn": place.column},
                        }
                    }
                ],
                "properties": properties,
            }
        )
    driver = {
        "name": "validator",
        "version": version,
        "rules": [
            {"id": rule, "name": rule, "shortDescription": {"text": meaning}} for rule, meaning in MEANINGS.items()
        ],
    }
    document = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(file, safe="/._-~")  # a colon would make a scheme of what stands before it (RFC 3986, 4.2)


def closing_lines(summary: Summary, *, failed: int, found: int, seconds: float | None = None) -> list[str]:
    """The report for people at the end of a run."""
    rate = f" in {seconds:.1f} s ({summary.rows / seconds:,.0f}/s)" if seconds else ""
    findings = "1 finding" if found == 1 else f"{found:,} findings"
    lines = [f"{summary.rows:,} addresses{rate}: {findings}, {failed:,} of them errors"]
    return [*lines, *summary_lines(summary)]


def summary_lines(summary: Summary) -> list[str]:
    """Counts per status and reason, the domains that failed most, repairs; never an address."""
    lines = [f"  {name:<22} {count:>10,}" for name, count in summary.document()["statuses"].items() if count]
    if summary.errors:
        lines.append(f"  {'unreadable rows':<22} {summary.errors:>10,}")
    if summary.reasons.total():
        lines.append("Reasons")
        lines += [f"  {name:<22} {count:>10,}" for name, count in summary.document()["reasons"].items() if count]
    if summary.repaired or summary.suggested:
        lines.append("Repairs")
        lines += [f"  {name:<22} {count:>10,}" for name, count in summary.repairs.most_common()]
        if summary.suggested:
            lines.append(f"  {'only suggested':<22} {summary.suggested:>10,}")
    top = summary.top_domains()
    if top:
        lines.append("Domains with most invalid addresses")
        lines += [f"  {domain:<40} {count:>10,}" for domain, count in top]
    return lines
