"""The table of keys. Functions take the connection; the caller owns the transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, MetaData, String, Table, insert, update

from validator.database.columns import Instant
from validator.database.connecting import AsyncConnection
from validator.keys.key import KeyRecord

metadata = MetaData()

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("sha1_digest", String(64), nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant),
    Column("revoked", Instant),
)
"""One row per key ever made; a revoked one stays, so that history can name it."""


async def add_key(conn: AsyncConnection, record: KeyRecord) -> None:
    """Store a new key; raises `Conflict` when the id is taken."""
    await conn.execute(
        insert(api_keys).values(
            id=record.id,
            name=record.name,
            scopes=" ".join(sorted(record.scopes)),
            digest=record.digest,
            sha1_digest=record.sha1_digest,
            created=record.created,
            expires=record.expires,
            revoked=record.revoked,
        )
    )


async def revoke_key(conn: AsyncConnection, key_id: str, *, now: datetime) -> bool:
    """Mark a key as revoked; False when there is none that could be."""
    changed = await conn.execute(
        update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked.is_(None)).values(revoked=now)
    )
    return changed.rowcount == 1
