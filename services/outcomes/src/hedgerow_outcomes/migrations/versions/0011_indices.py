"""Indices of areas are read of the registry too: its feed is read once more from the beginning."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE feed SET position = 0, feeding = feeding + 1 WHERE position > 0")


def downgrade() -> None:
    op.execute("DELETE FROM records WHERE kind = 'index'")
