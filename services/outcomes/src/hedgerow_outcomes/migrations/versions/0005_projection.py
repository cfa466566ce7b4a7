"""What is held of the registry: areas, organisations and contracts."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("id", sa.String(700), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("feeding", sa.Integer(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("data", Json, nullable=True),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_records")),
    )
    op.create_index("ix_records_batch", "records", ["batch"])
    feed = op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("registry_last", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("feeding", sa.Integer(), nullable=False),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rebuilt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rebuilt_because", sa.String(300), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )
    op.bulk_insert(
        feed,
        [{"id": 1, "position": 0, "registry_last": 0, "batch": 0, "feeding": 1, "settled": 0}],
    )


def downgrade() -> None:
    op.drop_table("feed")
    op.drop_index("ix_records_batch", table_name="records")
    op.drop_table("records")
