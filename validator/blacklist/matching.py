"""What a check asks: which entries match these addresses, these domains?

Addresses are asked of the store every time; of the rules only their version, the prefix lengths and the kinds that
occur are kept in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from validator.address import EmailAddress
from validator.background import keep_running
from validator.blacklist.entry import DEFAULT_LIST, WISHES, Cause, DomainKeys, Hit, Kind
from validator.blacklist.keys import address_key, erased_key, rule_keys
from validator.blacklist.store.codes import KindCode
from validator.blacklist.store.hot import NO_RULES_YET, Found, HotLookup, Override, Pair, Rules, hit_of
from validator.database import Changed, Database
from validator.errors import StorageUnavailable, UnknownList

POLL_S: Final = 0.25
"""How often another process's changes of the rules are looked for; behaviour.md section 4 allows one second."""

_ADDRESS: Final = int(KindCode.ADDRESS)
_DOMAIN: Final = int(KindCode.DOMAIN)


class Matcher:
    """Look-ups for checks. Every method raises `StorageUnavailable` rather than answer "no entry"."""

    def __init__(self, database: Database, lookup: HotLookup) -> None:
        self._database = database
        self._lookup = lookup
        nothing: frozenset[str] = frozenset()
        self._rules = Rules(NO_RULES_YET, (), frozenset(), erased=False, secret=None, allowing=False, lists=nothing)
        self._reading = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self.has_rules = False
        """There is an entry of a domain, host or network: looking domains up can come to something."""

    @property
    def rules_version(self) -> int:
        """Changes with every rule other than an address, and with the allow-list."""
        return self._rules.version

    @property
    def has_erased(self) -> bool:
        """Some address was erased and lives on as a hash."""
        return self._rules.erased

    async def start(self, *, watch: bool) -> None:
        """Read the rules and, for a long-lived process, keep looking for changes made elsewhere."""
        await self._lookup.start()
        await self.refresh()
        self._database.on_commit(self._committed)
        if watch:
            self._watch = keep_running(self._keep_watch, "blacklist-rules")

    async def aclose(self) -> None:
        """Stop watching and close the connections."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._lookup.aclose()

    async def refresh(self) -> None:
        """Read the rules now; one after the other, so that what was read first never replaces what was read later."""
        async with self._reading:
            rules = await self._lookup.rules()
            own = self._database.erase_key
            self._rules = replace(rules, secret=own) if rules.erased and own is not None else rules
            self.has_rules = bool(rules.kinds - {Kind.ADDRESS})

    async def require_lists(self, names: Collection[str], *, pointer: str = "/lists") -> None:
        """Raise `UnknownList` when there is no list of one of these names.

        Free for names that are known; for others the rules are read anew, since a list may have been made just now.
        """
        if not self._rules.lists.issuperset(names):
            await self.refresh()
            known = self._rules.lists
            unknown = [(place, name) for place, name in enumerate(names) if name not in known]
            if unknown:
                raise UnknownList(unknown, pointer)

    async def ping(self) -> None:
        """One look-up that finds nothing."""
        await self._lookup.find([(_ADDRESS, "")])

    async def _committed(self, changed: frozenset[Changed]) -> None:
        if Changed.RULES in changed:
            await self.refresh()

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            with contextlib.suppress(StorageUnavailable):  # each look-up finds that out, and says so
                if await self._lookup.version() != self._rules.version:
                    await self.refresh()

    async def addresses(
        self, addresses: Sequence[EmailAddress], lists: Collection[str] = (), *, details: bool = True
    ) -> list[tuple[Hit, ...]]:
        """Entries that match each address, same length and order; one query however many there are.

        Without *details* those of a hit may be left out.
        """
        keys = [address_key(address) for address in addresses]
        hits = await self.keys(keys, lists, details=details)
        return [hits.get(key, ()) for key in keys] if hits else [()] * len(keys)

    async def keys(
        self, keys: Sequence[str], lists: Collection[str] = (), *, details: bool = True
    ) -> dict[str, tuple[Hit, ...]]:
        """The same for keys of addresses; only those that have some are in the answer."""
        secret = self._rules.secret
        hashes: dict[str, str] = {}
        if secret is not None:
            hashes = {erased_key(key, secret): key for key in dict.fromkeys(keys)}
            found = await self._lookup.find_addresses([*keys, *hashes], details=details)
        else:
            found = await self._lookup.find_addresses(keys, details=details)
        if not found:
            return {}
        rows = self._blocking(found, lists)
        by_key = {row.key: [row] for row in rows}
        if hashes or len(by_key) < len(rows):  # else each key has one row, as nearly always
            by_key = {}
            for row in rows:
                by_key.setdefault(hashes.get(row.key, row.key), []).append(row)
        if not self._rules.allowing:
            return {key: _hits(rows) for key, rows in by_key.items()}
        asked = [((_ADDRESS, key), (_DOMAIN, key.partition("@")[2])) for key in by_key]
        allowed = await self._allowed(name for names in asked for name in names)
        return {mine[1]: _judged(by_key[mine[1]], allowed, mine, domain) for mine, domain in asked}

    async def domains(self, domains: Sequence[DomainKeys], lists: Collection[str] = ()) -> list[tuple[Hit, ...]]:
        """Entries that match each domain, its mail hosts or their addresses; same length and order, one query."""
        kinds = self._rules.kinds
        if not self.has_rules:
            return [()] * len(domains)
        wanted = [
            {pair: only for pair, only in rule_keys(keys, self._rules.widths).items() if pair[0] in kinds}
            for keys in domains
        ]
        pairs = list(dict.fromkeys((int(KindCode[kind.name]), key) for pairs in wanted for kind, key in pairs))
        found = await self._lookup.find(pairs) if pairs else []
        if not found:
            return [()] * len(wanted)
        by_key: dict[Pair, list[Found]] = {}
        for row in self._blocking(found, lists):
            by_key.setdefault((row.kind, row.key), []).append(row)
        allowed = await self._allowed((_DOMAIN, keys.domain) for keys in domains)
        answer = []
        for keys, asked in zip(domains, wanted, strict=True):
            rows = [
                row
                for (kind, key), only_below in asked.items()
                for row in by_key.get((int(KindCode[kind.name]), key), ())
                if row.below or not only_below
            ]
            answer.append(_judged(rows, allowed, (_DOMAIN, keys.domain)))
        return answer

    async def overridden(self, address: EmailAddress, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """*hits* of the address's domain, marked where the allow-list has this very address.

        Costs nothing when there are no hits, and one query else.
        """
        if not hits:
            return ()
        allowed = await self._allowed([(_ADDRESS, address_key(address))])
        return tuple(
            hit._replace(overridden=hit.overridden or any(_overrides(rule, hit) for rule in allowed.values()))
            for hit in hits
        )

    @staticmethod
    def _blocking(found: Iterable[Found], lists: Collection[str]) -> list[Found]:
        """Rows that have not expired, on lists that were asked for."""
        now = time.time_ns() // 1_000
        asked = {DEFAULT_LIST, *lists}
        return [row for row in found if row.list in asked and (row.expires is None or row.expires > now)]

    async def _allowed(self, names: Iterable[Pair]) -> dict[Pair, Override]:
        if not self._rules.allowing:
            return {}
        now = time.time_ns() // 1_000
        rows = await self._lookup.overrides(list(dict.fromkeys(names)))
        return {(row.kind, row.key): row for row in rows if row.expires is None or row.expires > now}


def _hits(rows: list[Found]) -> tuple[Hit, ...]:
    if len(rows) == 1:
        return (hit_of(rows[0]),)
    return tuple(hit_of(row) for row in sorted(rows, key=lambda row: row.id))


def _judged(rows: list[Found], allowed: Mapping[Pair, Override], *names: Pair) -> tuple[Hit, ...]:
    """Rows as hits, decisive ones first."""
    hits = _hits(rows)
    rules = [allowed[name] for name in names if name in allowed]
    if not rules:
        return hits
    marked = (hit._replace(overridden=True) if any(_overrides(rule, hit) for rule in rules) else hit for hit in hits)
    return tuple(sorted(marked, key=lambda hit: hit.overridden))


def _overrides(rule: Override, hit: Hit) -> bool:
    """Bounces always; wishes only when that was acknowledged; what somebody entered by hand also as an exception."""
    if rule.acknowledged:
        return True
    if hit.cause is Cause.MANUAL:
        return _is_narrower(rule, hit)
    return hit.cause not in WISHES


def _is_narrower(rule: Override, hit: Hit) -> bool:
    """The rule is about less than the entry: one address of a domain, one domain of a host, one subdomain."""
    if rule.kind == _ADDRESS:
        return hit.kind is not Kind.ADDRESS
    return hit.kind in {Kind.MX_HOST, Kind.MX_IP} or (hit.kind is Kind.DOMAIN and hit.value != rule.key)
