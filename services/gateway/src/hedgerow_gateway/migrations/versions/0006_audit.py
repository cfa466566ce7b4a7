"""Who changed what: entries that only ever become more, chained by their hashes."""

from alembic import op
from hedgerow_kit import audit

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    audit.create(op)


def downgrade() -> None:
    audit.drop(op)
