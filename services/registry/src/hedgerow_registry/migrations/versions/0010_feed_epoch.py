"""Which history the change feed tells."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "feed_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(length=36), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_epoch_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_epoch")),
    )
    op.bulk_insert(table, [{"id": 1, "epoch": str(uuid4())}])


def downgrade() -> None:
    op.drop_table("feed_epoch")
