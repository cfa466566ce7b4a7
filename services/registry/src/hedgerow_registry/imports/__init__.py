"""The kinds of file that the registry takes in."""

from hedgerow_kit.bulk import Kind

from hedgerow_registry.imports import (
    areas,
    bods,
    boundaries,
    contracts,
    figures,
    hsds,
    members,
    needs,
    ocds,
    organisations,
    ownership,
    postcodes,
    services,
    sites,
    spend,
)


def kinds(*, feed_hosts: frozenset[str] = frozenset()) -> tuple[Kind, ...]:
    """Every kind; a live feed may be at a private address only where its host is among `feed_hosts`."""
    return (
        areas.KIND,
        boundaries.KIND,
        figures.RESIDENTS,
        figures.INDICES,
        figures.DEMAND,
        needs.NEEDS,
        needs.CROSSWALK,
        organisations.KIND,
        ownership.KIND,
        bods.KIND,
        members.MEMBERS,
        members.FIGURES,
        services.KIND,
        sites.KIND,
        postcodes.KIND,
        ocds.KIND,
        contracts.KIND,
        spend.KIND,
        hsds.kind(allowed_hosts=feed_hosts),
    )
