"""What stands on the blacklist and how it is matched: kinds, causes, states, keys. Pure.

A key is what is compared: an address with its local part lower-cased (dots and `+tag` kept: elsewhere they are other
people), a domain or host as lower-case A-labels without final dot, a network as canonical text with its prefix.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from validator.address import EmailAddress, SyntaxFault, SyntaxRules, ascii_domain, parse_address, plain_address

DEFAULT_LIST = "default"
"""The list that applies to every check."""
MAX_NOTE_CHARS = 1_000
"""Longest note, reason or source that is kept with an entry."""

_ANY_ADDRESS = SyntaxRules(apostrophe=True, symbols=True, eai=True)
_LIST_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TLD = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class Kind(StrEnum):
    """What a rule speaks about."""

    ADDRESS = "address"
    """One mailbox."""
    DOMAIN = "domain"
    """The domain of an address, and the domains below it when asked."""
    MX_HOST = "mx_host"
    """A mail host by name, and the hosts below it when asked."""
    MX_IP = "mx_ip"
    """An address of a mail host: one IP address or a network, v4 or v6."""


class Cause(StrEnum):
    """Why an entry is there."""

    MAILBOX_NOT_FOUND = "mailbox_not_found"
    """The mail host said that there is no such mailbox."""
    DOMAIN_NOT_FOUND = "domain_not_found"
    """The domain does not exist."""
    DOMAIN_NO_MAIL = "domain_no_mail"
    """The domain exists and takes no mail."""
    MAILBOX_MOVED = "mailbox_moved"
    """The mailbox has a new address."""
    MAILBOX_DISABLED = "mailbox_disabled"
    """The account exists and is switched off."""
    MAILBOX_FULL = "mailbox_full"
    """Over quota, entered by hand or by an import; feedback uses `repeated_soft_bounce`."""
    RECIPIENT_FILTERED = "recipient_filtered"
    """The recipient's filter refused again and again; feedback uses `repeated_soft_bounce`."""
    REPEATED_SOFT_BOUNCE = "repeated_soft_bounce"
    """Soft failures on several days; such an entry expires."""
    COMPLAINT = "complaint"
    """The person pressed the spam button."""
    UNSUBSCRIBE = "unsubscribe"
    """The person asked for no more mail."""
    MANUAL = "manual"
    """Somebody entered it."""
    IMPORT = "import"
    """It stood in an imported list that gave no cause."""
    PROVIDER_LIST = "provider_list"
    """A mail provider keeps it on its own suppression list."""


WISHES = frozenset({Cause.COMPLAINT, Cause.UNSUBSCRIBE})
"""What a person asked for: the allow-list overrides it only with an explicit acknowledgement."""

_WEIGHT = {
    Cause.COMPLAINT: 5,
    Cause.UNSUBSCRIBE: 4,
    Cause.MANUAL: 3,
    Cause.MAILBOX_NOT_FOUND: 2,
    Cause.DOMAIN_NOT_FOUND: 2,
    Cause.DOMAIN_NO_MAIL: 2,
    Cause.MAILBOX_MOVED: 2,
    Cause.MAILBOX_DISABLED: 2,
    Cause.PROVIDER_LIST: 1,
    Cause.IMPORT: 1,
    Cause.MAILBOX_FULL: 0,
    Cause.RECIPIENT_FILTERED: 0,
    Cause.REPEATED_SOFT_BOUNCE: 0,
}


def outweighs(new: Cause, old: Cause) -> bool:
    """True when *new* should replace *old* on an entry that blocks: a wish over a fact, a fact over a suspicion."""
    return _WEIGHT[new] > _WEIGHT[old]


class State(StrEnum):
    """Whether an entry is seen and whether it blocks."""

    ACTIVE = "active"
    """Seen, and blocks until it expires."""
    ARCHIVED = "archived"
    """Hidden, and blocks all the same (one owner's "delete")."""
    REMOVED = "removed"
    """Does not block any more; remembers who, when and why (another owner's "remove")."""
    UNDONE = "undone"
    """The import that made it was undone: as if it had never been there, kept for its history only."""


BLOCKING = frozenset({State.ACTIVE, State.ARCHIVED})
"""States in which an entry blocks until it expires."""


