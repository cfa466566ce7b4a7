"""Files that network takes in itself, and matrices of travel costs."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("options", Json, nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("accepted", "changed", "unchanged", "quarantined", "receipts")
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "receipts",
        sa.Column("import_id", sa.String(60), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("line_to", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("pointer", "key", "column", "reason")),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_receipts")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_receipts_import_id_imports"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "cost_matrices",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("authority_code", sa.String(64), nullable=True),
        sa.Column("site_source", sa.String(200), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cost_matrices")),
        sa.UniqueConstraint("name", name=op.f("uq_cost_matrices_name")),
    )
    op.create_table(
        "costs",
        sa.Column("matrix", sa.Integer(), nullable=False),
        sa.Column("from_area", sa.String(64), nullable=False),
        sa.Column("to_site", sa.String(200), nullable=False),
        sa.Column("minutes", sa.Float(), nullable=True),
        sa.Column("km", sa.Float(), nullable=True),
        sa.CheckConstraint("minutes IS NOT NULL OR km IS NOT NULL", name=op.f("ck_costs_something")),
        sa.CheckConstraint("minutes >= 0 AND km >= 0", name=op.f("ck_costs_not_negative")),
        sa.PrimaryKeyConstraint("matrix", "from_area", "to_site", name=op.f("pk_costs")),
        sa.ForeignKeyConstraint(
            ["matrix"],
            ["cost_matrices.number"],
            name=op.f("fk_costs_matrix_cost_matrices"),
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    for table in ("costs", "cost_matrices", "receipts", "imports"):
        op.drop_table(table)
