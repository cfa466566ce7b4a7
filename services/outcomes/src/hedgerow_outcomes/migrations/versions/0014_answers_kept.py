"""Answers to writes are kept for a day, so that what is sent twice is done once."""

from alembic import op
from hedgerow_kit import idempotency

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    idempotency.create(op)


def downgrade() -> None:
    idempotency.drop(op)
