"""Adequacy rule sets."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adequacy_rules",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("authority_code", sa.String(64), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adequacy_rules")),
    )


def downgrade() -> None:
    op.drop_table("adequacy_rules")
