"""The machinery that runs imports, over this app's two tables for them."""

from collections.abc import Iterable

from hedgerow_kit.bulk import Importer, Kind

from hedgerow_registry.tables import Import, Receipt


def importer(kinds: Iterable[Kind]) -> Importer:
    return Importer("registry", Import, Receipt, kinds)
