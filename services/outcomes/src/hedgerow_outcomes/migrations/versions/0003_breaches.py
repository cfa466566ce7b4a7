"""Breaches of minimum service levels."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "breaches",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kpi", sa.Integer, nullable=False),
        sa.Column("subject", sa.Integer, nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minimum", sa.Float, nullable=False),
        sa.Column("worst", sa.Float, nullable=False),
        sa.Column("periods", sa.Integer, nullable=False),
        sa.Column("closed_start", sa.Date),
        sa.Column("closed_end", sa.Date),
        sa.Column("closed_value", sa.Float),
        sa.Column("closed_known_from", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaches")),
    )
    op.create_index("ix_breaches_kpi", "breaches", ["kpi", "subject"])
    op.create_index("ix_breaches_subject", "breaches", ["subject"])


def downgrade() -> None:
    op.drop_table("breaches")
