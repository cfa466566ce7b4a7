"""Writing areas: several files may each tell a part of what is known of one."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from hedgerow_registry.actions.entities import AREAS
from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.actions.records import ACCEPTED, CHANGED, QUARANTINED, UNCHANGED, Written, write
from hedgerow_registry.domain import gss
from hedgerow_registry.store import areas


class AreaRow(NamedTuple):
    """What one row says of an area; what is `None` or empty, it does not say."""

    code: str
    name: str | None
    level: str | None
    vintage: int
    lon: float | None
    lat: float | None
    parent_codes: tuple[str, ...]
    successor_codes: tuple[str, ...]


def write_areas(session: Session, rows: Iterable[AreaRow], by: Provenance) -> list[Written]:
    """Add what rows say to what is known of their areas; gives what became of each row.

    Parents and successors are added, never taken away. Name, level and point are those of the newest boundary
    year: a row of an older year than the one held changes none of them, and says so.
    """
    told = list(rows)
    held = areas.whole(session, (row.code for row in told))
    now: dict[str, dict[str, Any]] = dict(held)
    results: list[Written] = []
    for row in told:
        before = now.get(row.code)
        if before is None and row.name is None:
            results.append(Written(QUARANTINED, "must not be empty for an area not known yet", "name"))
            continue
        after = _told(before, row)
        note = None
        if before is not None and row.vintage < before["vintage"]:
            note = f"older than the boundary year held ({before['vintage']}): only its links are taken in"
        verdict = UNCHANGED if before == after else ACCEPTED if before is None else CHANGED
        now[row.code] = after
        results.append(Written(verdict, note, "vintage" if note else None))
    changed = [area for code, area in now.items() if area != held.get(code)]
    refused = {
        area["code"]: result
        for area, result in zip(changed, write(session, AREAS, changed, by), strict=True)
        if result.verdict == QUARANTINED
    }
    return [
        refused.get(row.code, result) if result.verdict in (ACCEPTED, CHANGED) else result
        for row, result in zip(told, results, strict=True)
    ]


def _told(before: Mapping[str, Any] | None, row: AreaRow) -> dict[str, Any]:
    if before is None:
        return {
            "code": row.code,
            "name": row.name,
            "level": row.level or gss.level("", row.code),
            "vintage": row.vintage,
            "lon": row.lon,
            "lat": row.lat,
            "point_from": "given" if row.lon is not None else None,
            "parent_codes": sorted(set(row.parent_codes)),
            "successor_codes": sorted(set(row.successor_codes)),
        }
    after = {
        **before,
        "parent_codes": sorted({*before["parent_codes"], *row.parent_codes}),
        "successor_codes": sorted({*before["successor_codes"], *row.successor_codes}),
    }
    if row.vintage >= before["vintage"]:
        after |= {
            "name": row.name or before["name"],
            "level": row.level or before["level"],
            "vintage": row.vintage,
        }
        if row.lon is not None:
            after |= {"lon": row.lon, "lat": row.lat, "point_from": "given"}
    return after


def place_by_boundary(session: Session, points: Mapping[str, tuple[float, float]], by: Provenance) -> None:
    """Give areas without a point of their own one inside their outline; a given point stays."""
    moved = [
        {**area, "lon": points[code][0], "lat": points[code][1], "point_from": "boundary"}
        for code, area in areas.whole(session, points).items()
        if area["point_from"] != "given"
    ]
    write(session, AREAS, moved, by)
