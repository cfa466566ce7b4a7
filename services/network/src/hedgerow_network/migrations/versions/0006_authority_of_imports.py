"""Imports belong to authorities; those of before to who acts for all."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("imports", sa.Column("authority_code", sa.Text()))


def downgrade() -> None:
    op.drop_column("imports", "authority_code")
