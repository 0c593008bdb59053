"""The tables of the blacklist, as they are now; `validator/migrations` tells how they came to be."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from validator.blacklist.entry import Action, Cause, Kind, State
from validator.blacklist.store.codes import ActionCode, CauseCode, KindCode, StateCode
from validator.database.columns import Coded, Instant

METADATA = MetaData()
_ID = BigInteger().with_variant(Integer(), "sqlite")
_KEY = Text().with_variant(Text(collation="C"), "postgresql")
KIND = Coded(KindCode, Kind)
CAUSE = Coded(CauseCode, Cause)
STATE = Coded(StateCode, State)
ACTION = Coded(ActionCode, Action)

LISTS = Table(
    "blacklist_list",
    METADATA,
    Column("id", SmallInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("name", _KEY, nullable=False, unique=True),
    Column("note", Text, nullable=False, default=""),
    Column("actor", Text, nullable=False),
    Column("created", Instant, nullable=False),
)
"""Named lists; number 1 is `default`."""

ENTRIES = Table(
    "blacklist_entry",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("kind", KIND, nullable=False),
    Column("key", _KEY, nullable=False),
    Column("list_id", SmallInteger, nullable=False),
    Column("value", Text),  # only when it differs from the key
    Column("below", Boolean, nullable=False, default=False),
    Column("cause", CAUSE, nullable=False),
    Column("state", STATE, nullable=False),
    Column("source", Text),  # empty: the import
    Column("note", Text),
    Column("actor", Text),  # empty: whoever started the import
    Column("created", Instant, nullable=False),
    Column("last_event", Instant),
    Column("expires", Instant),
    Column("batch_id", _ID),  # the import that entered it
    Column("revision", Integer, nullable=False, default=0),  # 0 since it was entered, one more with each change
    UniqueConstraint("kind", "key", "list_id", name="blacklist_entry_key").ddl_if(dialect="postgresql"),
    Index("blacklist_entry_key", "kind", "key", "list_id", "state", "cause", "expires").ddl_if(dialect="sqlite"),
)
"""One row per list, kind and key; never deleted. On SQLite triggers see to that (`migrations/versions/0004`)."""
Index("blacklist_entry_batch", ENTRIES.c.batch_id, sqlite_where=ENTRIES.c.batch_id.is_not(None))

HISTORY = Table(
    "blacklist_history",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("entry_id", _ID, nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", ACTION, nullable=False),
    Column("why", Text),
    Column("batch_id", _ID),
    Column("revision", Integer, nullable=False),  # of the entry afterwards
    Column("was_below", Boolean),
    Column("was_cause", CAUSE),  # empty: there was nothing before
    Column("was_state", STATE),
    Column("was_source", Text),
    Column("was_note", Text),
    Column("was_actor", Text),
    Column("was_created", Instant),
    Column("was_last_event", Instant),
    Column("was_expires", Instant),
    Column("was_batch_id", _ID),
    Column("was_revision", Integer),
)
"""What was done to an entry and what it was before. The first line of an imported entry is its import."""

BATCHES = Table(
    "blacklist_batch",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("operation", Text, nullable=False),  # import | removal
    Column("name", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("created", Instant, nullable=False),
    Column("finished", Instant),
    Column("undone", Instant),
    Column("undone_by", Text),
    Column("lines_done", BigInteger, nullable=False, default=0),
    Column("bytes_done", BigInteger, nullable=False, default=0),
    Column("bytes_total", BigInteger),
    Column("digest", Text),  # SHA-256 of the file, when it was known beforehand
    Column("undo_cursor", BigInteger, nullable=False, default=0),
    Column("error", Text),
    Column("owner", Text),  # the process that works on it
    Column("heartbeat", Instant),  # when that process last said so
)
"""Imports and bulk removals: what can be undone as one."""

CHUNKS = Table(
    "blacklist_chunk",
    METADATA,
    Column("batch_id", _ID, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),  # zlib
)
"""The body of an import that was accepted and is not finished; dropped when it is."""

FAULTS = Table(
    "blacklist_fault",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("batch_id", _ID, nullable=False, index=True),
    Column("line", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
"""Lines of an import that could not be entered, and why; never the line itself."""

ALLOWED = Table(
    "blacklist_allow",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("kind", KIND, nullable=False),
    Column("key", _KEY, nullable=False),
    Column("value", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant),
    Column("acknowledged", Boolean, nullable=False),
    Column("removed", Instant),
    Column("removed_by", Text),
    Column("removed_why", Text),
    Index("blacklist_allow_key", "kind", "key"),
)
"""Addresses and domains that are known to be good; a removed row stays for the record."""

BLOCKS = Table(
    "blacklist_block",
    METADATA,
    Column("entry_id", _ID, primary_key=True, autoincrement=False),
    Column("times", BigInteger, nullable=False),
    Column("last", Instant, nullable=False),
)
"""How often and when an entry last made a check say no."""

WIDTHS = Table(
    "blacklist_width",
    METADATA,
    Column("version", SmallInteger, primary_key=True, autoincrement=False),
    Column("width", SmallInteger, primary_key=True, autoincrement=False),
)
"""Prefix lengths that occur among the networks: the look-up asks only for these."""

META = Table(
    "blacklist_meta",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("rules_version", BigInteger, nullable=False),
    Column("erasures", BigInteger, nullable=False),
    Column("erase_key", LargeBinary),
    Column("erase_check", LargeBinary),
)
"""One row: the version of what checks keep in memory, and the key of the hashes that erased addresses leave."""
