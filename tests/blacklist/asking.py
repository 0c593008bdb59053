"""Short ways to put something on a list and to ask about it."""

from __future__ import annotations

from typing import Any

from validator.address import EmailAddress, parse_address
from validator.blacklist.entry import Cause, DomainKeys, Entry, Hit, Kind, NewEntry, Rule
from validator.blacklist.keys import parse_rule
from validator.blacklist.service import Blacklist


def rule(text: str, kind: Kind | None = None, **options: Any) -> Rule:
    """The rule a text stands for."""
    parsed = parse_rule(text, kind, **options)
    assert isinstance(parsed, Rule), parsed
    return parsed


def new(text: str, kind: Kind | None = None, cause: Cause = Cause.MANUAL, **fields: Any) -> NewEntry:
    """An entry to be made."""
    return NewEntry(rule(text, kind), cause, fields.pop("source", "test"), **fields)


async def put(
    blacklist: Blacklist, text: str, kind: Kind | None = None, *, force: bool = False, **fields: Any
) -> Entry:
    """Enter one and answer it."""
    [(entry, _)] = await blacklist.entries.add([new(text, kind, **fields)], actor="tester", force=force)
    return entry


def address(text: str) -> EmailAddress:
    """A parsed address."""
    parsed = parse_address(text)
    assert isinstance(parsed, EmailAddress)
    return parsed


async def hits(blacklist: Blacklist, text: str, *lists: str) -> tuple[Hit, ...]:
    """What the look-up finds about one address."""
    return (await blacklist.match_addresses([address(text)], lists))[0]


async def blocked(blacklist: Blacklist, text: str, *lists: str) -> bool:
    """Whether anything about this address decides."""
    return any(not hit.overridden for hit in await hits(blacklist, text, *lists))


async def domain_hits(
    blacklist: Blacklist, domain: str, hosts: tuple[str, ...] = (), ips: tuple[str, ...] = (), *lists: str
) -> tuple[Hit, ...]:
    """What the look-up finds about one domain and its mail hosts."""
    return (await blacklist.match_domains([DomainKeys(domain, hosts, ips)], lists))[0]
