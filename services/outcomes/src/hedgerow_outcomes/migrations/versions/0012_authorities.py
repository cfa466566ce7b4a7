"""KPIs, subjects and imports belong to authorities; whose a withdrawn breach was is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = ("imports", "kpis", "subjects")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("authority_code", sa.Text()))
    op.create_table(
        "withdrawn_breaches",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("subject", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawn_breaches")),
    )
    # Areas and contracts are nobody's until the app, when it starts, has looked up whose they are.
    op.execute("UPDATE subjects SET authority_code = '' WHERE kind IN ('area', 'contract')")


def downgrade() -> None:
    op.drop_table("withdrawn_breaches")
    for table in TABLES:
        op.drop_column(table, "authority_code")
