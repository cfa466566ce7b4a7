"""Events, who is sent them, and how far each app's feed was read for them."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    clock = op.create_table(
        "event_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_clock_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_clock")),
    )
    op.bulk_insert(clock, [{"id": 1, "seq": 0, "pruned": 0}])
    op.create_table(
        "event_sources",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.String(64)),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("silent_to", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_sources")),
    )
    op.create_table(
        "places",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("id", sa.String(700), nullable=False),
        sa.Column("areas", Json, nullable=False),
        sa.Column("authorities", Json, nullable=False),
        sa.Column("part_of", sa.String(700)),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_places")),
    )
    op.create_index(op.f("ix_places_part_of"), "places", ["part_of"])
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("type", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(700), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", Json),
        sa.Column("areas", Json, nullable=False),
        sa.Column("authorities", Json, nullable=False),
        sa.Column("not_to", Json, nullable=False),
        sa.Column("permission", sa.String(10), nullable=False),
        sa.Column("webhook_id", sa.String(16)),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
    )
    op.create_index(op.f("ix_events_taken_at"), "events", ["taken_at"])
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("types", Json, nullable=False),
        sa.Column("areas", Json, nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("roles", Json, nullable=False),
        sa.Column("authorities", Json, nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("former_salt", sa.String(32)),
        sa.Column("former_until", sa.DateTime(timezone=True)),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("disabled_reason", sa.String(300)),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
        sa.Column("rest_until", sa.DateTime(timezone=True)),
        sa.Column("last_delivered_at", sa.DateTime(timezone=True)),
        sa.Column("lane", sa.String(40)),
        sa.Column("lane_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "deliveries",
        sa.Column("webhook_id", sa.String(16), nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("last_status", sa.Integer()),
        sa.Column("last_reason", sa.String(200)),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_deliveries_webhook_id_webhooks"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["event_seq"], ["events.seq"], name=op.f("fk_deliveries_event_seq_events"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", "event_seq", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["webhook_id", "status", "due_at", "event_seq"])
    op.create_index("ix_deliveries_event_seq", "deliveries", ["event_seq"])


def downgrade() -> None:
    for table in ("deliveries", "webhooks", "events", "places", "event_sources", "event_clock"):
        op.drop_table(table)
