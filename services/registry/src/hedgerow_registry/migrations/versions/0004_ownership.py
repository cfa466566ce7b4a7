"""Interests and the statements they rest on, memberships, figures; more columns of organisations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hedgerow_registry.domain.forms import legal_form_code
from hedgerow_registry.domain.sizes import size_band

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("legal_form_code", sa.String(length=40)),
    ("size_band", sa.String(length=10)),
    ("head_office_area_code", sa.String(length=64)),
    ("user_led", sa.Boolean()),
    ("user_led_evidence", sa.Text()),
    ("user_led_on", sa.Date()),
    ("supported_business", sa.Boolean()),
    ("supported_business_evidence", sa.Text()),
    ("supported_business_on", sa.Date()),
)


def _provenance(table: str) -> list[sa.Column[object] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f(f"fk_{table}_source_sources")),
    ]


def upgrade() -> None:
    # Column by column, not by making the table anew: on SQLite that would take along what hangs on it.
    for name, type in _COLUMNS:
        op.add_column("organisations", sa.Column(name, type, nullable=True))
    op.create_index("ix_organisations_head_office", "organisations", ["head_office_area_code", "id"])
    _read_words()

    op.create_table(
        "interests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("owner_kind", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("share_low", sa.Float(), nullable=True),
        sa.Column("share_high", sa.Float(), nullable=True),
        sa.Column("low_open", sa.Boolean(), nullable=False),
        sa.Column("high_open", sa.Boolean(), nullable=False),
        sa.Column("directness", sa.String(length=8), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("statement_id", sa.String(length=200), nullable=True),
        sa.Column("stated_on", sa.Date(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("evidence_url", sa.Text(), nullable=True),
        sa.Column("record_key", sa.String(length=36), nullable=True),
        *_provenance("interests"),
        sa.CheckConstraint(
            "owner_kind IN ('organisation', 'person', 'unknown', 'arrangement')",
            name=op.f("ck_interests_owner_kind"),
        ),
        sa.CheckConstraint(
            "directness IN ('direct', 'indirect', 'unknown')", name=op.f("ck_interests_directness")
        ),
        sa.CheckConstraint(
            "(share_low IS NULL) = (share_high IS NULL)", name=op.f("ck_interests_whole_share")
        ),
        sa.CheckConstraint(
            "share_low >= 0 AND share_high <= 100 AND share_low <= share_high",
            name=op.f("ck_interests_share"),
        ),
        sa.CheckConstraint("until > starts_on", name=op.f("ck_interests_dates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interests")),
    )
    op.create_index("ix_interests_subject", "interests", ["subject_id", "owner_id", "id"])
    op.create_index("ix_interests_owner", "interests", ["owner_id", "subject_id"])
    op.create_index("ix_interests_record", "interests", ["record_key", "id"])

    op.create_table(
        "ownership_statements",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("statement_id", sa.String(length=64), nullable=False),
        sa.Column("record_key", sa.String(length=36), nullable=False),
        sa.Column("record_type", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=True),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node_kind", sa.String(length=12), nullable=True),
        sa.Column("organisation_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("subject_key", sa.String(length=36), nullable=True),
        sa.Column("party_key", sa.String(length=36), nullable=True),
        sa.Column("evidence_url", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("interests", JSON, nullable=True),
        *_provenance("ownership_statements"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ownership_statements")),
    )
    op.create_index(
        "ix_ownership_statements_record", "ownership_statements", ["record_key", "stated_at", "id"]
    )
    op.create_index("ix_ownership_statements_subject", "ownership_statements", ["subject_key", "record_key"])
    op.create_index("ix_ownership_statements_party", "ownership_statements", ["party_key", "record_key"])

    op.create_table(
        "memberships",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=200), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        *_provenance("memberships"),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_memberships_dates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_organisation", "memberships", ["organisation_id", "member_id", "id"])
    op.create_index("ix_memberships_member", "memberships", ["member_id", "organisation_id"])

    op.create_table(
        "organisation_figures",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("figure", sa.String(length=100), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("evidence_url", sa.Text(), nullable=True),
        *_provenance("organisation_figures"),
        sa.PrimaryKeyConstraint("organisation_id", "figure", "as_of", name=op.f("pk_organisation_figures")),
    )
    op.create_index(
        "ix_organisation_figures_figure", "organisation_figures", ["figure", "organisation_id", "as_of"]
    )


def _read_words() -> None:
    """The codes of the legal forms and sizes that are held already, word by word: there are few of each."""
    table = sa.table(
        "organisations",
        *(sa.column(name, sa.String) for name in ("legal_form", "legal_form_code", "size", "size_band")),
    )
    bind = op.get_bind()
    for words, code, read in (
        (table.c.legal_form, table.c.legal_form_code, legal_form_code),
        (table.c.size, table.c.size_band, size_band),
    ):
        for (said,) in bind.execute(sa.select(words).where(words.is_not(None)).distinct()).all():
            bind.execute(sa.update(table).where(words == said).values({code: read(said)}))


def downgrade() -> None:
    for table in ("organisation_figures", "memberships", "ownership_statements", "interests"):
        op.drop_table(table)
    op.drop_index("ix_organisations_head_office", "organisations")
    for name, _ in _COLUMNS:
        op.drop_column("organisations", name)
