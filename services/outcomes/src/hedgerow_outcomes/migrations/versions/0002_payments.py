"""Payment rules and statements."""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_rules",
        sa.Column("id", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_rules")),
    )
    op.create_table(
        "payment_rule_versions",
        sa.Column("rule_id", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by", sa.String(200), nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "version", name=op.f("pk_payment_rule_versions")),
        _of_rule("payment_rule_versions", ondelete="CASCADE"),
    )
    op.create_table(
        "payment_rule_payers",
        sa.Column("rule_id", sa.String(120), nullable=False),
        sa.Column("authority", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "authority", name=op.f("pk_payment_rule_payers")),
        _of_rule("payment_rule_payers", ondelete="CASCADE"),
    )
    op.create_table(
        "statements",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("rule_id", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("adjusts", sa.String(36)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("pence", sa.BigInteger, nullable=False),
        sa.Column("missing", Json, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statements")),
        sa.UniqueConstraint("rule_id", "period_start", "sequence", name=op.f("uq_statements_rule_id")),
        sa.CheckConstraint(
            "state IN ('issued', 'disputed', 'approved', 'paid', 'withdrawn')",
            name=op.f("ck_statements_state"),
        ),
        _of_rule("statements", ondelete="RESTRICT"),
    )
    op.create_table(
        "statement_lines",
        sa.Column("statement_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("part", sa.String(120), nullable=False),
        sa.Column("contributor", sa.String(230), nullable=False),
        sa.Column("payer", sa.String(64), nullable=False),
        sa.Column("pence", sa.BigInteger, nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("observations", Json, nullable=False),
        sa.PrimaryKeyConstraint("statement_id", "number", name=op.f("pk_statement_lines")),
        _of_statement("statement_lines"),
    )
    op.create_index("ix_statement_lines_payer", "statement_lines", ["payer", "statement_id"])
    op.create_table(
        "statement_events",
        sa.Column("statement_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("statement_id", "number", name=op.f("pk_statement_events")),
        _of_statement("statement_events"),
    )


def _of_rule(table: str, *, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_rule_id_payment_rules")
    return sa.ForeignKeyConstraint(["rule_id"], ["payment_rules.id"], name=name, ondelete=ondelete)


def _of_statement(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_statement_id_statements")
    return sa.ForeignKeyConstraint(["statement_id"], ["statements.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    for table in (
        "statement_events",
        "statement_lines",
        "statements",
        "payment_rule_payers",
        "payment_rule_versions",
        "payment_rules",
    ):
        op.drop_table(table)
