"""The look-up that every check makes: keys in, entries that block out. One file per dialect answers it.

It goes past SQLAlchemy, whose cost per statement is fifty times that of the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from validator.blacklist.entry import Cause, Hit, HitDetails, Kind
from validator.blacklist.store.codes import CauseCode, KindCode
from validator.database import moment

Pair = tuple[int, str]
"""A kind's number and a key."""

COLUMNS: Final = (
    "e.id, e.kind, e.key, e.below, e.cause, l.name, e.expires, e.value, e.source, e.created, e.last_event, e.batch_id"
)
"""What a hit is made of, in the order of `Found`."""
DECISIVE_COLUMNS: Final = COLUMNS.partition(", e.value")[0].replace("e.below", "0") + ", NULL" * 5
"""The same for entries of addresses without what decides nothing: on SQLite all of it stands in the index."""
LISTS_QUERY: Final = "SELECT name FROM blacklist_list"
"""Names of the lists, those that were deleted under names that nobody can ask for."""
META_QUERY: Final = "SELECT rules_version, erasures, erase_key FROM blacklist_meta"
"""The version of what is kept in memory, and what erased addresses are hashed with."""

NO_RULES_YET: Final = -1
"""A version that no store has."""

_new: Final = tuple.__new__  # a third of the price of calling a named tuple
_KINDS: Final = {int(code): Kind[code.name] for code in KindCode}
_CAUSES: Final = {int(code): Cause[code.name] for code in CauseCode}


class Found(NamedTuple):
    """A row that matched, as the driver gave it."""

    id: int
    """Row number of the entry."""
    kind: int
    """Number of its kind."""
    key: str
    """Its key."""
    below: bool | int
    """Also what lies below."""
    cause: int
    """Number of its cause."""
    list: str
    """Name of its list."""
    expires: int | None
    """Microseconds since 1970."""
    value: str | None
    """Form to show, when it differs from the key."""
    source: str | None
    """Where it came from; empty for an import."""
    created: int | None
    """Microseconds since 1970; None, as what stands beside it, where only what decides was asked for."""
    last_event: int | None
    """Microseconds since 1970."""
    batch_id: int | None
    """The import that entered it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept in memory about the rules: as good as nothing, whatever the number of entries."""

    version: int
    """Changes with every domain, host, network and allow-list rule."""
    widths: tuple[tuple[int, int], ...]
    """(IP version, prefix length) of the networks there are."""
    kinds: frozenset[Kind]
    """Kinds that have entries at all."""
    erased: bool
    """Some address was erased: look-ups ask for hashes as well."""
    secret: bytes | None
    """The key of erased addresses' hashes; None while there is none."""
    allowing: bool
    """The allow-list was ever used."""
    lists: frozenset[str]
    """Names of the lists there are."""


class Override(NamedTuple):
    """A rule of the allow-list, as the driver gave it."""

    kind: int
    """Number of its kind."""
    key: str
    """Its key."""
    expires: int | None
    """Microseconds since 1970."""
    acknowledged: bool | int
    """Overrides complaints, unsubscribes and manual entries as well."""


class HotLookup(Protocol):
    """Finds entries that block, by key. Raises `StorageUnavailable`; no answer never looks like "no entry"."""

    async def start(self) -> None:
        """Open what it needs."""

    async def find(self, pairs: Sequence[Pair]) -> list[Found]:
        """Every blocking entry of every list with one of these keys, expired ones included; in no order."""

    async def find_addresses(self, keys: Sequence[str], *, details: bool = True) -> list[Found]:
        """The same as `find` for many keys of addresses; one of them may stand there more than once.

        Without *details* only what decides has to be there: taking the rest out of its rows costs a third of the time.
        """

    async def overrides(self, pairs: Sequence[Pair]) -> list[Override]:
        """Every allow-list rule with one of these keys, expired ones included."""

    async def version(self) -> int:
        """The version of the rules as it is now; cheap enough to ask several times a second."""

    async def rules(self) -> Rules:
        """Read what is kept in memory."""

    async def aclose(self) -> None:
        """Close what is open."""


def hit_of(row: Found) -> Hit:
    """A row that matched as the value that checks see, not overridden."""
    number, kind, key, _, cause, name, expires, value, source, created, last_event, batch_id = row
    details = None
    if created is not None:
        details = _new(
            HitDetails,
            (
                source or f"import:{batch_id}",
                _moment(created),
                None if last_event is None else _moment(last_event),
                None if expires is None else _moment(expires),
            ),
        )
    shown = "" if key[:1] == "#" else value or key
    return _new(Hit, (str(number), _KINDS[kind], shown, _CAUSES[cause], name, False, details))


@lru_cache(maxsize=1_024)
def _moment(value: int) -> datetime:
    """The same for a value that many rows share, such as the time of their import."""
    return moment(value)
