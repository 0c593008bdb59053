"""The keys in force: made, revoked, and looked up from a snapshot that is never older than a few seconds."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from validator.background import keep_running
from validator.database import Database, moment
from validator.errors import NotFound, StorageUnavailable
from validator.keys.key import (
    ID_CHARS,
    SECRET_BYTES,
    KeyRecord,
    Principal,
    Scope,
    check_name,
    digest_of,
    digest_of_sha1,
    is_sha1,
    key_id_of,
    key_text,
    same,
    sha1_digest_of,
)

REFRESH_S: Final = 2.0
"""How old the snapshot may get: a revocation elsewhere works within this and one query."""
EAGER_REFRESH_S: Final = 0.5
"""An unknown key may be one that was just made: how soon after the last look it is worth another."""

_ALL_KEYS = "SELECT id, name, scopes, digest, sha1_digest, created, expires, revoked FROM api_keys ORDER BY created, id"
_ID_ALPHABET = "abcdefghijkmnopqrstuvwxyz0123456789"
_NOBODY = digest_of("")


class KeyRing:
    """Keys of the store and of the settings; one event loop."""

    def __init__(self, database: Database, static: Sequence[KeyRecord] = ()) -> None:
        """Use `open` to have the snapshot kept fresh."""
        self._database = database
        self._static = tuple(static)
        self._by_id: dict[str, KeyRecord] = {}
        self._by_name: dict[str, tuple[KeyRecord, ...]] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._take(())

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database, static: Sequence[KeyRecord] = ()) -> AsyncIterator[KeyRing]:
        """A ring over an open database, refreshed in the background; raises `StorageUnavailable` at the start only."""
        ring = cls(database, static)
        await ring.refresh()
        task = keep_running(ring.refresh_for_ever, "keys")
        try:
            yield ring
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def is_empty(self) -> bool:
        """No key was ever made: revoking the last one does not open the service to everybody."""
        return not self._by_id

    def records(self) -> tuple[KeyRecord, ...]:
        """Every key of the snapshot."""
        return tuple(self._by_id.values())

    async def identify(self, text: str) -> Principal | None:
        """Whoever holds this key; None for a wrong, revoked or expired one. Looks again before it says no."""
        found = self._identify(text)
        if found is None and await self._look_again():
            found = self._identify(text)
        return found

    async def identify_client(self, client: str, credential: str) -> Principal | None:
        """Whoever sends `client id : key` or `client id : SHA-1 hex of the key`; the client is a key's id or name."""
        found = self._identify_client(client, credential)
        if found is None and await self._look_again():
            found = self._identify_client(client, credential)
        return found

    async def create(
        self, name: str, scopes: frozenset[Scope], *, expires: datetime | None = None
    ) -> tuple[str, KeyRecord]:
        """Make a key; its text is returned here and nowhere else. Raises `SettingsError` for an unusable name."""
        check_name(name)
        key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(ID_CHARS))
        text = key_text(key_id, secrets.token_urlsafe(SECRET_BYTES))
        record = KeyRecord(
            id=key_id,
            name=name,
            scopes=scopes,
            digest=digest_of(text),
            sha1_digest=sha1_digest_of(text),
            created=datetime.now(UTC),
            expires=expires,
            revoked=None,
        )
        from validator.keys.store import add_key

        async with self._database.transaction() as conn:
            await add_key(conn, record)
        await self.refresh()
        return text, record

    async def revoke(self, key_id: str) -> None:
        """Make a key useless; raises `NotFound` when there is none with this id that works."""
        from validator.keys.store import revoke_key

        async with self._database.transaction() as conn:
            if not await revoke_key(conn, key_id, now=datetime.now(UTC)):
                raise NotFound("there is no key with this id that could be revoked")
        await self.refresh()

    async def refresh(self) -> None:
        """Read every key again."""
        async with self._reading:
            self._take([_stored(row) for row in await self._database.rows(_ALL_KEYS)])
            self._read_at = time.monotonic()

    async def refresh_for_ever(self) -> None:
        """Keep the snapshot young. A store that cannot be read leaves it as it is: every check answers 503 anyway."""
        while True:
            await asyncio.sleep(REFRESH_S)
            with suppress(StorageUnavailable):
                await self.refresh()

    async def _look_again(self) -> bool:
        if time.monotonic() - self._read_at < EAGER_REFRESH_S:
            return False
        with suppress(StorageUnavailable):
            await self.refresh()
            return True
        return False

    def _take(self, stored: Sequence[KeyRecord]) -> None:
        records = (*self._static, *stored)
        names: dict[str, tuple[KeyRecord, ...]] = {}
        for record in records:
            names[record.name] = (*names.get(record.name, ()), record)
        self._by_id = {record.id: record for record in records}
        self._by_name = names

    def _identify(self, text: str) -> Principal | None:
        key_id = key_id_of(text)
        stored = None if key_id is None else self._by_id.get(key_id)
        return _first_match((*self._static, stored), digest_of(text), sha1=False)

    def _identify_client(self, client: str, credential: str) -> Principal | None:
        by_id = self._by_id.get(client)
        candidates = (by_id,) if by_id is not None else self._by_name.get(client, (None,))
        found = _first_match(candidates, digest_of(credential), sha1=False)
        if found is None and is_sha1(credential):
            found = _first_match(candidates, digest_of_sha1(credential), sha1=True)
        return found


def _stored(row: Sequence[Any]) -> KeyRecord:
    """A row of `_ALL_KEYS`; scopes that this version does not know are left out."""
    key_id, name, scopes, digest, sha1_digest, *moments = row
    created, expires, revoked = (None if value is None else moment(value) for value in moments)
    if created is None:
        raise AssertionError("a key without a date")
    known = {scope.value: scope for scope in Scope}
    found = frozenset(known[word] for word in scopes.split() if word in known)
    return KeyRecord(key_id, name, found, digest, sha1_digest, created, expires, revoked)


def _first_match(candidates: Sequence[KeyRecord | None], digest: str, *, sha1: bool) -> Principal | None:
    """Compares with every candidate, and with nobody's digest where there is none, so that time tells nothing."""
    found = None
    for record in candidates:
        stored = _NOBODY if record is None else record.sha1_digest if sha1 else record.digest
        if same(stored, digest) and record is not None and record.works_at(datetime.now(UTC)):
            found = record.principal()
    return found
