"""Feeds, their pulls, and what each feed brought."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("list_url", sa.Text(), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("authority_code", sa.String(length=64), nullable=True),
        sa.Column("schedule", sa.String(length=100), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("largest_loss", sa.Float(), nullable=False),
        sa.Column("full_every_days", sa.Integer(), nullable=False),
        sa.Column("filters_by_change", sa.Boolean(), nullable=True),
        _moment("last_pull_at"),
        _moment("last_full_at"),
        _moment("complete_at"),
        _moment("next_due_at"),
        _moment("created_at", nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        _moment("updated_at", nullable=False),
        sa.CheckConstraint("full_every_days >= 1", name=op.f("ck_feeds_full_every_days")),
        sa.CheckConstraint("largest_loss >= 0 AND largest_loss <= 1", name=op.f("ck_feeds_largest_loss")),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_feeds_source_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("source", name=op.f("uq_feeds_source")),
    )
    op.create_index("ix_feeds_due", "feeds", ["next_due_at"])
    op.create_table(
        "feed_pulls",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        _moment("since"),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=True),
        _moment("asked_at", nullable=False),
        _moment("started_at"),
        _moment("touched_at", nullable=False),
        _moment("ended_at"),
        _moment("next_try_at"),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(length=36), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("unchanged_pages", sa.Integer(), nullable=False),
        sa.Column("partial", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("would_remove", sa.Integer(), nullable=True),
        sa.Column("confirmed_by", sa.String(length=200), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("progress", JSON, nullable=True),
        sa.CheckConstraint("mode IN ('full', 'changes')", name=op.f("ck_feed_pulls_mode")),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'retrying', 'needs_confirmation', 'completed', 'failed',"
            " 'dismissed')",
            name=op.f("ck_feed_pulls_state"),
        ),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.id"], name=op.f("fk_feed_pulls_feed_id_feeds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_pulls")),
    )
    op.create_index("ix_feed_pulls_feed", "feed_pulls", ["feed_id", "id"])
    op.create_index("ix_feed_pulls_state", "feed_pulls", ["state", "touched_at"])
    op.create_table(
        "feed_records",
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("own_id", sa.Text(), nullable=False),
        sa.Column("content", sa.String(length=24), nullable=False),
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("first_pull_id", sa.String(length=60), nullable=False),
        sa.Column("pull_id", sa.String(length=60), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        _moment("gone_at"),
        sa.Column("gone_pull_id", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.id"], name=op.f("fk_feed_records_feed_id_feeds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feed_id", "service_id", name=op.f("pk_feed_records")),
    )
    op.create_index("ix_feed_records_pull", "feed_records", ["feed_id", "pull_id"])
    op.create_index("ix_feed_records_service", "feed_records", ["service_id"])
    op.create_table(
        "feed_pages",
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("said", JSON, nullable=False),
        sa.Column("own_ids", JSON, nullable=False),
        sa.Column("service_ids", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.id"], name=op.f("fk_feed_pages_feed_id_feeds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feed_id", "number", name=op.f("pk_feed_pages")),
    )
    op.create_index("ix_sites_postcode", "sites", ["postcode", "id"])


def downgrade() -> None:
    op.drop_index("ix_sites_postcode", "sites")
    op.drop_table("feed_pages")
    op.drop_table("feed_records")
    op.drop_table("feed_pulls")
    op.drop_table("feeds")
