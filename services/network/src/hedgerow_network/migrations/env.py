from hedgerow_kit import migrations

from hedgerow_network.tables import Base

migrations.run(Base.metadata)
