"""What was read of the registry's feed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed", sa.Column("reads", sa.String(length=500), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("feed") as feed:
        feed.drop_column("reads")
