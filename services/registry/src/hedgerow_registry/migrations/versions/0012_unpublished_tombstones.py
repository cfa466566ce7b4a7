"""Who may learn that a contract or process that never was published is no more."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unpublished_tombstones",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("authority_code", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unpublished_tombstones")),
    )


def downgrade() -> None:
    op.drop_table("unpublished_tombstones")
