"""Feedback: events, what is known per address, used tokens, outgoing notices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "feedback_event",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("event_id", _KEY, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("disposition", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("rules_version", sa.Text, nullable=False),
        sa.Column("permanent", sa.Boolean),
        sa.Column("confirmed", sa.Boolean),
        sa.Column("code", sa.SmallInteger),
        sa.Column("enhanced_status", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("hint", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("remote_host", sa.Text, nullable=False),
        sa.Column("raw_type", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.BigInteger),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("key", "provider", "event_id", name="feedback_event_once"),
    )
    op.create_index("feedback_event_received", "feedback_event", ["received_at"])
    op.create_table(
        "feedback_address",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("soft_days", sa.SmallInteger, nullable=False),
        sa.Column("transient_days", sa.SmallInteger, nullable=False),
        sa.Column("last_failure", sa.BigInteger),
        sa.Column("last_reason", sa.Text),
        sa.Column("last_delivery", sa.BigInteger),
        sa.Column("blocked", sa.Boolean, nullable=False),
    )
    op.create_table(
        "feedback_token",
        sa.Column("token", _KEY, primary_key=True),
        sa.Column("body", _KEY, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "feedback_notice",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
    )
    op.create_index("feedback_notice_due", "feedback_notice", ["state", "due"])
