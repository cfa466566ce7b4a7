"""The kind `sites`, and the cells of a site wherever they stand."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.domain import gss, ids, postcode
from hedgerow_registry.errors import Malformed
from hedgerow_registry.imports.rows import (
    CRS_OPTION,
    MEDIA_TYPES,
    OPTIONS,
    Rejected,
    Row,
    crs_of,
    note_unknown_area,
    parsed,
    provenance,
    reader,
    settled,
    source_of,
)
from hedgerow_registry.store.directory import known_areas, known_services

REQUIRED = ("id", "service_id", "name")
OPTIONAL = ("address", "postcode", "area_code", "lon", "lat")
_LONGEST_POSTCODE = 16


def place(row: Row, crs: str, *, area_column: str) -> dict[str, Any]:
    """Address, postcode, area and point of a site.

    A site whose area code is malformed is placed by its coordinates, and said so; without any it is rejected.
    """
    lon, lat = row.point(crs)
    return {
        "address": row.maybe("address"),
        "postcode": _postcode(row),
        "area_code": _area_code(row, area_column, placed=lon is not None),
        "lon": lon,
        "lat": lat,
    }


def _postcode(row: Row) -> str | None:
    said = row.text("postcode")
    if not said:
        return None
    try:
        return postcode.postcode(said)
    except Malformed as error:
        kept = said if len(said) <= _LONGEST_POSTCODE else None
        row.note(f"{error.reason}: {'kept as sent' if kept else 'left out'}", "postcode")
        return kept


def _area_code(row: Row, column: str, *, placed: bool) -> str | None:
    said = row.text(column)
    if not said:
        return None
    try:
        return gss.area_code(said)
    except Malformed as error:
        if not placed:
            raise Rejected(
                f"{error.in_receipt}; and there are no coordinates to place the site by", column
            ) from None
        row.note(f"{error.in_receipt}: placed by coordinates", column)
        return None


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    source, crs = source_of(run), crs_of(run)

    def parse(row: Row) -> dict[str, Any]:
        external = row.needed("id")
        return {
            "id": ids.record_id(source, "site", external),
            "source_id": external,
            "service_id": ids.record_id(source, "service", row.needed("service_id")),
            "name": row.maybe("name"),
            **place(row, crs, area_column="area_code"),
        }

    rows, outcomes = parsed(batch, parse, key=["id"])
    services = known_services(session, (fields["service_id"] for _, fields in rows))
    areas = known_areas(session, (fields["area_code"] for _, fields in rows if fields["area_code"]))

    def check(row: Row, fields: Mapping[str, Any]) -> None:
        if fields["service_id"] not in services:
            raise Rejected("no such service in this source: import services first", "service_id")
        note_unknown_area(row, fields["area_code"], areas, "area_code")

    return outcomes + settled(session, entities.SITES, rows, run, by, check=check)


KIND = Kind(
    name="sites",
    summary="Import the places where services are delivered",
    read=reader(REQUIRED, OPTIONAL),
    write=write,
    media_types=MEDIA_TYPES,
    options={**OPTIONS, **CRS_OPTION},
)
