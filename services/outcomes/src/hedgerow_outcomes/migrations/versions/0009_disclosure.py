"""Observations that are withheld to protect small numbers."""

import sqlalchemy as sa
from alembic import op

from hedgerow_outcomes.tables import Day

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "withheld",
        sa.Column("kpi", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("subject", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("period_start", Day, nullable=False),
        sa.Column("period_end", Day, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("kpi", "subject", "period_start", "period_end", name=op.f("pk_withheld")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("withheld")
