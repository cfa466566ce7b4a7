"""`POST /v1/erasures/registry`: what is told of a person goes, wherever it stands in the registry."""

from hedgerow_kit import erasure

from hedgerow_registry.actions.erasing import ROWS_GO, bring_up_to_date
from hedgerow_registry.tables import Base

router = erasure.router("registry", Base.metadata, bring_up_to_date, rows_go=ROWS_GO)
