"""Which entries the allow-list overrides for everybody they speak about, as an SQL condition.

It says of whole entries what `matching` says of one check: a rule about the entry's own address or domain, or about
the domain of its address. A rule that only makes an exception, one address of a blocked domain, changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from validator.blacklist.entry import WISHES, Cause, Kind
from validator.blacklist.lapses import Allowance
from validator.blacklist.store.tables import ALLOWED, ENTRIES
from validator.database.connecting import AsyncConnection

ONLY_ACKNOWLEDGED = (*sorted(WISHES), Cause.MANUAL)
"""Causes that a rule about the very same address or domain overrides only when that is acknowledged."""


class _DomainOf(FunctionElement[str]):
    """The part of an address's key after its `@`; of another key, something that is no domain's key."""

    type = Text()
    inherit_cache = True
    name = "domain_of"


@compiles(_DomainOf)
def _with_instr(element: Any, compiler: Any, **options: Any) -> str:
    key = compiler.process(element.clauses, **options)
    return f"substr({key}, instr({key}, '@') + 1)"


@compiles(_DomainOf, "postgresql")
def _with_split_part(element: Any, compiler: Any, **options: Any) -> str:
    return f"split_part({compiler.process(element.clauses, **options)}, '@', 2)"


def in_force(now: datetime) -> ColumnElement[bool]:
    """The rules of the allow-list that hold at *now*."""
    return and_(ALLOWED.c.removed.is_(None), or_(ALLOWED.c.expires.is_(None), ALLOWED.c.expires > now))


async def any_in_force(conn: AsyncConnection, now: datetime) -> bool:
    """Whether anything at all is allowed."""
    return (await conn.execute(select(ALLOWED.c.id).where(in_force(now)).limit(1))).first() is not None


async def lapsed_allowances(conn: AsyncConnection, kind: Kind, key: str, *, now: datetime) -> list[Allowance]:
    """The rules about this very key that time ended, not somebody; oldest first."""
    ended = and_(
        ALLOWED.c.kind == kind,
        ALLOWED.c.key == key,
        ALLOWED.c.expires <= now,
        or_(ALLOWED.c.removed.is_(None), ALLOWED.c.removed > ALLOWED.c.expires),
    )
    rows = await conn.execute(select(ALLOWED.c.created, ALLOWED.c.expires).where(ended).order_by(ALLOWED.c.id))
    return [Allowance(begun, over) for begun, over in rows.all()]


def is_overridden(now: datetime) -> ColumnElement[bool]:
    """Whether an entry of `ENTRIES` blocks nobody because of the allow-list."""
    enough = and_(in_force(now), or_(ALLOWED.c.acknowledged, ENTRIES.c.cause.not_in(ONLY_ACKNOWLEDGED)))
    own = select(ALLOWED.c.id).where(enough, ALLOWED.c.kind == ENTRIES.c.kind, ALLOWED.c.key == ENTRIES.c.key)
    domain = select(ALLOWED.c.id).where(
        enough, ALLOWED.c.kind == Kind.DOMAIN, ALLOWED.c.key == _DomainOf(ENTRIES.c.key)
    )
    of_its_domain = and_(ENTRIES.c.kind == Kind.ADDRESS, domain.correlate(ENTRIES).exists())
    return and_(
        ENTRIES.c.kind.in_([Kind.ADDRESS, Kind.DOMAIN]),
        ENTRIES.c.below.is_(False),
        or_(own.correlate(ENTRIES).exists(), of_its_domain),
    )
