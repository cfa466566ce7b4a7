"""The circumstances of whom a service is for, as a flat file says them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("services", sa.Column("circumstances", json, nullable=True))


def downgrade() -> None:
    op.drop_column("services", "circumstances")
