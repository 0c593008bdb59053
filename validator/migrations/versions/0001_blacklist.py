"""The blacklist: entries, history, imports, allow-list."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, the default list and the one row of `blacklist_meta`."""
    lists = op.create_table(
        "blacklist_list",
        sa.Column("id", sa.SmallInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("name", _KEY, nullable=False, unique=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    _entries()
    _batches()
    op.create_table(
        "blacklist_allow",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("acknowledged", sa.Boolean, nullable=False),
        sa.Column("removed", sa.BigInteger),
        sa.Column("removed_by", sa.Text),
        sa.Column("removed_why", sa.Text),
    )
    op.create_index("blacklist_allow_key", "blacklist_allow", ["kind", "key"])
    op.create_table(
        "blacklist_width",
        sa.Column("version", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("width", sa.SmallInteger, primary_key=True, autoincrement=False),
    )
    meta = op.create_table(
        "blacklist_meta",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("rules_version", sa.BigInteger, nullable=False),
        sa.Column("erasures", sa.BigInteger, nullable=False),
        sa.Column("erase_key", sa.LargeBinary),
        sa.Column("erase_check", sa.LargeBinary),
    )
    op.bulk_insert(meta, [{"id": 1, "rules_version": 1, "erasures": 0}])
    op.bulk_insert(
        lists,
        [
            {
                "name": "default",
                "note": "applies to every check",
                "actor": "validator",
                "created": int(time.time() * 1e6),
            }
        ],
    )


def _entries() -> None:
    op.create_table(
        "blacklist_entry",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("list_id", sa.SmallInteger, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("below", sa.Boolean, nullable=False),
        sa.Column("cause", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("last_event", sa.BigInteger),
        sa.Column("expires", sa.BigInteger),
        sa.Column("batch_id", _ID),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.UniqueConstraint("kind", "key", "list_id", name="blacklist_entry_key"),
    )
    given = sa.text("batch_id IS NOT NULL")
    op.create_index(
        "blacklist_entry_batch", "blacklist_entry", ["batch_id"], sqlite_where=given, postgresql_where=given
    )
    op.create_table(
        "blacklist_history",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("entry_id", _ID, nullable=False, index=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.SmallInteger, nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("batch_id", _ID),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("was_below", sa.Boolean),
        sa.Column("was_cause", sa.SmallInteger),
        sa.Column("was_state", sa.SmallInteger),
        sa.Column("was_source", sa.Text),
        sa.Column("was_note", sa.Text),
        sa.Column("was_actor", sa.Text),
        sa.Column("was_created", sa.BigInteger),
        sa.Column("was_last_event", sa.BigInteger),
        sa.Column("was_expires", sa.BigInteger),
        sa.Column("was_batch_id", _ID),
        sa.Column("was_revision", sa.Integer),
    )
    op.create_index(
        "blacklist_history_batch",
        "blacklist_history",
        ["batch_id", "entry_id"],
        sqlite_where=given,
        postgresql_where=given,
    )
    op.create_table(
        "blacklist_block",
        sa.Column("entry_id", _ID, primary_key=True, autoincrement=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )


def _batches() -> None:
    op.create_table(
        "blacklist_batch",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("undone", sa.BigInteger),
        sa.Column("undone_by", sa.Text),
        sa.Column("lines_done", sa.BigInteger, nullable=False),
        sa.Column("bytes_done", sa.BigInteger, nullable=False),
        sa.Column("bytes_total", sa.BigInteger),
        sa.Column("digest", sa.Text),
        sa.Column("undo_cursor", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("heartbeat", sa.BigInteger),
    )
    op.create_table(
        "blacklist_chunk",
        sa.Column("batch_id", _ID, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "blacklist_fault",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("batch_id", _ID, nullable=False, index=True),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
