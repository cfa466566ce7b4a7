"""Organisations are looked through once more for those that may be one: by their street addresses too."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM matching_state")


def downgrade() -> None:
    op.execute("DELETE FROM matching_state")
