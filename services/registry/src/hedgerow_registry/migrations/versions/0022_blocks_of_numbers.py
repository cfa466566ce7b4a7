"""Searched records in blocks of their numbers on PostgreSQL, and of which edition their words are."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KINDS = ("services", "organisations", "sites", "needs")
# As in `store.search`, which asks in these very words.
BLOCKS = "(ARRAY[(number >> 12) * 3, (number >> 15) * 3 + 1, (number >> 18) * 3 + 2])"


def upgrade() -> None:
    for kind in KINDS:
        table = f"indexed_{kind}"
        op.add_column(table, sa.Column("edition", sa.SmallInteger(), server_default="0", nullable=False))
        op.create_index(op.f(f"ix_{table}_edition"), table, ["edition"])
        _words(kind, f"words, {BLOCKS}")


def downgrade() -> None:
    for kind in KINDS:
        _words(kind, "words")
        op.drop_index(op.f(f"ix_indexed_{kind}_edition"), f"indexed_{kind}")
        op.drop_column(f"indexed_{kind}", "edition")


def _words(kind: str, of: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP INDEX words_of_{kind}")
        op.execute(f"CREATE INDEX words_of_{kind} ON indexed_{kind} USING gin ({of})")
