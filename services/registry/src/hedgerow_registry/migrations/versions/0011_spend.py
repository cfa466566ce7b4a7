"""What authorities paid, and to whom."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _key_text(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "spend_files",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("import_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_spend_files_source_sources")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_spend_files")),
        sa.UniqueConstraint("import_id", name=op.f("uq_spend_files_import_id")),
    )
    op.create_index("ix_spend_files_source", "spend_files", ["source"])
    op.create_table(
        "spend_sources",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["sources.name"], name=op.f("fk_spend_sources_name_sources")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_spend_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_spend_sources_name")),
    )
    op.create_table(
        "spend_words",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("word", _key_text(300), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_spend_words")),
        sa.UniqueConstraint("word", name=op.f("uq_spend_words_word")),
    )
    op.create_table(
        "spend_branches",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("postcode", sa.String(length=16), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_spend_branches")),
        sa.UniqueConstraint("postcode", "area_code", name=op.f("uq_spend_branches_postcode")),
    )
    op.create_table(
        "spend_suppliers",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("buyer_code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=True),
        sa.Column("name_key", _key_text(500), nullable=True),
        sa.Column("supplier_id", sa.String(length=200), nullable=True),
        sa.Column("redacted", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("matched_by", sa.String(length=10), nullable=True),
        sa.Column("organisation_id", sa.String(length=36), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("refused_ids", JSON, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('matched', 'candidate', 'unmatched', 'redacted')",
            name=op.f("ck_spend_suppliers_state"),
        ),
        sa.CheckConstraint(
            "matched_by IN ('identifier', 'name', 'person')", name=op.f("ck_spend_suppliers_matched_by")
        ),
        sa.CheckConstraint(
            "NOT redacted OR (name IS NULL AND supplier_id IS NULL)",
            name=op.f("ck_spend_suppliers_redaction"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_spend_suppliers_organisation_id_organisations"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_spend_suppliers")),
        sa.UniqueConstraint("key", name=op.f("uq_spend_suppliers_key")),
    )
    op.create_index("ix_spend_suppliers_buyer", "spend_suppliers", ["buyer_code", "number"])
    op.create_index("ix_spend_suppliers_organisation", "spend_suppliers", ["organisation_id", "number"])
    op.create_index("ix_spend_suppliers_state", "spend_suppliers", ["state", "number"])
    op.create_table(
        "spend_supplier_keys",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("supplier", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "supplier", name=op.f("pk_spend_supplier_keys")),
    )
    op.create_index("ix_spend_supplier_keys_supplier", "spend_supplier_keys", ["supplier"])
    op.create_table(
        "spend_lines",
        sa.Column("source", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("supplier", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("pence", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.Integer(), nullable=True),
        sa.Column("department", sa.Integer(), nullable=True),
        sa.Column("branch", sa.Integer(), nullable=True),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("file", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "digest", "occurrence", name=op.f("pk_spend_lines")),
    )
    op.create_index("ix_spend_lines_supplier", "spend_lines", ["supplier", "day"])


def downgrade() -> None:
    for name in ("lines", "supplier_keys", "suppliers", "branches", "words", "sources", "files"):
        op.drop_table(f"spend_{name}")
