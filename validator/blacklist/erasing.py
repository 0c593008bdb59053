"""Erasing an address for good: the only thing that deletes, and still the block survives as a keyed hash."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from validator.blacklist.clock import Clock
from validator.blacklist.companion import Companion
from validator.blacklist.entry import Kind, Rule
from validator.blacklist.store.erasing import begin_erasures, erase_key_matches, wipe
from validator.database import Database
from validator.database.connecting import AsyncConnection
from validator.errors import LimitExceeded, RequestRefused, SettingsError

VISIBLE_S = 1.0
"""After the first erasure ever, how long replicas may take to notice that they must ask for hashes as well."""
MAX_ERASED = 1_000
"""Most addresses in one request."""
_OTHER = "not the key that earlier erasures were made with"


class Erasing:
    """Wipes addresses from entries, history and allow-list."""

    def __init__(
        self, database: Database, clock: Clock, companion: Companion | None = None, *, visible_s: float = VISIBLE_S
    ) -> None:
        """*companion* wipes what it keeps about the same addresses, in the same transaction."""
        self._database = database
        self._clock = clock
        self._visible_s = visible_s
        self._companion = companion

    async def check_key(self) -> None:
        """Raise `SettingsError` when the key that there is, or is not, does not find what was erased before.

        Without the operator's key every erased address would pass, and an import would bring it back.
        """
        key = self._database.erase_key
        async with self._database.reading() as conn:
            if not await erase_key_matches(conn, None if key is None else _mark(key)):
                fault = "is missing, earlier erasures were made with one" if key is None else _OTHER
                raise SettingsError(f"VALIDATOR_ERASE_KEY: {fault}")

    async def erase(self, rules: Sequence[Rule], *, actor: str) -> int:
        """Wipe these addresses; answers how many of them were known. What blocked still does.

        A rule of the allow-list about the very address is wiped as well, so what it held back blocks again.

        The first erasure of a store waits until every replica asks for hashes: the block must not lapse meanwhile.
        """
        if len(rules) > MAX_ERASED:
            raise LimitExceeded(f"at most {MAX_ERASED} addresses at once")
        if any(rule.kind is not Kind.ADDRESS for rule in rules):
            raise RequestRefused("only addresses are personal data that can be erased")
        key = self._database.erase_key
        async with self._database.transaction() as conn:
            first = await begin_erasures(conn, None if key is None else _mark(key))
        if first:
            await asyncio.sleep(self._visible_s)
        async with self._database.transaction(timeout_s=30) as conn:
            return await self.erase_within(conn, rules, actor=actor)

    async def erase_within(self, conn: AsyncConnection, rules: Sequence[Rule], *, actor: str) -> int:
        """The same inside a transaction of the caller's, for everything that is known about a person at once."""
        known = 0
        for rule in rules:
            known += await wipe(conn, rule.key, now=self._clock(), actor=actor)
        if self._companion is not None:
            await self._companion.erase_keys(conn, [rule.key for rule in rules])
        return known


def _mark(key: bytes) -> bytes:
    """Tells keys apart without telling them."""
    return hashlib.blake2b(b"validator erase key", key=key[:64], digest_size=16).digest()
