"""The zone rows through a real resolver in front of a real authority: Unbound and NSD from Debian's packages."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.dns_servers import PROGRAMS, nsd, program, unbound
from tests.mx.test_behaviour import ASKED, PATIENT_BUDGET_S, ROWS, WORDS, expected
from tests.nameserver import ZONE_FILE
from validator.mx.client import DnsClient
from validator.mx.resolver import MxResolver
from validator.mx.route import MailRoute
from validator.mx.special import special_names
from validator.reference import load_reference

MISSING = [name for name in PROGRAMS if program(name) is None]
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (apt-get install unbound nsd)"),
]
ZONE_ROWS = [name for name in ASKED if name.endswith(".mc.test")]


@cache
def routes(implicit_mx: bool) -> dict[str, MailRoute]:
    with tempfile.TemporaryDirectory() as folder:
        authority, recursor = Path(folder) / "nsd", Path(folder) / "unbound"
        authority.mkdir()
        recursor.mkdir()
        with (
            nsd(authority, {"mc.test": ZONE_FILE.read_text()}) as authority_address,
            unbound(recursor, {"mc.test": authority_address}) as address,
        ):
            return asyncio.run(_resolve(address, implicit_mx))


async def _resolve(address: tuple[str, int], implicit_mx: bool) -> dict[str, MailRoute]:
    exceptions = special_names(load_reference(), ("test",))
    resolver = MxResolver(DnsClient([address]), exceptions, implicit_mx=implicit_mx)
    await resolver.start()
    try:
        return {name: await resolver.route(name, timeout_s=PATIENT_BUDGET_S) for name in ZONE_ROWS}
    finally:
        await resolver.aclose()


@pytest.mark.parametrize("implicit_mx", [False, True], ids=["strict", "implicit"])
@pytest.mark.parametrize("name", ZONE_ROWS)
def test_a_zone_row_gets_its_verdict_through_unbound_and_nsd(name: str, implicit_mx: bool) -> None:
    row = ROWS[name]
    got = routes(implicit_mx)[name]
    assert WORDS[got.outcome] == expected(row["verdict_implicit_mx" if implicit_mx else "verdict"]), got.finding


def test_the_zone_file_resolver_agrees_with_the_real_servers() -> None:
    from validator.mx.zonefile import ZoneFileSource

    async def from_file() -> dict[str, MailRoute]:
        resolver = MxResolver(ZoneFileSource(ZONE_FILE), special_names(load_reference(), ("test",)))
        await resolver.start()
        try:
            return {name: await resolver.route(name, timeout_s=1) for name in ZONE_ROWS}
        finally:
            await resolver.aclose()

    def facts(route: MailRoute) -> tuple[object, object]:
        return route.outcome, sorted((host.name, sorted(host.addresses)) for host in route.hosts)

    from_zone = asyncio.run(from_file())
    differing = {name for name in ZONE_ROWS if facts(from_zone[name]) != facts(routes(False)[name])}
    assert differing == set()
