"""The kind `boundaries`: outlines of areas as GeoJSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import ijson
from hedgerow_kit.bulk import GEOJSON, JSON, NDJSON, Kind, Run
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, Record, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions.entities import BOUNDARIES
from hedgerow_registry.actions.places import place_by_boundary
from hedgerow_registry.actions.records import ACCEPTED, CHANGED
from hedgerow_registry.domain import geometry, gss
from hedgerow_registry.errors import Malformed
from hedgerow_registry.imports.rows import (
    CRS_OPTION,
    OPTIONS,
    Rejected,
    Row,
    crs_of,
    parsed,
    provenance,
    settled,
    source_of,
    taken,
)
from hedgerow_registry.store.directory import known_areas

# Outlines are long: a batch of the usual size would hold hundreds of megabytes.
_BATCH = 200


def read(upload: Upload, run: Run) -> Iterator[Batch]:
    source_of(run)
    run.kept["crs"] = crs_of(run)
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path, batch=_BATCH)
    batches = json_records(upload.path, under=("features",), batch=_BATCH)
    kind, declared = _document(upload)
    if kind not in ("FeatureCollection", "Feature"):
        raise Problem(UNPROCESSABLE, "The file is not a GeoJSON FeatureCollection. Nothing was taken in.")
    if declared is not None:
        if "crs" in run.options and declared != run.kept["crs"]:
            raise Problem(UNPROCESSABLE, "The file declares another coordinate system than `crs` names.")
        run.kept["crs"] = declared
    return batches


def _document(upload: Upload) -> tuple[str | None, str | None]:
    """The type of the GeoJSON object and the coordinate system it declares (a member before RFC 7946)."""
    kind = declared = None
    with upload.path.open("rb") as file:
        for prefix, event, value in ijson.parse(file, use_float=True):
            if prefix == "type" and event == "string":
                kind = value
            elif prefix == "crs.properties.name" and event == "string":
                declared = value
    try:
        return kind, None if declared is None else geometry.coordinate_system(declared)
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"pointer": "/crs", "reason": error.reason}]) from None


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    name = run.option("code_property", "code")
    crs = run.kept["crs"]

    def parse(row: Row) -> dict[str, Any]:
        properties = row.record.fields.get("properties")
        code = properties.get(name) if isinstance(properties, Mapping) else None
        if not isinstance(code, str) or not code.strip():
            raise Rejected("the feature has no code in this property", name)
        row.key = code.strip()[:200]
        code = row.checked(name, gss.area_code, code)
        outline, note = row.checked("geometry", geometry.outline, row.record.fields.get("geometry"), crs=crs)
        if note is not None:
            row.note(note, "geometry")
        return {"area_code": code, "geometry": outline}

    rows, outcomes = parsed(batch, parse, key=[])
    known = known_areas(session, (fields["area_code"] for _, fields in rows))

    def check(_: Row, fields: Mapping[str, Any]) -> None:
        if fields["area_code"] not in known:
            raise Rejected("no such area: import areas first", name)

    written = settled(session, BOUNDARIES, rows, run, by, check=check)
    points = {
        fields["area_code"]: geometry.representative_point(fields["geometry"])
        for _, fields, outcome in taken(rows, written)
        if outcome.verdict in (ACCEPTED, CHANGED)
    }
    place_by_boundary(session, points, by)
    return outcomes + written


KIND = Kind(
    name="boundaries",
    summary="Import outlines of areas: GeoJSON features whose property `code` is the area's code",
    read=read,
    write=write,
    media_types=(GEOJSON, JSON, NDJSON),
    options={
        **OPTIONS,
        "code_property": "The property of a feature that holds the area's code (default: `code`)",
        "crs": CRS_OPTION["crs"] + "; a `crs` member of the file says it too",
    },
)
