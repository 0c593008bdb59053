"""From what people write to what is compared; pure."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator.blacklist.entry import Cause, DomainKeys, Kind, Rule, RuleFault
from validator.blacklist.guard import Guard
from validator.blacklist.keys import erased_key, ip_number, list_name, network_key, parse_rule, rule_keys
from validator.blacklist.store.codes import ActionCode, CauseCode, KindCode, StateCode


@pytest.mark.parametrize(
    ("text", "kind", "key", "below"),
    [
        ("Jane.Doe+X@Example.COM", Kind.ADDRESS, "jane.doe+x@example.com", False),
        ("o'brien@example.com", Kind.ADDRESS, "o'brien@example.com", False),
        ("JANE@faß.de", Kind.ADDRESS, "jane@xn--fa-hia.de", False),
        ("Ünal@example.com", Kind.ADDRESS, "Ünal@example.com", False),
        ("@example.com", Kind.DOMAIN, "example.com", False),
        ("Example.COM.", Kind.DOMAIN, "example.com", False),
        ("*.example.com", Kind.DOMAIN, "example.com", True),
        ("*.zip", Kind.DOMAIN, "zip", True),
        ("192.0.2.7", Kind.MX_IP, "192.0.2.7/32", False),
        ("2001:DB8::/32", Kind.MX_IP, "2001:db8::/32", False),
        ("::ffff:192.0.2.0/120", Kind.MX_IP, "192.0.2.0/24", False),
        ("64:ff9b::192.0.2.7", Kind.MX_IP, "192.0.2.7/32", False),
        ("2002:c000:200::/40", Kind.MX_IP, "192.0.2.0/24", False),
    ],
)
def test_a_value_is_told_apart_and_has_one_key(text: str, kind: Kind, key: str, below: bool) -> None:
    rule = parse_rule(text)
    assert isinstance(rule, Rule)
    assert (rule.kind, rule.key, rule.below) == (kind, key, below)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("jane@", None, "address_empty_part"),
        ("com", None, "domain_single_label"),
        ("192.0.2.1/24", None, "network_host_bits"),
        ("192.0.2.0/33", None, "network_prefix"),
        ("2001:db8::/129", None, "network_prefix"),
        ("fe80::1%eth0", None, "network_zone"),
        ("example.com", Kind.MX_IP, "network_syntax"),
        ("a b.com", Kind.MX_HOST, "domain_character"),
        ("", None, "domain_character"),
    ],
)
def test_what_is_no_rule_says_why(text: str, kind: Kind | None, code: str) -> None:
    fault = parse_rule(text, kind)
    assert isinstance(fault, RuleFault)
    assert fault.code == code


@given(st.text(max_size=400), st.sampled_from([None, *Kind]))
def test_no_text_raises(text: str, kind: Kind | None) -> None:
    parse_rule(text, kind)
    list_name(text)
    ip_number(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_key_is_that_of_the_network(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, width: int
) -> None:
    width = min(width, address.max_prefixlen)
    expected = ipaddress.ip_network((address, width), strict=False)
    assert network_key(int(address), width, address.version) == f"{expected.network_address}/{width}"


def test_only_prefix_lengths_that_occur_are_asked_for() -> None:
    wanted = rule_keys(DomainKeys("a.b.example", ("mx.b.example",), ("192.0.2.7", "2001:db8::1")), [(4, 24), (6, 32)])
    assert wanted == {
        (Kind.DOMAIN, "a.b.example"): False,
        (Kind.DOMAIN, "b.example"): True,
        (Kind.DOMAIN, "example"): True,
        (Kind.MX_HOST, "mx.b.example"): False,
        (Kind.MX_HOST, "b.example"): True,
        (Kind.MX_HOST, "example"): True,
        (Kind.MX_IP, "192.0.2.0/24"): False,
        (Kind.MX_IP, "2001:db8::/32"): False,
    }


def test_an_erased_key_tells_nothing_without_the_secret() -> None:
    assert erased_key("jane@example.com", b"1") != erased_key("jane@example.com", b"2")
    assert "jane" not in erased_key("jane@example.com", b"1")


def test_numbers_in_the_store_never_change() -> None:
    assert [code.value for code in KindCode] == [0, 1, 2, 3]
    assert [(code.name, code.value) for code in StateCode] == [
        ("ACTIVE", 0), ("ARCHIVED", 1), ("REMOVED", 2), ("UNDONE", 3),
    ]  # fmt: skip
    assert {code.name for code in CauseCode} == {cause.name for cause in Cause}
    assert [code.value for code in ActionCode] == list(range(1, 13))


def test_a_guard_without_data_still_knows_suffixes_and_widths() -> None:
    guard = Guard()
    for text, refused in [("*.co.uk", True), ("co.uk", True), ("example.co.uk", False), ("198.51.0.0/16", True),
                          ("198.51.100.0/24", False), ("2001:db8::/48", False), ("jane@gmail.com", False)]:  # fmt: skip
        rule = parse_rule(text)
        assert isinstance(rule, Rule)
        assert guard.reach(rule).refused is refused, text
