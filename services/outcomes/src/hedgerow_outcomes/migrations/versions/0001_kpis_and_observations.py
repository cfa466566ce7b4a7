"""KPIs, their versions, observations, what they said before, imports and the change feed."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

from hedgerow_outcomes.tables import Day

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LARGEST = "1.7976931348623157e+308"
_TABLES = (
    "superseded_observations",
    "observations",
    "learnings",
    "subjects",
    "kpi_versions",
    "kpis",
    "change_clock",
    "changes",
    "receipts",
    "imports",
)


def upgrade() -> None:
    _kit_tables()
    op.create_table(
        "kpis",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("id", sa.String(120), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_kpis")),
        sa.UniqueConstraint("id", name=op.f("uq_kpis_id")),
    )
    op.create_table(
        "kpi_versions",
        sa.Column("kpi", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.Date),
        sa.Column("defined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("unit", sa.String(60)),
        sa.Column("polarity", sa.String(20)),
        sa.Column("level", sa.String(20)),
        sa.Column("perspective", sa.String(20)),
        sa.Column("frequency", sa.String(20)),
        sa.Column("aggregation", sa.String(20)),
        sa.Column("description", sa.Text),
        sa.Column("target", sa.Float),
        sa.Column("minimum", sa.Float),
        sa.Column("owner", sa.String(300)),
        sa.PrimaryKeyConstraint("kpi", "version", name=op.f("pk_kpi_versions")),
        sa.ForeignKeyConstraint(
            ["kpi"], ["kpis.number"], name=op.f("fk_kpi_versions_kpi_kpis"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "subjects",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("text", sa.String(230), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_subjects")),
        sa.UniqueConstraint("text", name=op.f("uq_subjects_text")),
    )
    op.create_table(
        "learnings",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("import_id", sa.String(60), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_learnings")),
    )
    op.create_table(
        "observations",
        *_key_columns(),
        *_value_columns(),
        sa.Column("learning", sa.Integer, nullable=False),
        sa.CheckConstraint(f"value BETWEEN -{_LARGEST} AND {_LARGEST}", name=op.f("ck_observations_finite")),
        sa.CheckConstraint(
            "(value IS NULL) = (status IN (3, 4))", name=op.f("ck_observations_value_or_reason")
        ),
        sa.CheckConstraint("period_end >= period_start", name=op.f("ck_observations_period_in_order")),
        sa.PrimaryKeyConstraint("kpi", "subject", "period_start", "period_end", name=op.f("pk_observations")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "superseded_observations",
        *_key_columns(),
        *_value_columns(),
        sa.Column("learning", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("superseded_by", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(
            "kpi",
            "subject",
            "period_start",
            "period_end",
            "learning",
            name=op.f("pk_superseded_observations"),
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)


def _key_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("kpi", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("subject", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("period_start", Day, autoincrement=False, nullable=False),
        sa.Column("period_end", Day, autoincrement=False, nullable=False),
    ]


def _value_columns() -> list[sa.Column[object]]:
    return [
        *(sa.Column(name, sa.Float) for name in ("value", "numerator", "denominator", "lower", "upper")),
        sa.Column("status", sa.SmallInteger, nullable=False),
    ]


def _kit_tables() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("notes", Json, nullable=False),
        sa.Column("options", Json, nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("accepted", "changed", "unchanged", "quarantined", "receipts")
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "receipts",
        sa.Column("import_id", sa.String(60), nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("line", sa.BigInteger),
        sa.Column("line_to", sa.BigInteger),
        *(sa.Column(name, sa.Text) for name in ("pointer", "key", "column", "reason")),
        sa.Column("records", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_receipts")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_receipts_import_id_imports"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("id", sa.String(300), nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_changes")),
    )
    op.create_index("ix_changes_entity", "changes", ["type", "id", "seq"])
    op.create_table(
        "change_clock",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_change_clock_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_clock")),
    )
