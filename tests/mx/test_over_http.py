"""Over HTTP: the running service in front of a resolver that acts a table of scenarios, row by row.

Every row of `over_http.tsv` is a domain of its own; its verdicts follow from section 3 of the contract and the RFCs
that it rests on, not from what the service said. One name server for all; three services, because what has no answer
uses up the budget of a check, and what has one must not be short of it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.live import live_service
from tests.mx.acting import ORIGIN, ActingServer, Stage

TABLE = Path(__file__).parent / "over_http.tsv"
SUFFIX = f".{ORIGIN.rstrip('.')}"
NEVER_ASKED = {"localhost.", "localhost.localdomain.", "mail.", "host.local.", "1.0.0.127.in-addr.arpa.", "x.invalid.",
               "a.onion.", "a.invalid.", "1.2.3.4.", "localhost9."}  # fmt: skip
SPECIAL = ["host.local", "x.invalid", "x.example", "b.localhost", "x.home.arpa", "a.onion", "a.internal", "a.alt"]


def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = table()


@pytest.fixture(scope="module")
def resolver() -> Iterator[ActingServer]:
    stage = Stage()
    stage.add(f"good.{ORIGIN}", "mx A 1.2.3.4")
    for row in ROWS:
        stage.add(f"{row['name']}.{ORIGIN}", row["records"])
    with ActingServer(stage) as server:
        yield server


@pytest.fixture(scope="module")
def answers(resolver: ActingServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The answers to all rows by domain; those of the rows that implicit MX changes a second time, as `domain+`.

    Rows with an answer get all the time they need: a slow machine must not turn one into a timeout.
    """
    soft = [row["name"] + SUFFIX for row in ROWS if row["verdict"] == "unknown"]
    implied = [row["name"] + SUFFIX for row in ROWS if changed_by_implicit_mx(row)]
    domains = [row["name"] + SUFFIX for row in ROWS if row["verdict"] != "unknown"] + SPECIAL
    services: dict[str, tuple[list[str], dict[str, str]]] = {
        "quick": (soft, {"dns_timeout_s": "1.5"}),
        "patient": (domains, {"dns_timeout_s": "25"}),
        "implied": (implied, {"dns_timeout_s": "25", "implicit_mx": "true"}),
    }
    resolvers = {"dns_zone_file": "", "dns_servers": f"127.0.0.1:{resolver.port}"}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(32))
        asked = {}
        for name, (group, changes) in services.items():
            base, _ = stack.enter_context(live_service(tmp_path_factory.mktemp(name), **resolvers, **changes))
            mark = "+" if name == "implied" else ""
            asked |= {domain + mark: pool.submit(check, base, domain) for domain in group}
        return {key: answer.result() for key, answer in asked.items()}


def changed_by_implicit_mx(row: dict[str, str]) -> bool:
    return row["verdict"] != row["verdict_implicit_mx"] or row["note"].startswith("no MX")


def check(base: str, domain: str) -> dict[str, Any]:
    body = json.dumps({"email": f"a@{domain}"}).encode()
    with urlopen(f"{base}/check", body, timeout=60) as answer:
        return dict(json.load(answer))


def verdict(answer: dict[str, Any]) -> str:
    return "unknown" if answer["status"] == "unknown" else answer["reason"] or "valid"


def verdicts(answers: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What each scenario is, what its verdict must be, and what was answered."""
    for row in ROWS:
        domain = row["name"] + SUFFIX
        yield f"{domain} ({row['note']})", row["verdict"], answers[domain]
        if f"{domain}+" in answers:
            yield f"{domain} ({row['note']}), implicit", row["verdict_implicit_mx"], answers[f"{domain}+"]


def test_every_scenario_has_the_verdict_of_the_table(answers: dict[str, dict[str, Any]]) -> None:
    wrong = [(what, verdict(got), must) for what, must, got in verdicts(answers) if verdict(got) != must]
    assert wrong == []


def test_what_cannot_be_told_is_accepted_and_never_no_mail(answers: dict[str, dict[str, Any]]) -> None:
    soft = [(what, got) for what, must, got in verdicts(answers) if must == "unknown"]
    assert len(soft) > 40
    assert [(what, got) for what, got in soft if not got["valid"] or got["reason"] is not None] == []


def test_names_that_are_never_asked_cause_no_question(
    resolver: ActingServer, answers: dict[str, dict[str, Any]]
) -> None:
    assert {verdict(answers[domain]) for domain in SPECIAL} == {"mx_record"}
    asked = {name for name, _ in resolver.asked}
    assert asked & (NEVER_ASKED | {f"{name}." for name in SPECIAL}) == set()
    strangers = {name for name in asked if not name.endswith(ORIGIN)}
    assert all(len(name) == len("abcdefghijkl.abcdefghijklmn.") for name in strangers), "only canaries"


def test_no_more_than_sixteen_hosts_are_asked_for(resolver: ActingServer, answers: dict[str, dict[str, Any]]) -> None:
    assert verdict(answers[f"mx100{SUFFIX}"]) == "valid"
    assert len({name for name, _ in resolver.asked if name.endswith(f".mx100.{ORIGIN}")}) == 16
