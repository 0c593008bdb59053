"""Names that are never asked and networks that are never usable for mail.

Pure. Names come from `data/special_use.tsv`; the networks stand here in full, because `ipaddress.is_global` of
CPython 3.11 calls multicast, NAT64 of loopback and 6to4 of loopback global.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv6Address, ip_network
from socket import AF_INET, AF_INET6, inet_ntoa, inet_ntop, inet_pton

from validator.errors import DatasetError
from validator.reference import Reference


class NameRule(StrEnum):
    """What a row of `special_use.tsv` forbids."""

    NAME = "name"
    """The name and everything below it is never looked up."""
    FIRST_LABEL = "first_label"
    """A mail host whose first label is this is a placeholder, not a host."""


class SpecialNames:
    """The table of special names, ready to be asked."""

    def __init__(self, records: Iterable[Mapping[str, str]], exceptions: Collection[str] = ()) -> None:
        """Build from the rows of the table; *exceptions* are names that may be looked up all the same, e.g. `test`."""
        allowed = {name.strip(".").lower() for name in exceptions}
        self._suffixes: set[str] = set()
        self._first_labels: set[str] = set()
        for record in records:
            try:
                rule = NameRule(record["rule"])
            except ValueError as error:
                raise DatasetError(f"special_use: no rule {record['rule']}") from error
            if rule is NameRule.FIRST_LABEL:
                self._first_labels.add(record["name"])
            elif record["name"] not in allowed:
                self._suffixes.add(record["name"])
        self._allowed = allowed

    def is_special(self, name: str) -> bool:
        """True when *name* (lower-case A-labels, no final dot) must not be looked up; the longest rule wins."""
        suffix = name
        while True:
            if suffix in self._allowed:
                return False
            if suffix in self._suffixes:
                return True
            _, dot, suffix = suffix.partition(".")
            if not dot:
                return False

    def is_placeholder(self, host: str) -> bool:
        """True for a mail host that stands for "none", by its first label."""
        return host.partition(".")[0] in self._first_labels


def special_names(reference: Reference, exceptions: Collection[str] = ()) -> SpecialNames:
    """The table of this installation; raises `DatasetError` when it is missing or malformed."""
    return SpecialNames(reference.table("special_use").records(), exceptions)


_MAX_NAME = 253
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMERIC = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def is_host_name(name: str) -> bool:
    """True for a name of letters, digits, hyphens and underscores that fits the wire.

    Underscores are no host-name characters by RFC 952, but mail hosts with them exist and get mail.
    """
    return len(name) <= _MAX_NAME and _HOST.fullmatch(name) is not None


def is_ip_text(name: str) -> bool:
    """True for a host name that is an address written out, `192.0.2.1` or `[::1]`: a mistake in the zone."""
    return ":" in name or (name[-1:].isdigit() and _NUMERIC.fullmatch(name) is not None)


_UNUSABLE_V4 = (
    "0.0.0.0/8",  # this network, RFC 791
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # shared (carrier-grade NAT), RFC 6598
    "127.0.0.0/8",  # loopback, RFC 1122
    "169.254.0.0/16",  # link-local, RFC 3927
    "172.16.0.0/12",  # private, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.31.196.0/24",  # AS112, RFC 7535
    "192.52.193.0/24",  # AMT, RFC 7450
    "192.88.99.0/24",  # 6to4 relay anycast, RFC 7526
    "192.168.0.0/16",  # private, RFC 1918
    "192.175.48.0/24",  # AS112, RFC 7534
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/4",  # multicast, RFC 5771
    "240.0.0.0/4",  # reserved and broadcast, RFC 1112, RFC 919
)
_UNUSABLE_V6 = (
    "::/3",  # unspecified, loopback, mapped and translated forms (unwrapped before), discard 100::/64
    "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks; RFC 2928
    "2001:db8::/32",  # documentation, RFC 3849
    "2620:4f:8000::/48",  # AS112, RFC 7534
    "3fff::/20",  # documentation, RFC 9637
    "4000::/2",  # not allocated for global unicast, RFC 4291; SRv6 5f00::/16
    "8000::/1",  # not allocated, ULA fc00::/7, link-local fe80::/10, site-local, multicast ff00::/8
)


def _ranges(networks: Iterable[str]) -> tuple[list[int], list[int]]:
    bounds = sorted((int(net.network_address), int(net.broadcast_address)) for net in map(ip_network, networks))
    return [first for first, _ in bounds], [last for _, last in bounds]


_V4_FIRST, _V4_LAST = _ranges(_UNUSABLE_V4)
_V6_FIRST, _V6_LAST = _ranges(_UNUSABLE_V6)

_SPECIAL_OCTETS = frozenset(
    str(octet)
    for first, last in zip(_V4_FIRST, _V4_LAST, strict=True)
    for octet in range(first >> 24, (last >> 24) + 1)
)
"""First octets below which some IPv4 network is special."""
_SPECIAL_HEXTETS = frozenset({"2001", "2002", "2620", "3fff"})
"""First groups in 2000::/3 below which some IPv6 network is special: those of the table, and 6to4."""

_MAPPED = bytes(10) + b"\xff\xff"
_COMPATIBLE = bytes(12)
_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)


_OCTETS = [str(octet) for octet in range(256)]


def text_of_v4(packed: bytes) -> str:
    """An IPv4 address of 4 octets as text, in a third less time than `inet_ntoa` takes."""
    first, second, third, fourth = packed
    return f"{_OCTETS[first]}.{_OCTETS[second]}.{_OCTETS[third]}.{_OCTETS[fourth]}"


def canonical_address(packed: bytes) -> str:
    """Address text (RFC 5952) of 4 or 16 octets; an IPv4-mapped one is written as the IPv4 address it is."""
    if len(packed) == 4:
        return text_of_v4(packed)
    if packed[0]:
        return inet_ntop(AF_INET6, packed)
    if packed.startswith(_MAPPED):
        return inet_ntoa(packed[12:])
    if packed.startswith(_COMPATIBLE):
        return str(IPv6Address(packed))  # inet_ntop would write the end of these with dots
    return inet_ntop(AF_INET6, packed)


def is_usable_address(text: str) -> bool:
    """True for a public unicast address; mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056) ones by the IPv4 inside."""
    if text[4:5] == ":" and text[0] in "23" and ":" not in text[:4] and text[:4] not in _SPECIAL_HEXTETS:
        return True  # inside 2000::/3, and no special network begins like it
    if ":" not in text:
        return text[: text.index(".")] not in _SPECIAL_OCTETS or _is_usable_v4(inet_pton(AF_INET, text))
    packed = inet_pton(AF_INET6, text)
    if packed.startswith((_MAPPED, _NAT64)):
        return _is_usable_v4(packed[12:])
    if packed.startswith(b"\x20\x02"):
        return _is_usable_v4(packed[2:6])
    value = int.from_bytes(packed, "big")
    at = bisect_right(_V6_FIRST, value) - 1
    # 2001:db8::/32 is not inside 2001::/23, so ranges do not nest and the nearest one decides
    return at < 0 or value > _V6_LAST[at]


def _is_usable_v4(packed: bytes) -> bool:
    value = int.from_bytes(packed, "big")
    at = bisect_right(_V4_FIRST, value) - 1
    return value > _V4_LAST[at]
