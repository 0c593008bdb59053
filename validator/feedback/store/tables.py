"""The tables of feedback, as they are now; `validator/migrations` tells how they came to be."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from validator.database.columns import Instant

METADATA = MetaData()
_ID = BigInteger().with_variant(Integer(), "sqlite")
_KEY = Text().with_variant(Text(collation="C"), "postgresql")

EVENTS = Table(
    "feedback_event",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("event_id", _KEY, nullable=False),
    Column("key", _KEY, nullable=False),  # the blacklist's key of the address; empty when the event names nobody
    Column("address", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("rules_version", Text, nullable=False),
    Column("permanent", Boolean),
    Column("confirmed", Boolean),
    Column("code", SmallInteger),
    Column("enhanced_status", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("hint", Text),
    Column("text", Text, nullable=False),  # at most 1 KiB
    Column("message_id", Text, nullable=False),
    Column("remote_host", Text, nullable=False),
    Column("raw_type", Text, nullable=False),
    Column("occurred_at", Instant),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("key", "provider", "event_id", name="feedback_event_once"),
)
"""Append-only: what was reported and how it was judged; goes when its retention is over."""
Index("feedback_event_received", EVENTS.c.received_at)

ADDRESSES = Table(
    "feedback_address",
    METADATA,
    Column("key", _KEY, primary_key=True),
    Column("soft_days", SmallInteger, nullable=False),
    Column("transient_days", SmallInteger, nullable=False),
    Column("last_failure", Instant),
    Column("last_reason", Text),
    Column("last_delivery", Instant),
    Column("blocked", Boolean, nullable=False),
)
"""What the events of an address came to; derived, and rebuilt by a replay."""

TOKENS = Table(
    "feedback_token",
    METADATA,
    Column("token", _KEY, primary_key=True),
    Column("body", _KEY, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
"""Single-use tokens that were used, with a hash of the body they came with."""

NOTICES = Table(
    "feedback_notice",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending | sent | dead
    Column("attempts", SmallInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("due", Instant, nullable=False),
)
"""Outgoing notices, written with the change that they tell about; a dead one was given up."""
Index("feedback_notice_due", NOTICES.c.state, NOTICES.c.due)
