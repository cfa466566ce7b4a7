"""How full and how fresh the records are, one by one and source by source."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from hedgerow_kit.db import among
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_registry.store import merges
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import IndexedOrganisation, IndexedService, Organisation, Service, Site

BANDS = ((0, 19), (20, 39), (40, 59), (60, 79), (80, 100))


def of_services(session: Session, ids: Iterable[str]) -> dict[str, int]:
    """Of services which fields they say something of, as bits."""
    return _says(session, IndexedService, ids)


def of_organisations(session: Session, ids: Iterable[str]) -> dict[str, int]:
    return _says(session, IndexedOrganisation, ids)


def _says(session: Session, table: Any, ids: Iterable[str]) -> dict[str, int]:
    return {
        id: says
        for piece in chunks(ids)
        for id, says in session.execute(select(table.id, table.says).where(among(table.id, piece)))
    }


def last_assured(session: Session, organisations: Sequence[str]) -> dict[str, date]:
    """When a service of each organisation, or of one merged into it, was last assured."""
    members = merges.members(session, organisations)
    of = {one: id for id in organisations for one in (id, *members.get(id, ()))}
    found: dict[str, date] = {}
    for piece in chunks(of):
        query = (
            select(Service.organisation_id, func.max(Service.assured_on))
            .where(Service.organisation_id.in_(piece))
            .group_by(Service.organisation_id)
        )
        for id, last in session.execute(query):
            if id is not None and last is not None:
                found[of[id]] = max(found.get(of[id], last), last)
    return found


class SourceQuality(NamedTuple):
    """Of one source: how many records, how their days of assurance lie, how full they are.

    assured_on: the middle day of assurance of the services that have one · bands: how many records of each
    kind have a richness in each of `BANDS`
    """

    organisations: int
    services: int
    sites: int
    assured: int
    assured_on: date | None
    assured_since: dict[date, int]
    bands: dict[str, dict[str, int]]


def of_source(session: Session, source: str, *, days: Sequence[date]) -> SourceQuality:
    """What there is of a source; days: since each of these, how many services were assured."""

    def counted(table: Any, *also: Any) -> int:
        query = select(func.count()).select_from(table).where(table.source == source, *also)
        return session.scalar(query) or 0

    stated = Service.assured_on.is_not(None)
    assured = counted(Service, stated)
    middle = (
        select(Service.assured_on)
        .where(Service.source == source, stated)
        .order_by(Service.assured_on.desc())
        .offset(assured // 2)
        .limit(1)
    )
    return SourceQuality(
        organisations=counted(Organisation),
        services=counted(Service),
        sites=counted(Site),
        assured=assured,
        assured_on=session.scalar(middle) if assured else None,
        assured_since={day: counted(Service, Service.assured_on >= day) for day in days},
        bands={
            "organisations": _bands(session, IndexedOrganisation, source),
            "services": _bands(session, IndexedService, source),
        },
    )


def _bands(session: Session, table: Any, source: str) -> dict[str, int]:
    query = select(table.richness, func.count()).where(table.source == source).group_by(table.richness)
    counts = {richness: number for richness, number in session.execute(query)}
    return {
        f"{low}-{high}": sum(number for richness, number in counts.items() if low <= richness <= high)
        for low, high in BANDS
    }
