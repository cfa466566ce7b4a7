from hedgerow_kit import migrations

from hedgerow_outcomes.tables import Base

migrations.run(Base.metadata)
