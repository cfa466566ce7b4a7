"""The machinery that runs network's own imports."""

from collections.abc import Iterable

from hedgerow_kit.bulk import Importer, Kind

from hedgerow_network.tables import Import, Receipt


def importer(kinds: Iterable[Kind]) -> Importer:
    return Importer("network", Import, Receipt, kinds)
