"""The rows of network's database, a module a subject."""

from hedgerow_network.tables.base import Base
from hedgerow_network.tables.costs import Cost, CostMatrix
from hedgerow_network.tables.documents import AdequacyRules, Document, Scenario
from hedgerow_network.tables.imports import Import, Receipt
from hedgerow_network.tables.networks import Network, NetworkVersion, Relation
from hedgerow_network.tables.projection import Feed, Record

__all__ = [
    "AdequacyRules",
    "Base",
    "Cost",
    "CostMatrix",
    "Document",
    "Feed",
    "Import",
    "Network",
    "NetworkVersion",
    "Receipt",
    "Record",
    "Relation",
    "Scenario",
]