class Action(StrEnum):
    """What happened to an entry, one line of its history."""

    ADDED = "added"
    """It was entered for the first time."""
    CHANGED = "changed"
    """Cause, note, expiry or dates were changed."""
    ARCHIVED = "archived"
    """It was hidden; it still blocks."""
    FOUND_AGAIN = "found_again"
    """It was archived and was entered again: seen again, with its first cause and date."""
    REMOVED = "removed"
    """It no longer blocks."""
    RESTORED = "restored"
    """It blocks again, with the cause and date it had."""
    REVIVED = "revived"
    """It had been removed and was entered anew."""
    EXPIRED = "expired"
    """Its time was over."""
    OVERRIDDEN = "overridden"
    """The allow-list overrides it from now on."""
    OVERRIDE_ENDED = "override_ended"
    """The allow-list does not override it any more."""
    UNDONE = "undone"
    """The import or removal that last changed it was undone."""
    ERASED = "erased"
    """The address was wiped; a keyed hash of it still blocks."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an entry matches."""

    kind: Kind
    """What it speaks about."""
    key: str
    """The form that is compared and that is unique in a list."""
    value: str
    """The form to show: as it was given, the domain lower-cased."""
    below: bool = False
    """Also what lies below: subdomains of a domain, hosts under a mail host's name."""


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A text that is no rule, and why."""

    code: str
    """Machine-readable: `address_…`, `domain_…`, `network_…`."""
    message: str
    """A sentence for people; never quotes the text."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be entered; `record_entry` decides what that does to an entry that is there already."""

    rule: Rule
    """What it matches."""
    cause: Cause
    """Why."""
    source: str
    """Where it came from: `api`, `cli`, `console`, `feedback:ses`, …; never an address."""
    list: str = DEFAULT_LIST
    """Named list; made when it is not there."""
    note: str = ""
    """For people."""
    created: datetime | None = None
    """Since when, if earlier than now."""
    last_event: datetime | None = None
    """The last failure or wish behind it."""
    expires: datetime | None = None
    """When it stops blocking; None for never."""
    revive: bool = True
    """Whether an entry that was removed blocks again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the blacklist, as it stands."""

    id: str
    """Stable identifier, a decimal number as text."""
    kind: Kind
    """What it speaks about."""
    value: str
    """The form to show; empty once erased."""
    key: str
    """The form that is compared; `#` and a keyed hash once erased."""
    below: bool
    """Also what lies below the domain or host."""
    list: str
    """The named list it is on."""
    cause: Cause
    """Why it is there."""
    source: str
    """Where it came from."""
    note: str
    """For people."""
    actor: str
    """Who entered it."""
    created: datetime
    """Since when."""
    last_event: datetime | None
    """The last failure or wish behind it."""
    expires: datetime | None
    """When it stops blocking; None for never."""
    state: State
    """Whether it is seen and whether it blocks."""
    import_id: str | None
    """The import that entered it, if one did."""
    times_blocked: int = 0
    """How often a check said no because of it."""
    last_blocked: datetime | None = None
    """When a check last said no because of it."""

    def blocks(self, now: datetime) -> bool:
        """Whether it blocks at *now*: its state does, and it has not expired."""
        return self.state in BLOCKING and (self.expires is None or self.expires > now)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an entry's history."""

    action: Action
    """What happened."""
    at: datetime
    """When."""
    actor: str
    """Who did it."""
    why: str
    """The reason given; empty when none was."""
    batch: str | None
    """The import or bulk removal it was part of."""
    before: Entry | None
    """The entry as it was before; None for the first line."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that matches what a check asked about."""

    entry_id: str
    """Its identifier."""
    kind: Kind
    """What it speaks about."""
    value: str
    """The form to show."""
    cause: Cause
    """Why it is there."""
    list: str
    """The named list it is on."""
    source: str
    """Where it came from."""
    since: datetime
    """Since when."""
    last_event: datetime | None
    """The last failure or wish behind it."""
    expires: datetime | None
    """When it stops blocking; None for never."""
    overridden: bool
    """The allow-list overrides it: shown, does not decide."""


@dataclass(frozen=True, slots=True)
class DomainKeys:
    """What the rules of a domain are asked about."""

    domain: str
    """Lower-case A-labels."""
    mx_hosts: tuple[str, ...] = ()
    """Names of its mail hosts."""
    mx_ips: tuple[str, ...] = ()
    """Addresses of its mail hosts."""


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


@lru_cache(maxsize=8192)
def ip_number(text: str) -> tuple[int, int] | None:
    """An IP address as a number with its version, IPv4-mapped addresses unwrapped; None for other text."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return int(address), address.version


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
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        head = text.partition("/")[0]
        if ip_number(head) is None:
            return RuleFault("network_syntax", "neither an IP address nor a network")
        return RuleFault("network_host_bits", "a network whose address has bits set below its prefix")
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        network = ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    key = f"{network.network_address}/{network.prefixlen}"
    single = network.prefixlen == network.max_prefixlen
    return Rule(Kind.MX_IP, key, str(network.network_address) if single else key)


def erased_key(key: str, secret: bytes) -> str:
    """What an erased address leaves behind: a keyed hash that matches it and does not tell it."""
    return "#" + hashlib.blake2b(key.encode(), key=secret, digest_size=16).hexdigest()
