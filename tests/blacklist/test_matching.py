"""What matches what."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.blacklist.asking import address, blocked, domain_hits, hits, put, rule
from validator.blacklist.entry import Cause, Kind
from validator.blacklist.matching import Matcher
from validator.blacklist.service import Blacklist
from validator.blacklist.store.hot import Rules
from validator.blacklist.store.hot_sqlite import SqliteLookup
from validator.database import Database


async def test_an_address_matches_whatever_its_case(blacklist: Blacklist) -> None:
    entry = await put(blacklist, "Jane.Doe@Example.com", cause=Cause.COMPLAINT)
    [hit] = await hits(blacklist, "jane.DOE@EXAMPLE.com")
    assert (hit.entry_id, hit.cause, hit.value) == (entry.id, Cause.COMPLAINT, "Jane.Doe@example.com")


@pytest.mark.parametrize("other", ["janedoe@example.com", "jane.doe+x@example.com", "jane.doe@sub.example.com"])
async def test_dots_tags_and_subdomains_are_other_people(blacklist: Blacklist, other: str) -> None:
    await put(blacklist, "jane.doe@example.com")
    assert not await blocked(blacklist, other)


async def test_many_addresses_are_answered_in_their_order(blacklist: Blacklist) -> None:
    for number in range(0, 60, 2):
        await put(blacklist, f"p{number}@example.com")
    asked = [address(f"p{number}@example.com") for number in reversed(range(60))]
    answers = await blacklist.match_addresses(asked)
    assert [bool(answer) for answer in answers] == [number % 2 == 0 for number in reversed(range(60))]


async def test_a_domain_matches_itself_and_below_only_when_asked(blacklist: Blacklist) -> None:
    await put(blacklist, "one.example")
    await put(blacklist, "*.two.example")
    assert await domain_hits(blacklist, "one.example")
    assert not await domain_hits(blacklist, "a.one.example")
    assert await domain_hits(blacklist, "two.example")
    assert await domain_hits(blacklist, "a.b.two.example")
    assert not await domain_hits(blacklist, "eviltwo.example")


async def test_a_mail_host_matches_exactly_or_as_a_suffix_on_a_label_border(blacklist: Blacklist) -> None:
    await put(blacklist, "mx.evil.example", Kind.MX_HOST)
    await put(blacklist, ".spam.example", Kind.MX_HOST)
    assert await domain_hits(blacklist, "a.test", ("MX.evil.example.",))
    assert not await domain_hits(blacklist, "a.test", ("b.mx.evil.example",))
    assert await domain_hits(blacklist, "a.test", ("mx1.spam.example",))
    assert not await domain_hits(blacklist, "a.test", ("notspam.example",))
    assert not await domain_hits(blacklist, "mx.evil.example")


@pytest.mark.parametrize(
    ("listed", "asked", "found"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.0/25", "192.0.2.127", True),
        ("192.0.2.0/25", "192.0.2.128", False),
        ("2001:db8::/64", "2001:DB8:0:0:1::", True),
        ("2001:db8::/64", "2001:db8:0:1::", False),
        ("::ffff:192.0.2.0/120", "192.0.2.9", True),
        ("192.0.2.0/24", "64:ff9b::c000:207", True),
        ("64:ff9b::192.0.2.7", "192.0.2.7", True),
        ("2002:c000:207::/48", "2002:c000:207::1", True),
    ],
)
async def test_an_ip_rule_matches_addresses_and_networks_of_both_versions(
    blacklist: Blacklist, listed: str, asked: str, found: bool
) -> None:
    await put(blacklist, listed, Kind.MX_IP)
    assert bool(await domain_hits(blacklist, "a.test", (), (asked,))) is found


async def test_the_version_of_the_rules_changes_at_once_and_not_for_addresses(blacklist: Blacklist) -> None:
    before = blacklist.rules_version
    await put(blacklist, "jane@example.com")
    assert blacklist.rules_version == before
    await put(blacklist, "bad.example")
    assert blacklist.rules_version > before


async def test_without_details_the_same_entries_match(blacklist: Blacklist) -> None:
    """On several lists, under the allow-list, erased, expired: what decides is the same whether details come along."""
    names = [f"p{number}@example.com" for number in range(40)]
    for number, name in enumerate(names[:30]):
        await put(blacklist, name, cause=Cause.MANUAL if number % 3 else Cause.COMPLAINT)
    await put(blacklist, names[3], list="letters")
    await put(blacklist, names[30], expires=datetime(2026, 3, 2, tzinfo=UTC))
    await blacklist.allowlist.add(rule("example.com"), note="ours", actor="t", acknowledged=True)
    await blacklist.erasing.erase([rule(names[5])], actor="t")
    told = await blacklist.match_keys(names, ("letters",))
    brief = await blacklist.match_keys(names, ("letters",), details=False)
    alone = [await blacklist.match_keys([name], ("letters",), details=False) for name in names]
    assert [found.get(name) for name, found in zip(names, alone, strict=True)] == [brief.get(name) for name in names]
    assert len(told) == 30
    assert [len(told.get(name, ())) for name in (names[3], names[5], names[30])] == [2, 1, 0]
    assert brief.keys() == told.keys()
    for name in told:
        assert [hit._replace(details=None) for hit in told[name]] == [hit._replace(details=None) for hit in brief[name]]
        assert all(hit.details is not None for hit in told[name])


class LateRules(SqliteLookup):
    """A store whose first answer about the rules is on its way while the rules change, as over a network."""

    late: asyncio.Event | None = None

    async def rules(self) -> Rules:
        found = await super().rules()
        late, self.late = self.late, None
        if late is not None:
            await late.wait()
        return found


async def test_rules_that_were_read_first_never_replace_those_that_were_read_later(tmp_path: Path) -> None:
    path = tmp_path / "list.db"
    database = await Database.open(f"sqlite:///{path}")
    lookup = LateRules(path)
    matcher = Matcher(database, lookup)
    await matcher.start(watch=False)
    late = lookup.late = asyncio.Event()
    first = asyncio.create_task(matcher.refresh())
    await asyncio.sleep(0)
    async with Blacklist.open(database, watch=False) as blacklist:
        entering = asyncio.create_task(put(blacklist, "bad.example"))
        await asyncio.wait({entering}, timeout=1)
        late.set()
        await asyncio.gather(first, entering)
        assert matcher.has_rules
        assert matcher.rules_version == blacklist.rules_version
    await matcher.aclose()
    await database.aclose()
