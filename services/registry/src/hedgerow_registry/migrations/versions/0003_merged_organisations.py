"""Organisations that stand under another, and who said so."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "merge_events",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("into_id", sa.String(length=36), nullable=False),
        sa.Column("rule", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('merged', 'unmerged')", name=op.f("ck_merge_events_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge_events")),
    )
    op.create_index("ix_merge_events_into", "merge_events", ["into_id", "id"])
    op.create_index("ix_merge_events_organisation", "merge_events", ["organisation_id", "id"])
    op.create_table(
        "merged_organisations",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("into_id", sa.String(length=36), nullable=False),
        sa.Column("canonical_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", NUMBER, nullable=False),
        sa.CheckConstraint(
            "organisation_id <> into_id AND organisation_id <> canonical_id",
            name=op.f("ck_merged_organisations_another"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_merged_organisations_organisation_id_organisations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["into_id"],
            ["organisations.id"],
            name=op.f("fk_merged_organisations_into_id_organisations"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["canonical_id"],
            ["organisations.id"],
            name=op.f("fk_merged_organisations_canonical_id_organisations"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["merge_events.id"], name=op.f("fk_merged_organisations_event_id_merge_events")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_merged_organisations")),
    )
    op.create_index("ix_merged_organisations_into", "merged_organisations", ["into_id", "organisation_id"])
    op.create_index(
        "ix_merged_organisations_canonical", "merged_organisations", ["canonical_id", "organisation_id"]
    )


def downgrade() -> None:
    op.drop_table("merged_organisations")
    op.drop_table("merge_events")
