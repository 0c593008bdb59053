"""Erasing what failures told about somebody: events, what they came to, notices that name them."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import delete, or_

from validator.address import unicode_domain
from validator.database.connecting import AsyncConnection
from validator.feedback.store.tables import ADDRESSES, EVENTS, NOTICES


async def erase_keys(conn: AsyncConnection, keys: Sequence[str]) -> int:
    """Delete every event, standing and notice of these address keys; answers how many events went.

    A notice that waits to be sent goes as well: it would tell somebody the address after its erasure.
    """
    erased = 0
    for key in keys:
        erased += (await conn.execute(delete(EVENTS).where(EVENTS.c.key == key))).rowcount
        await conn.execute(delete(ADDRESSES).where(ADDRESSES.c.key == key))
        named = [NOTICES.c.body.icontains(words, autoescape=True) for words in _words_of_notices(key)]
        await conn.execute(delete(NOTICES).where(or_(*named)))
    return erased


def _words_of_notices(key: str) -> set[str]:
    """What the body of a notice holds about this address and about no longer one that ends in it, whatever its case.

    The domain stands there in its own script, the key has A-labels.
    """
    local, _, domain = key.rpartition("@")
    forms = {key, f"{local}@{unicode_domain(domain)}"}
    return {orjson.dumps({"address": form}).decode()[1:-1] for form in forms}
