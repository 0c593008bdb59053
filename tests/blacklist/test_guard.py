"""Rules that would hit half the world, against the reference data that the service runs with."""

from __future__ import annotations

from functools import lru_cache

import pytest

from validator.blacklist.entry import Kind, Rule, RuleFault
from validator.blacklist.guard import Guard
from validator.blacklist.keys import parse_rule
from validator.reference import load_reference
from validator.runtime import guard_of
from validator.settings import Settings


@lru_cache
def guard() -> Guard:
    settings = Settings()
    return guard_of(settings, load_reference(settings.data_dir))


def refused(text: str, kind: Kind | None = None, *, below: bool = False) -> bool:
    rule = parse_rule(text, kind, below=below)
    assert isinstance(rule, Rule), rule
    return guard().reach(rule).refused


@pytest.mark.parametrize(
    "host",
    [
        "pphosted.com", "secureserver.net", "ovh.net", "registrar-servers.com", "mimecast.com", "messagelabs.com",
        "barracudanetworks.com", "mailgun.org", "emailsrvr.com", "zoho.com", "improvmx.com", "cloudflare.net",
        "eu.mimecast.com", "net", "github.io",
    ],
)  # fmt: skip
def test_a_name_with_the_mail_hosts_of_a_whole_company_below_it_needs_force(host: str) -> None:
    assert refused(host, Kind.MX_HOST, below=True)


def test_a_shared_host_needs_force_and_the_host_of_one_customer_does_not() -> None:
    assert refused("mx1.ovh.net", Kind.MX_HOST)
    assert refused("route1.mx.cloudflare.net", Kind.MX_HOST)
    assert not refused("mx0a-001b2d01.pphosted.com", Kind.MX_HOST)
    assert not refused("mx.evil.example", Kind.MX_HOST, below=True)
    assert not refused("notovh.net", Kind.MX_HOST, below=True)


@pytest.mark.parametrize("domain", ["github.io", "*.appspot.com", "*.co.uk", "*.com"])
def test_a_domain_under_which_strangers_get_names_needs_force(domain: str) -> None:
    assert refused(domain)
    assert not refused(f"somebody.{domain.removeprefix('*.')}")


@pytest.mark.parametrize(
    "network",
    [
        "64:ff9b::/96", "64:ff9b::8efa:961a", "64:ff9b::8efa:9600/120", "2002:8efa:961a::/48", "2002::/16",
        "::ffff:0:0/96",
    ],
)  # fmt: skip
def test_ipv4_inside_ipv6_is_judged_as_ipv4(network: str) -> None:
    assert refused(network)


@pytest.mark.parametrize("text", ["*@gmail.com", "*@acme.test"])
def test_a_star_for_everybody_is_no_address(text: str) -> None:
    fault = parse_rule(text)
    assert isinstance(fault, RuleFault)
    assert fault.code == "address_wildcard"
    assert "the domain" in fault.message
    assert isinstance(parse_rule(text.replace("*", "*x")), Rule)
