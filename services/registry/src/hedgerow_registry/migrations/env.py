"""Alembic's entry: everything is in the kit."""

from hedgerow_kit import migrations

from hedgerow_registry.tables import Base

migrations.run(Base.metadata, apart=("words_", "points_"))
