"""The kind `postcodes`: where postcodes are, so that what is near one can be found."""

from collections.abc import Iterable, Sequence
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.domain import gss, postcode
from hedgerow_registry.imports.rows import (
    CRS_OPTION,
    MEDIA_TYPES,
    OPTIONS,
    Rejected,
    Row,
    crs_of,
    parsed,
    provenance,
    reader,
    settled,
)

COLUMNS = ("postcode", "lon", "lat")


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    crs = crs_of(run)

    def parse(row: Row) -> dict[str, Any]:
        spelt = row.read("postcode", postcode.postcode)
        lon, lat = row.point(crs)
        if lon is None:
            raise Rejected("a postcode without a place is of no use", "lon")
        return {
            "postcode": spelt,
            "lon": lon,
            "lat": lat,
            "area_code": row.read_maybe("area_code", gss.area_code),
        }

    rows, outcomes = parsed(batch, parse, key=["postcode"])
    return outcomes + settled(session, entities.POSTCODES, rows, run, by)


KIND = Kind(
    name="postcodes",
    summary="Import where postcodes are",
    read=reader(COLUMNS, ("area_code",)),
    write=write,
    media_types=MEDIA_TYPES,
    options={**OPTIONS, **CRS_OPTION},
)
