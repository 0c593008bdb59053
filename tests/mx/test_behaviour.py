"""Every row of the behaviour table: the zone, the misbehaving resolver, the names that must not be asked."""

from __future__ import annotations

import asyncio
import csv
from functools import cache
from pathlib import Path

import pytest

from tests.corpora_dir import tsv
from tests.nameserver import NameServer
from validator.mx.client import DnsClient
from validator.mx.resolver import MxResolver
from validator.mx.route import HostOutcome, MailRoute, RouteOutcome
from validator.mx.special import special_names
from validator.reference import load_reference

SOFT_BUDGET_S = 2.5
"""The budget of a check, which the rows that cannot be told have to use up."""
PATIENT_BUDGET_S = 30.0
"""For rows with an answer: a slow machine must not turn it into a timeout."""
OWN_TABLE = Path(__file__).parent / "behaviour.tsv"
WORDS = {RouteOutcome.DELIVERABLE: "valid", RouteOutcome.NO_MAIL: "mx_record", RouteOutcome.UNKNOWN: "unknown"}


def expected(verdict: str) -> str:
    """Blacklist rows are about the facts: the route itself is good."""
    return "valid" if verdict.endswith("_blacklisted") else verdict


async def verdicts(names: list[str], *, implicit_mx: bool) -> dict[str, MailRoute]:
    """All routes through one client; those that have no answer wait for it together."""
    soft = [name for name in names if ROWS[name]["verdict"] == "unknown"]
    definite = [name for name in names if name not in soft]
    async with NameServer() as server:
        exceptions = special_names(load_reference(), ("test",))
        resolver = MxResolver(DnsClient([server.address]), exceptions, implicit_mx=implicit_mx)
        await resolver.start()
        try:
            found = [await resolver.route(name, timeout_s=PATIENT_BUDGET_S) for name in definite]
            found += await asyncio.gather(*(resolver.route(name, timeout_s=SOFT_BUDGET_S) for name in soft))
        finally:
            await resolver.aclose()
    return {route.domain: route for route in found}


def shared_rows() -> list[dict[str, str]]:
    try:
        return list(tsv("dns", "behaviour.tsv"))
    except pytest.skip.Exception:
        return []


def own_rows() -> list[dict[str, str]]:
    with OWN_TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


SHARED = shared_rows()
ROWS = {row["name"]: row for row in own_rows() + SHARED}
ASKED = [name for name in ROWS if "@" not in name]


@cache
def routes(implicit_mx: bool) -> dict[str, MailRoute]:
    return asyncio.run(verdicts(ASKED, implicit_mx=implicit_mx))


@pytest.mark.parametrize("implicit_mx", [False, True], ids=["strict", "implicit"])
@pytest.mark.parametrize("name", ASKED)
def test_a_name_gets_the_verdict_of_the_table(name: str, implicit_mx: bool) -> None:
    row = ROWS[name]
    got = routes(implicit_mx)[name]
    assert WORDS[got.outcome] == expected(row["verdict_implicit_mx" if implicit_mx else "verdict"]), got.finding


@pytest.mark.parametrize("implicit_mx", [False, True], ids=["strict", "implicit"])
def test_no_soft_failure_is_reported_as_no_mail(implicit_mx: bool) -> None:
    if not SHARED:
        pytest.skip("the shared table is not here")
    soft = [name for name in ASKED if ROWS[name]["verdict"] == "unknown"]
    wrong = [name for name in soft if routes(implicit_mx)[name].outcome is RouteOutcome.NO_MAIL]
    assert len(soft) > 30
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "hosts", "addresses"),
    [
        ("blname.mc.test", ["mx.blocked.mc.test"], ["1.2.3.4"]),
        ("blname2.mc.test", ["mx.ok1.mc.test", "mx.blocked.mc.test"], ["1.2.3.4", "1.2.3.4"]),
        ("blip.mc.test", ["h.blip.mc.test"], ["1.2.3.66"]),
        ("blip6.mc.test", ["h.blip6.mc.test"], ["2606:2800:66::1"]),
        ("mxmapped.mc.test", ["h.mxmapped.mc.test"], ["10.0.0.1"]),
    ],
)
def test_a_route_names_the_hosts_and_addresses_that_a_blacklist_matches(
    name: str, hosts: list[str], addresses: list[str]
) -> None:
    if not SHARED:
        pytest.skip("the shared table is not here")
    route = routes(False)[name]
    assert [host.name for host in route.hosts] == hosts
    assert [address for host in route.hosts for address in host.addresses] == addresses


def test_at_most_sixteen_hosts_are_resolved_and_a_hundred_named() -> None:
    route = routes(False)["many300.mc.test"]
    assert len(route.hosts) == 100
    assert [host.outcome for host in route.hosts].count(HostOutcome.USABLE) == 16
    assert route.hosts[16].outcome is HostOutcome.NOT_ASKED
