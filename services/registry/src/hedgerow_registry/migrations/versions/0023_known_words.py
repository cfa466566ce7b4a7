"""All words that records have, on PostgreSQL as on SQLite, so that a question can be asked in whole words."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # By their bytes, whatever the locale: words with one beginning stand together. It is not unique, so
        # that nobody waits for who writes the same word.
        # The words of records that are there are learned when these are indexed anew, of another edition.
        op.execute('CREATE TABLE words_known (word TEXT COLLATE "C" NOT NULL)')
        op.execute("CREATE INDEX words_known_word ON words_known (word)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TABLE words_known")
