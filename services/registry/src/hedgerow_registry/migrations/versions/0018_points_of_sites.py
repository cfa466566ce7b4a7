"""Where sites are, in an index of points: on PostgreSQL, which finds by it what is near."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # With all that is asked of a site nearby, so that the sites themselves are not read.
        op.execute(
            "CREATE INDEX points_of_sites ON sites USING gist (point(lon, lat))"
            " INCLUDE (id, service_id, lon, lat)"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX points_of_sites")
