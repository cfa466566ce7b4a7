"""Saved scenarios, behind the second lock."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json
from hedgerow_kit.migrations import protect, unprotect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scenarios",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("authority_code", sa.String(64), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scenarios")),
    )
    protect("scenarios", shared=True)


def downgrade() -> None:
    unprotect("scenarios")
    op.drop_table("scenarios")
