"""What else a KPI's definition says: its parts, subjects, interval, suppression and links."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LISTS = ("subjects", "leads_to", "answered_by")


def upgrade() -> None:
    with op.batch_alter_table("kpi_versions") as table:
        table.add_column(sa.Column("numerator", sa.Text))
        table.add_column(sa.Column("denominator", sa.Text))
        table.add_column(sa.Column("interval", sa.String(20)))
        table.add_column(sa.Column("suppress_below", sa.Integer))
        for name in _LISTS:
            table.add_column(sa.Column(name, Json, nullable=False, server_default="[]"))
    with op.batch_alter_table("kpi_versions") as table:
        for name in _LISTS:
            table.alter_column(name, existing_type=Json, existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("kpi_versions") as table:
        for name in (*_LISTS, "suppress_below", "interval", "denominator", "numerator"):
            table.drop_column(name)
