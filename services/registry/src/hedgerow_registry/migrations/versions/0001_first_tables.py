"""The first tables of the registry."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_change_clock_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_clock")),
    )
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=300), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_changes")),
    )
    op.create_index("ix_changes_entity", "changes", ["type", "id", "seq"])

    op.create_table(
        "imports",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("notes", JSON, nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("receipts", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "sources",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("authority_code", sa.String(length=64), nullable=True),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "areas",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column(
            "name_key",
            sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("vintage", sa.Integer(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("point_from", sa.String(length=10), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint("(lon IS NULL) = (lat IS NULL)", name=op.f("ck_areas_whole_point")),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_areas_source_sources")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_areas")),
    )
    op.create_index("ix_areas_level_code", "areas", ["level", "code"])
    op.create_index("ix_areas_name_key", "areas", ["name_key", "code"])

    op.create_table(
        "crosswalk",
        sa.Column("from_id", sa.String(length=300), nullable=False),
        sa.Column("to_id", sa.String(length=300), nullable=False),
        sa.Column("relation", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "relation IN ('exact', 'narrower', 'broader', 'related')", name=op.f("ck_crosswalk_relation")
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_crosswalk_source_sources")),
        sa.PrimaryKeyConstraint("from_id", "to_id", name=op.f("pk_crosswalk")),
    )
    op.create_table(
        "needs",
        sa.Column("id", sa.String(length=300), nullable=False),
        sa.Column("taxonomy", sa.String(length=100), nullable=False),
        sa.Column("term", sa.String(length=199), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("parent_id", sa.String(length=300), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_needs_source_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_needs")),
    )
    op.create_index("ix_needs_term", "needs", ["term", "taxonomy"])

    op.create_table(
        "organisations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=500), nullable=True),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column(
            "name_key",
            sa.String(length=500).with_variant(sa.String(length=500, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("sector", sa.String(length=20), nullable=True),
        sa.Column("legal_form", sa.String(length=200), nullable=True),
        sa.Column("size", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "sector IN ('public', 'private', 'charity', 'social enterprise', 'mutual', 'informal')",
            name=op.f("ck_organisations_sector"),
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_organisations_source_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
    )
    op.create_index("ix_organisations_name_key", "organisations", ["name_key", "id"])
    op.create_index("ix_organisations_source_name", "organisations", ["source", "name_key"])

    op.create_table(
        "receipts",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("line_to", sa.BigInteger(), nullable=True),
        sa.Column("pointer", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_receipts_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", "import_id", name=op.f("pk_receipts")),
    )
    op.create_table(
        "area_parents",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("parent_code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["code"], ["areas.code"], name=op.f("fk_area_parents_code_areas"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code", "parent_code", name=op.f("pk_area_parents")),
    )
    op.create_index("ix_area_parents_parent", "area_parents", ["parent_code", "code"])

    op.create_table(
        "area_successors",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("successor_code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["code"], ["areas.code"], name=op.f("fk_area_successors_code_areas"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code", "successor_code", name=op.f("pk_area_successors")),
    )
    op.create_index("ix_area_successors_successor", "area_successors", ["successor_code", "code"])

    op.create_table(
        "boundaries",
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.Column("geometry", JSON, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_code"], ["areas.code"], name=op.f("fk_boundaries_area_code_areas"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_boundaries_source_sources")),
        sa.PrimaryKeyConstraint("area_code", name=op.f("pk_boundaries")),
    )
    op.create_table(
        "demand",
        sa.Column("need_id", sa.String(length=300), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=32), nullable=False),
        sa.Column("people", sa.Float(), nullable=True),
        sa.Column("weight", sa.Float(), nullable=True),
        sa.Column("origin", sa.String(length=300), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint("people >= 0", name=op.f("ck_demand_people")),
        sa.CheckConstraint("people IS NOT NULL OR weight IS NOT NULL", name=op.f("ck_demand_figure")),
        sa.CheckConstraint("weight >= 0", name=op.f("ck_demand_weight")),
        sa.ForeignKeyConstraint(
            ["area_code"], ["areas.code"], name=op.f("fk_demand_area_code_areas"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["need_id"], ["needs.id"], name=op.f("fk_demand_need_id_needs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_demand_source_sources")),
        sa.PrimaryKeyConstraint("need_id", "area_code", "period", name=op.f("pk_demand")),
    )
    op.create_index("ix_demand_area", "demand", ["area_code", "need_id"])

    op.create_table(
        "index_values",
        sa.Column("index_name", sa.String(length=150), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_code"], ["areas.code"], name=op.f("fk_index_values_area_code_areas"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_index_values_source_sources")),
        sa.PrimaryKeyConstraint("index_name", "area_code", "period", name=op.f("pk_index_values")),
    )
    op.create_index("ix_index_values_area", "index_values", ["area_code", "index_name"])

    op.create_table(
        "organisation_aliases",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("alias", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_organisation_aliases_organisation_id_organisations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "alias", name=op.f("pk_organisation_aliases")),
    )
    op.create_table(
        "organisation_identifiers",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("scheme", sa.String(length=40), nullable=False),
        sa.Column("identifier", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_organisation_identifiers_organisation_id_organisations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "scheme", "identifier", name=op.f("pk_organisation_identifiers")
        ),
    )
    op.create_index(
        "ix_organisation_identifiers_identifier", "organisation_identifiers", ["scheme", "identifier"]
    )

    op.create_table(
        "organisation_owners",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_organisation_owners_organisation_id_organisations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "owner_id", name=op.f("pk_organisation_owners")),
    )
    op.create_index("ix_organisation_owners_owner", "organisation_owners", ["owner_id", "organisation_id"])

    op.create_table(
        "residents",
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=32), nullable=False),
        sa.Column("sex", sa.String(length=6), nullable=False),
        sa.Column("age_from", sa.Integer(), nullable=False),
        sa.Column("age_to", sa.Integer(), nullable=False),
        sa.Column("people", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint("sex IN ('all', 'female', 'male')", name=op.f("ck_residents_sex")),
        sa.CheckConstraint("age_from >= 0 AND age_to >= age_from", name=op.f("ck_residents_ages")),
        sa.CheckConstraint("people >= 0", name=op.f("ck_residents_people")),
        sa.ForeignKeyConstraint(
            ["area_code"], ["areas.code"], name=op.f("fk_residents_area_code_areas"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_residents_source_sources")),
        sa.PrimaryKeyConstraint(
            "area_code", "period", "sex", "age_from", "age_to", name=op.f("pk_residents")
        ),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=500), nullable=True),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column(
            "name_key",
            sa.String(length=500).with_variant(sa.String(length=500, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.String(length=36), nullable=True),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.String(length=200), nullable=True),
        sa.Column("minimum_age", sa.Float(), nullable=True),
        sa.Column("maximum_age", sa.Float(), nullable=True),
        sa.Column("capacity", sa.Float(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("assured_on", sa.Date(), nullable=True),
        sa.Column("document", JSON, nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "status IN ('active', 'inactive', 'defunct', 'temporarily closed')",
            name=op.f("ck_services_status"),
        ),
        sa.CheckConstraint("capacity >= 0", name=op.f("ck_services_capacity")),
        sa.CheckConstraint("maximum_age >= minimum_age", name=op.f("ck_services_age_order")),
        sa.CheckConstraint("minimum_age >= 0 AND maximum_age >= 0", name=op.f("ck_services_ages")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_services_validity")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_services_organisation_id_organisations"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_services_source_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
    )
    op.create_index("ix_services_name_key", "services", ["name_key", "id"])
    op.create_index("ix_services_organisation", "services", ["organisation_id", "id"])
    op.create_index("ix_services_source", "services", ["source", "id"])

    op.create_table(
        "service_areas",
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_service_areas_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "area_code", name=op.f("pk_service_areas")),
    )
    op.create_index("ix_service_areas_area", "service_areas", ["area_code", "service_id"])

    op.create_table(
        "service_needs",
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("need_id", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_service_needs_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "need_id", name=op.f("pk_service_needs")),
    )
    op.create_index("ix_service_needs_need", "service_needs", ["need_id", "service_id"])

    op.create_table(
        "sites",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=500), nullable=True),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("postcode", sa.String(length=16), nullable=True),
        sa.Column("area_code", sa.String(length=64), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.CheckConstraint("(lon IS NULL) = (lat IS NULL)", name=op.f("ck_sites_whole_point")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_sites_service_id_services"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_sites_source_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
    )
    op.create_index("ix_sites_area", "sites", ["area_code", "id"])
    op.create_index("ix_sites_service", "sites", ["service_id", "id"])

    # Two first writers would otherwise meet over the first row.
    op.bulk_insert(sa.table("change_clock", sa.column("id"), sa.column("seq")), [{"id": 1, "seq": 0}])


def downgrade() -> None:

    op.drop_table("sites")

    op.drop_table("service_needs")

    op.drop_table("service_areas")

    op.drop_table("services")
    op.drop_table("residents")

    op.drop_table("organisation_owners")

    op.drop_table("organisation_identifiers")
    op.drop_table("organisation_aliases")

    op.drop_table("index_values")

    op.drop_table("demand")
    op.drop_table("boundaries")

    op.drop_table("area_successors")

    op.drop_table("area_parents")
    op.drop_table("receipts")

    op.drop_table("organisations")

    op.drop_table("needs")
    op.drop_table("crosswalk")

    op.drop_table("areas")
    op.drop_table("sources")
    op.drop_table("imports")

    op.drop_table("changes")
    op.drop_table("change_clock")
