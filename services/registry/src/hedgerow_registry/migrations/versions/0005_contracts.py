"""Contracting processes, their releases, and contracts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = (
    "contracting_processes",
    "contracts",
    "process_areas",
    "process_needs",
    "process_parties",
    "releases",
    "contract_areas",
    "contract_needs",
    "contract_parties",
    "contract_services",
)


def upgrade() -> None:
    op.create_table(
        "contracting_processes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("ocid", sa.String(length=300), nullable=False),
        sa.Column("title", sa.String(length=1000), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("method", sa.String(length=10), nullable=True),
        sa.Column("method_details", sa.String(length=500), nullable=True),
        sa.Column("category", sa.String(length=10), nullable=True),
        sa.Column("programme", sa.String(length=500), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("was_published", sa.Boolean(), nullable=False),
        sa.Column("notice_on", sa.Date(), nullable=True),
        sa.Column("opens_on", sa.Date(), nullable=True),
        sa.Column("closes_on", sa.Date(), nullable=True),
        sa.Column("starts", sa.Date(), nullable=True),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("value_gbp", sa.Float(), nullable=True),
        sa.Column("prior_ocid", sa.String(length=300), nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.Column("organisations", JSON, nullable=False),
        sa.Column("release", JSON, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "method IN ('open', 'selective', 'limited', 'direct')",
            name=op.f("ck_contracting_processes_method"),
        ),
        sa.CheckConstraint(
            "stage IN ('planning', 'tender', 'award', 'contract')",
            name=op.f("ck_contracting_processes_stage"),
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["sources.name"], name=op.f("fk_contracting_processes_source_sources")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracting_processes")),
        sa.UniqueConstraint("source", "ocid", name=op.f("uq_contracting_processes_source")),
    )
    op.create_index("ix_contracting_processes_ocid", "contracting_processes", ["ocid"])
    op.create_index("ix_contracting_processes_prior", "contracting_processes", ["prior_ocid"])
    op.create_index("ix_contracting_processes_stage", "contracting_processes", ["stage", "id"])
    op.create_table(
        "contracts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("process_id", sa.String(length=36), nullable=False),
        sa.Column("own_id", sa.String(length=300), nullable=False),
        sa.Column("award_id", sa.String(length=300), nullable=True),
        sa.Column("ocid", sa.String(length=300), nullable=False),
        sa.Column("title", sa.String(length=1000), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("method", sa.String(length=10), nullable=True),
        sa.Column("method_details", sa.String(length=500), nullable=True),
        sa.Column("category", sa.String(length=10), nullable=True),
        sa.Column("programme", sa.String(length=500), nullable=True),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("value_gbp", sa.Float(), nullable=True),
        sa.Column("starts", sa.Date(), nullable=True),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.Column("extended_to", sa.Date(), nullable=True),
        sa.Column("signed_on", sa.Date(), nullable=True),
        sa.Column("awarded_on", sa.Date(), nullable=True),
        sa.Column("advertised_on", sa.Date(), nullable=True),
        sa.Column("term_days", sa.Integer(), nullable=True),
        sa.Column("lead_in_days", sa.Integer(), nullable=True),
        sa.Column("is_under_three_years", sa.Boolean(), nullable=True),
        sa.Column("is_reserved", sa.Boolean(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("was_published", sa.Boolean(), nullable=False),
        sa.Column("successor_ocid", sa.String(length=300), nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "method IN ('open', 'selective', 'limited', 'direct')", name=op.f("ck_contracts_method")
        ),
        sa.CheckConstraint("stage IN ('award', 'contract')", name=op.f("ck_contracts_stage")),
        sa.CheckConstraint(
            "status IN ('pending', 'active', 'cancelled', 'terminated')", name=op.f("ck_contracts_status")
        ),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["contracting_processes.id"],
            name=op.f("fk_contracts_process_id_contracting_processes"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_contracts_source_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
    )
    op.create_index("ix_contracts_ends", "contracts", ["ends", "id"])
    op.create_index("ix_contracts_ocid", "contracts", ["ocid"])
    op.create_index("ix_contracts_process", "contracts", ["process_id", "id"])
    op.create_index("ix_contracts_source", "contracts", ["source", "id"])
    op.create_index("ix_contracts_successor", "contracts", ["successor_ocid"])
    op.create_table(
        "process_areas",
        sa.Column("process_id", sa.String(length=36), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["contracting_processes.id"],
            name=op.f("fk_process_areas_process_id_contracting_processes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_id", "area_code", name=op.f("pk_process_areas")),
    )
    op.create_index("ix_process_areas_area", "process_areas", ["area_code", "process_id"])
    op.create_table(
        "process_needs",
        sa.Column("process_id", sa.String(length=36), nullable=False),
        sa.Column("need_id", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["contracting_processes.id"],
            name=op.f("fk_process_needs_process_id_contracting_processes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_id", "need_id", name=op.f("pk_process_needs")),
    )
    op.create_index("ix_process_needs_need", "process_needs", ["need_id", "process_id"])
    op.create_table(
        "process_parties",
        sa.Column("process_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_process_parties_organisation_id_organisations"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["contracting_processes.id"],
            name=op.f("fk_process_parties_process_id_contracting_processes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_id", "role", "organisation_id", name=op.f("pk_process_parties")),
    )
    op.create_index(
        "ix_process_parties_organisation", "process_parties", ["organisation_id", "role", "process_id"]
    )
    op.create_table(
        "releases",
        sa.Column("process_id", sa.String(length=36), nullable=False),
        sa.Column("release_id", sa.String(length=300), nullable=False),
        sa.Column("date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("import_id", sa.String(length=64), nullable=True),
        sa.Column("document", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["contracting_processes.id"],
            name=op.f("fk_releases_process_id_contracting_processes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("process_id", "release_id", name=op.f("pk_releases")),
    )
    op.create_index("ix_releases_date", "releases", ["process_id", "date", "release_id"])
    op.create_table(
        "contract_areas",
        sa.Column("contract_id", sa.String(length=36), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_areas_contract_id_contracts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("contract_id", "area_code", name=op.f("pk_contract_areas")),
    )
    op.create_index("ix_contract_areas_area", "contract_areas", ["area_code", "contract_id"])
    op.create_table(
        "contract_needs",
        sa.Column("contract_id", sa.String(length=36), nullable=False),
        sa.Column("need_id", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_needs_contract_id_contracts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("contract_id", "need_id", name=op.f("pk_contract_needs")),
    )
    op.create_index("ix_contract_needs_need", "contract_needs", ["need_id", "contract_id"])
    op.create_table(
        "contract_parties",
        sa.Column("contract_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("vcse", sa.String(length=3), nullable=False),
        sa.CheckConstraint(
            "role IN ('buyer', 'supplier', 'subcontractor', 'funder')", name=op.f("ck_contract_parties_role")
        ),
        sa.CheckConstraint("vcse IN ('', 'yes', 'no')", name=op.f("ck_contract_parties_vcse")),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_parties_contract_id_contracts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_contract_parties_organisation_id_organisations"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "contract_id", "role", "organisation_id", "vcse", name=op.f("pk_contract_parties")
        ),
    )
    op.create_index(
        "ix_contract_parties_organisation", "contract_parties", ["organisation_id", "role", "contract_id"]
    )
    op.create_table(
        "contract_services",
        sa.Column("contract_id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_services_contract_id_contracts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("contract_id", "service_id", name=op.f("pk_contract_services")),
    )
    op.create_index("ix_contract_services_service", "contract_services", ["service_id", "contract_id"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
