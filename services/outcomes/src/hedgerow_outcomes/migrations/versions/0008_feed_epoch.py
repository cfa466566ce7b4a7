"""Which history of the registry was read."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("feed") as feed:
        feed.add_column(sa.Column("epoch", sa.String(length=40), nullable=True))
        feed.add_column(sa.Column("mark", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("feed") as feed:
        feed.drop_column("mark")
        feed.drop_column("epoch")
