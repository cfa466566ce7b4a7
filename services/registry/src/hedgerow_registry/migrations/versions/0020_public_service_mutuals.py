"""Whether an organisation is a public service mutual, on what evidence, of which day."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("public_service_mutual", sa.Boolean()),
    ("public_service_mutual_evidence", sa.Text()),
    ("public_service_mutual_on", sa.Date()),
)


def upgrade() -> None:
    for name, type in _COLUMNS:
        op.add_column("organisations", sa.Column(name, type, nullable=True))


def downgrade() -> None:
    for name, _ in reversed(_COLUMNS):
        op.drop_column("organisations", name)
