from hedgerow_kit import migrations

from hedgerow_gateway.tables import Base

migrations.run(Base.metadata)
