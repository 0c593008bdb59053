"""What a key is: its text, its digests, its scopes. Pure.

A key reads `vk_ID_SECRET`: the id is public and stands in lists and history, the secret is 256 random bits. Only
digests are stored. A plain SHA-256 is enough for a random secret of that length; slow hashes only help weak ones.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from validator.errors import SettingsError

PREFIX = "vk"
ID_CHARS = 12
SECRET_BYTES = 32
STATIC_SECRET_MIN_CHARS = 20
"""Shortest secret of a key that is configured instead of made."""

_KEY = re.compile(r"vk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA1_HEX = re.compile(r"[0-9a-fA-F]{40}")


class Scope(StrEnum):
    """What a key may do."""

    CHECK = "check"
    """Check addresses and classify failure texts."""
    BLACKLIST_READ = "blacklist:read"
    """Read the blacklist and the evidence behind it."""
    BLACKLIST_WRITE = "blacklist:write"
    """Change the blacklist."""
    EVENTS = "events"
    """Report bounces, complaints and deliveries."""
    METRICS = "metrics"
    """Read /metrics."""
    CONSOLE = "console"
    """Sign in to the console."""


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose key held."""

    key_id: str
    """Public id of the key; also what its rate limit is counted under."""
    name: str
    """What the operator called it; the actor in history."""
    scopes: frozenset[Scope]
    """What it may do."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is stored: never its secret."""

    id: str
    """Public id."""
    name: str
    """What the operator called it."""
    scopes: frozenset[Scope]
    """What it may do."""
    digest: str
    """SHA-256 hex of the whole key."""
    sha1_digest: str
    """SHA-256 hex of the SHA-1 hex of the whole key, for clients of the model service."""
    created: datetime
    """When it was made."""
    expires: datetime | None
    """When it stops working by itself; None: never."""
    revoked: datetime | None
    """When it was revoked; None: it was not."""

    def works_at(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def principal(self) -> Principal:
        """Whoever holds it."""
        return Principal(self.id, self.name, self.scopes)


def key_text(key_id: str, secret: str) -> str:
    """The key as it is handed over, once."""
    return f"{PREFIX}_{key_id}_{secret}"


def key_id_of(text: str) -> str | None:
    """The public id inside a key, or None for anything that is not shaped like one."""
    match = _KEY.fullmatch(text)
    return match.group(1) if match else None


def digest_of(text: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha1_digest_of(text: str) -> str:
    """What is stored for clients that send the SHA-1 of their key instead of the key."""
    return digest_of_sha1(hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest())


def digest_of_sha1(sha1_hex: str) -> str:
    """The stored form of a SHA-1 that a client sent."""
    return hashlib.sha256(b"sha1:" + sha1_hex.lower().encode()).hexdigest()


def is_sha1(text: str) -> bool:
    """Forty hexadecimal digits."""
    return _SHA1_HEX.fullmatch(text) is not None


def same(one: str, other: str) -> bool:
    """Equality that takes as long when they differ."""
    return hmac.compare_digest(one, other)


def check_name(name: str) -> str:
    """A name that can stand in a log line and a table; raises `SettingsError`."""
    if not _NAME.fullmatch(name):
        raise SettingsError("a key's name is 1-64 letters, digits, dots, dashes or underscores")
    return name


def parse_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Scopes by their names, `*` for all; raises `SettingsError` for any other word, or for none."""
    scopes: set[Scope] = set()
    for word in words:
        if word == "*":
            return ALL_SCOPES
        try:
            scopes.add(Scope(word))
        except ValueError:
            raise SettingsError(f"there is no such scope; there are: {', '.join(Scope)}, *") from None
    if not scopes:
        raise SettingsError(f"name at least one scope of: {', '.join(Scope)}, *")
    return frozenset(scopes)


def parse_static_keys(text: str, *, since: datetime) -> tuple[KeyRecord, ...]:
    """Keys from a setting: `NAME:SECRET` or `NAME:SECRET:SCOPE+SCOPE`, separated by white space or commas.

    Without scopes a key may only `check`. Raises `SettingsError`, which never quotes a secret.
    """
    records = []
    for number, item in enumerate(re.split(r"[\s,]+", text.strip()) if text.strip() else (), start=1):
        name, _, rest = item.partition(":")
        secret, _, scopes = rest.partition(":")
        try:
            check_name(name)
            found = parse_scopes(scopes.split("+")) if scopes else frozenset({Scope.CHECK})
        except SettingsError as error:
            raise SettingsError(f"VALIDATOR_KEYS: key {number}: {error}") from None
        if len(secret) < STATIC_SECRET_MIN_CHARS:
            raise SettingsError(
                f"VALIDATOR_KEYS: key {number}: its secret has fewer than {STATIC_SECRET_MIN_CHARS} characters"
            )
        records.append(
            KeyRecord(
                id=f"static-{name}",
                name=name,
                scopes=found,
                digest=digest_of(secret),
                sha1_digest=sha1_digest_of(secret),
                created=since,
                expires=None,
                revoked=None,
            )
        )
    if len({record.name for record in records}) != len(records):
        raise SettingsError("VALIDATOR_KEYS: two keys have the same name")
    if len({record.digest for record in records}) != len(records):
        raise SettingsError("VALIDATOR_KEYS: two keys have the same secret; whose scopes are meant?")
    return tuple(records)
