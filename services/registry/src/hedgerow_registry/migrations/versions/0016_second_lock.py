"""PostgreSQL itself hides what is another authority's: the second lock."""

from hedgerow_kit.migrations import protect, unprotect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Whether a row without an authority is everybody's to see.
TABLES = {"imports": False, "feeds": True, "unpublished_tombstones": False}


def upgrade() -> None:
    for table, shared in TABLES.items():
        protect(table, shared=shared)


def downgrade() -> None:
    for table in TABLES:
        unprotect(table)
