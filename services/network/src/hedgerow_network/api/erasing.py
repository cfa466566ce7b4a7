"""`POST /v1/erasures/…`: what is told of a person goes, wherever it stands in this app."""

from hedgerow_kit import erasure

from hedgerow_network.tables import Base

router = erasure.router("network", Base.metadata)
