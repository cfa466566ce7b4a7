"""Exemptions from KPIs, and ratings of KPIs of contracts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exemptions",
        sa.Column("contract_id", sa.String(200), nullable=False),
        sa.Column("exemption", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_exemptions")),
    )
    op.create_table(
        "assessments",
        sa.Column("contract_id", sa.String(200), nullable=False),
        sa.Column("kpi", sa.String(120), nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("rating", sa.String(30), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint(
            "contract_id", "kpi", "period_start", "period_end", name=op.f("pk_assessments")
        ),
        sa.CheckConstraint(
            "rating IN ('Good', 'Approaching target', 'Requires improvement', 'Inadequate', 'Other')",
            name=op.f("ck_assessments_rating"),
        ),
        sa.CheckConstraint("period_end >= period_start", name=op.f("ck_assessments_period_in_order")),
    )


def downgrade() -> None:
    op.drop_table("assessments")
    op.drop_table("exemptions")
