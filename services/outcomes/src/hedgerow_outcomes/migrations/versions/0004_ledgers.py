"""Ledgers of schemes: who invests, who saves, who matches."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("scheme", sa.String(120), nullable=False),
        sa.Column("party", sa.String(230), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("pence", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text),
        sa.Column("source", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint(
            "scheme", "party", "kind", "period_start", "period_end", name=op.f("pk_ledger_entries")
        ),
        sa.CheckConstraint("kind IN ('invest', 'save', 'match')", name=op.f("ck_ledger_entries_kind")),
    )


def downgrade() -> None:
    op.drop_table("ledger_entries")
