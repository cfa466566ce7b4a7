"""PostgreSQL itself hides what is another authority's: the second lock."""

from hedgerow_kit.migrations import protect, protect_by, unprotect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SHARED = ("networks", "cost_matrices", "adequacy_rules")
_NETWORKS = "network IN (SELECT id FROM networks)"
THROUGH = {
    "network_versions": _NETWORKS,
    "relations": _NETWORKS,
    "costs": "matrix IN (SELECT number FROM cost_matrices)",
}


def upgrade() -> None:
    protect("imports", shared=False)
    for table in SHARED:
        protect(table, shared=True)
    for table, seen in THROUGH.items():
        protect_by(table, seen)


def downgrade() -> None:
    for table in ("imports", *SHARED, *THROUGH):
        unprotect(table)
