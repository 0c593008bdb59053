"""Which addresses mail can be sent to: the quick test against `ipaddress` and the whole table of networks."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator.mx import special
from validator.mx.special import canonical_address, is_usable_address

NETWORKS = [ip_network(text) for text in (*special._UNUSABLE_V4, *special._UNUSABLE_V6)]
EDGES = [
    address
    for network in NETWORKS
    for edge in (int(network.network_address), int(network.broadcast_address))
    for address in (edge - 1, edge, edge + 1)
]


def usable(address: IPv4Address | IPv6Address) -> bool:
    """The verdict by the table alone, the slow way."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if address in ip_network("64:ff9b::/96"):
            inside = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inside is not None:
            return usable(inside)
    return not any(address in network for network in NETWORKS if network.version == address.version)


def agree(packed: bytes) -> None:
    text = canonical_address(packed)
    address = ip_address(packed)
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    assert text == str(plain)
    assert is_usable_address(text) == usable(address), text


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16))
def test_any_address_is_written_as_ipaddress_writes_it_and_judged_by_the_table(packed: bytes) -> None:
    agree(packed)


@given(st.sampled_from(["::ffff:0:0", "64:ff9b::", "2002::"]), st.integers(0, 2**32 - 1))
def test_an_address_inside_another_is_judged_by_the_one_inside(prefix: str, inside: int) -> None:
    agree((int(IPv6Address(prefix)) | inside << (80 if prefix == "2002::" else 0)).to_bytes(16, "big"))


def test_the_borders_of_every_network_are_where_the_table_says() -> None:
    for edge in EDGES:
        if 0 <= edge < 2**32:
            agree(edge.to_bytes(4, "big"))
        if 0 <= edge < 2**128:
            agree(edge.to_bytes(16, "big"))


def test_every_first_octet_and_every_first_group_is_judged_by_the_table() -> None:
    dice = random.Random(5)
    for first in range(256):
        agree(bytes((first,)) + dice.randbytes(3))
    for first in range(0, 65_536, 7):
        agree(first.to_bytes(2, "big") + dice.randbytes(14))


@given(st.lists(st.integers(0, 0x3FF), min_size=8, max_size=8))
def test_an_address_of_short_groups_is_judged_by_the_table(groups: list[int]) -> None:
    agree(b"".join(group.to_bytes(2, "big") for group in groups))


@pytest.mark.parametrize("text", ["2::3:1", "2:3::1", "23:4:5::1", "3::ff:0"])
def test_a_short_first_group_is_no_long_one(text: str) -> None:
    assert not is_usable_address(text)


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1a"])
def test_public_addresses_are_usable(text: str) -> None:
    assert is_usable_address(text)
