"""Terms of services, places that are no sites, and what the open feed calls a need."""

import sqlalchemy as sa
from alembic import op

from hedgerow_registry.domain.hsds.serving import term_id

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_terms",
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("term_id", sa.String(length=36), nullable=False),
        sa.Column("taxonomy_key", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_service_terms_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "term_id", "taxonomy_key", name=op.f("pk_service_terms")),
    )
    op.create_index("ix_service_terms_term", "service_terms", ["term_id", "service_id"])
    op.create_index("ix_service_terms_taxonomy", "service_terms", ["taxonomy_key", "service_id"])
    op.create_table(
        "other_places",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_other_places_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", "service_id", name=op.f("pk_other_places")),
    )
    op.create_index("ix_other_places_service", "other_places", ["service_id"])
    op.create_table(
        "place_postcodes",
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("place_id", sa.String(length=36), nullable=False),
        sa.Column("postcode", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_place_postcodes_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "place_id", "postcode", name=op.f("pk_place_postcodes")),
    )
    op.create_index("ix_place_postcodes_postcode", "place_postcodes", ["postcode", "service_id"])
    with op.batch_alter_table("needs") as needs:
        needs.add_column(sa.Column("feed_id", sa.String(length=36), nullable=False, server_default=""))
    _name_needs()
    with op.batch_alter_table("needs") as needs:
        needs.alter_column("feed_id", server_default=None)
        needs.create_index("ix_needs_feed_id", ["feed_id"])


def _name_needs() -> None:
    needs = sa.table("needs", sa.column("id", sa.String), sa.column("feed_id", sa.String))
    connection = op.get_bind()
    named = [{"need": id, "name": term_id(id)} for id in connection.scalars(sa.select(needs.c.id))]
    if named:
        update = needs.update().where(needs.c.id == sa.bindparam("need"))
        connection.execute(update.values(feed_id=sa.bindparam("name")), named)


def downgrade() -> None:
    with op.batch_alter_table("needs") as needs:
        needs.drop_index("ix_needs_feed_id")
        needs.drop_column("feed_id")
    op.drop_table("place_postcodes")
    op.drop_table("other_places")
    op.drop_table("service_terms")
