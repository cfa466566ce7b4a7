"""What is searched, and where postcodes are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite")
QUALITY = (
    ("source", sa.String(length=200)),
    ("richness", sa.SmallInteger()),
    ("says", sa.Integer()),
)
OWN = {
    "services": QUALITY,
    "organisations": (*QUALITY, ("names", sa.Text())),
    "sites": (("service_id", sa.String(length=36)),),
    "needs": (),
}


def upgrade() -> None:
    for kind, own in OWN.items():
        table = f"indexed_{kind}"
        op.create_table(
            table,
            sa.Column("number", NUMBER, nullable=False),
            sa.Column("id", sa.String(length=300), nullable=False),
            sa.Column("words", WORDS, nullable=True),
            *(sa.Column(name, type, nullable=False) for name, type in own),
            sa.PrimaryKeyConstraint("number", name=op.f(f"pk_{table}")),
            sa.UniqueConstraint("id", name=op.f(f"uq_{table}_id")),
        )
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"CREATE INDEX words_of_{kind} ON {table} USING gin (words)")
        else:
            # The words come taken apart: all that is to be parted is parted by spaces.
            op.execute(
                f"CREATE VIRTUAL TABLE words_of_{kind} USING fts5"
                "(name, body, tags, columnsize=0, tokenize=\"ascii tokenchars ':.-'\")"
            )
    op.create_index("ix_indexed_services_source", "indexed_services", ["source", "richness"])
    op.create_index("ix_indexed_organisations_source", "indexed_organisations", ["source", "richness"])
    op.create_index("ix_indexed_sites_service", "indexed_sites", ["service_id"])
    op.create_index("ix_services_assured", "services", ["source", "assured_on"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TABLE words_known (word TEXT PRIMARY KEY) WITHOUT ROWID")
    op.create_table(
        "postcodes",
        sa.Column("postcode", sa.String(length=8), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("area_code", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("first_import_id", sa.String(length=64), nullable=True),
        sa.Column("last_import_id", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_postcodes_source_sources")),
        sa.PrimaryKeyConstraint("postcode", name=op.f("pk_postcodes")),
    )


def downgrade() -> None:
    op.drop_table("postcodes")
    op.drop_index("ix_services_assured", "services")
    for kind in OWN:
        if op.get_bind().dialect.name == "sqlite":
            op.drop_table(f"words_of_{kind}")
        op.drop_table(f"indexed_{kind}")
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("words_known")
