"""Networks, their versions, and the relations between organisations."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "networks",
        sa.Column("id", sa.String(120), nullable=False),
        sa.Column("authority_code", sa.String(64), nullable=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("relations_version", sa.BigInteger(), nullable=False),
        sa.Column("design", Json, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_networks")),
    )
    op.create_table(
        "network_versions",
        sa.Column("network", sa.String(120), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("design", Json, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by", sa.String(200), nullable=False),
        sa.Column("note", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("network", "version", name=op.f("pk_network_versions")),
        sa.ForeignKeyConstraint(
            ["network"],
            ["networks.id"],
            name=op.f("fk_network_versions_network_networks"),
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "relations",
        sa.Column("network", sa.String(120), nullable=False),
        sa.Column("from_id", sa.String(200), nullable=False),
        sa.Column("to_id", sa.String(200), nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("from_date", sa.String(10), nullable=False),
        sa.Column("to_date", sa.String(10), nullable=True),
        sa.Column("weight", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(
            "network", "from_id", "to_id", "type", "from_date", name=op.f("pk_relations")
        ),
        sa.ForeignKeyConstraint(
            ["network"], ["networks.id"], name=op.f("fk_relations_network_networks"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_relations_from_id", "relations", ["from_id"])
    op.create_index("ix_relations_to_id", "relations", ["to_id"])


def downgrade() -> None:
    for table in ("relations", "network_versions", "networks"):
        op.drop_table(table)
