"""How entries are matched: from what people write to the key that is compared. Pure.

A key is an address with its local part lower-cased (dots and `+tag` kept: elsewhere they are other people), a domain or
host as lower-case A-labels without final dot, or a network as canonical text with its prefix.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from validator.address import EmailAddress, SyntaxFault, SyntaxRules, ascii_domain, parse_address, plain_address
from validator.blacklist.entry import DomainKeys, Kind, Rule, RuleFault

_ANY_ADDRESS = SyntaxRules(apostrophe=True, symbols=True, eai=True)
_LIST_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TLD = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
_CARRIERS = tuple(
    (int(network.network_address) >> (128 - network.prefixlen), network.prefixlen)
    for network in map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16"))
)
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def address_key(address: EmailAddress) -> str:
    """The key of a mailbox: ASCII letters of the local part lower-cased, everything else kept."""
    local = address.local
    if local.isascii():
        return f"{local.lower()}@{address.domain}"
    return f"{unicodedata.normalize('NFC', local).translate(_ASCII_LOWER)}@{address.domain}"


def network_key(address: int, width: int, version: int) -> str:
    """The key of the network of *width* bits that holds *address*."""
    if version == 4:
        network: object = ipaddress.IPv4Address(address >> (32 - width) << (32 - width))
    else:
        network = ipaddress.IPv6Address(address >> (128 - width) << (128 - width))
    return f"{network}/{width}"


@lru_cache(maxsize=8_192)
def ip_number(text: str) -> tuple[int, int] | None:
    """An IP address as a number with its version, IPv4 inside IPv6 unwrapped; None for other text."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        inner = unwrapped(address, 128)
        if inner is not None:
            return int(inner.network_address), 4
    return int(address), address.version


def unwrapped(address: ipaddress.IPv6Address, width: int) -> ipaddress.IPv4Network | None:
    """The IPv4 network inside an IPv6 one: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056); else None."""
    number = int(address)
    for prefix, length in _CARRIERS:
        if width >= length and number >> (128 - length) == prefix:
            inside = min(width - length, 32)
            shifted = number >> (128 - length - 32) & 0xFFFF_FFFF
            return ipaddress.IPv4Network((shifted, inside))
    return None


def parents(name: str) -> Iterator[str]:
    """The names above *name*, nearest first: `a.b.c` gives `b.c` and `c`."""
    _, dot, rest = name.partition(".")
    while dot:
        yield rest
        _, dot, rest = rest.partition(".")


def rule_keys(keys: DomainKeys, widths: Iterable[tuple[int, int]]) -> dict[tuple[Kind, str], bool]:
    """Every key that a rule about this domain can have; the value tells whether only a rule with `below` counts.

    *widths* are the (version, prefix length) pairs that occur among the networks of the store.
    """
    wanted: dict[tuple[Kind, str], bool] = {}
    for kind, names in ((Kind.DOMAIN, (keys.domain,)), (Kind.MX_HOST, keys.mx_hosts)):
        for raw in names:
            name = raw.lower().rstrip(".")
            for parent in parents(name):
                wanted.setdefault((kind, parent), True)
            wanted[kind, name] = False
    known = tuple(widths)
    if known:
        for text in keys.mx_ips:
            number = ip_number(text)
            if number is not None:
                for version, width in known:
                    if version == number[1]:
                        wanted[Kind.MX_IP, network_key(number[0], width, version)] = False
    return wanted


def list_name(text: str) -> str | None:
    """The name of a list in its one form, or None when it can be none: `[a-z0-9_-]`, 1 to 64 characters."""
    name = text.strip().lower()
    return name if _LIST_NAME.fullmatch(name) else None


def address_rule(text: str) -> Rule | RuleFault:
    """The rule of one mailbox; every address that mail can be sent to is accepted, whatever the check accepts."""
    parsed = plain_address(text) or parse_address(text, _ANY_ADDRESS)
    if text.startswith("*@"):
        return RuleFault("address_wildcard", "`*` stands for nothing in an address: name the domain instead")
    if isinstance(parsed, SyntaxFault):
        return RuleFault(f"address_{parsed.code}", parsed.message)
    return Rule(Kind.ADDRESS, address_key(parsed), parsed.text)


def parse_rule(text: str, kind: Kind | None = None, *, below: bool = False) -> Rule | RuleFault:
    """Read one value as a rule. Without *kind*: an address, `@domain`, `domain`, `*.domain`, an IP address or CIDR.

    A leading `*.` or `.` asks for what lies below as well. Never raises.
    """
    text = text.strip()
    match kind or _guess(text):
        case Kind.ADDRESS:
            return address_rule(text)
        case Kind.DOMAIN | Kind.MX_HOST as named:
            return _name_rule(named, text, below)
        case Kind.MX_IP:
            return _network_rule(text)


def _guess(text: str) -> Kind:
    if text.startswith("@"):
        return Kind.DOMAIN
    if "@" in text:
        return Kind.ADDRESS
    if ip_number(text.partition("/")[0]) is not None:
        return Kind.MX_IP
    return Kind.DOMAIN


def _name_rule(kind: Kind, text: str, below: bool) -> Rule | RuleFault:
    name = text.removeprefix("@") if kind is Kind.DOMAIN else text
    for sign in ("*.", "."):
        if name.startswith(sign):
            name, below = name.removeprefix(sign), True
            break
    name = name.removesuffix(".")
    if below and _TLD.fullmatch(name.lower()):
        return Rule(kind, name.lower(), name.lower(), below=True)
    domain = ascii_domain(name)
    if isinstance(domain, SyntaxFault):
        return RuleFault(f"domain_{domain.code.removeprefix('domain_')}", domain.message)
    return Rule(kind, domain, domain, below)


def _network_rule(text: str) -> Rule | RuleFault:
    if "%" in text:
        return RuleFault("network_zone", "an address with a zone is one on the own link, never that of a mail host")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        head = text.partition("/")[0]
        if ip_number(head) is None:
            return RuleFault("network_syntax", "neither an IP address nor a network")
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            return RuleFault("network_prefix", "what follows the slash is no length of a network's prefix")
        return RuleFault("network_host_bits", "a network whose address has bits set below its prefix")
    if isinstance(network, ipaddress.IPv6Network):
        network = unwrapped(network.network_address, network.prefixlen) or network
    key = f"{network.network_address}/{network.prefixlen}"
    single = network.prefixlen == network.max_prefixlen
    return Rule(Kind.MX_IP, key, str(network.network_address) if single else key)


def erased_key(key: str, secret: bytes) -> str:
    """What an erased address leaves behind: a keyed hash that matches it and does not tell it."""
    return "#" + hashlib.blake2b(key.encode(), key=secret, digest_size=16).hexdigest()
