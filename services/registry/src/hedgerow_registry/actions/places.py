"""Writing areas: several files may each tell a part of what is known of one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hedgerow_kit.auth import Principal
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.actions.entities import AREAS
from hedgerow_registry.actions.provenance import Provenance, authority_of
from hedgerow_registry.actions.records import (
    ACCEPTED,
    CHANGED,
    QUARANTINED,
    UNCHANGED,
    Written,
    hold,
    write,
)
from hedgerow_registry.domain import gss
from hedgerow_registry.errors import InvalidReference, SourceOfAnotherAuthority, UnknownRecord
from hedgerow_registry.store import areas
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Area


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


def keep_links(
    session: Session, named: Mapping[str, Mapping[str, set[str]]], by: Provenance
) -> Iterator[tuple[str, str]]:
    """Take away the links of areas that are not named; gives each code with what was taken away, in words.

    named: by `parent_codes` and `successor_codes` the codes that each area keeps
    """
    for piece in chunks(sorted({code for kept in named.values() for code in kept})):
        changed: dict[str, dict[str, Any]] = {}
        told: dict[str, list[str]] = {}
        for code, area in areas.whole(session, piece).items():
            for column, kept in named.items():
                gone = sorted(set(area[column]) - kept.get(code, set()))
                if gone:
                    area[column] = [other for other in area[column] if other not in gone]
                    changed[code] = area
                    what = "parent" if column == "parent_codes" else "successor"
                    told.setdefault(code, []).append(f"no longer its {what}: {', '.join(gone)}")
        for code, result in zip(changed, write(session, AREAS, changed.values(), by), strict=True):
            said = "; ".join(told[code])
            yield code, said if result.verdict == CHANGED else f"links stay: {result.reason}"


def write_links(
    session: Session,
    code: str,
    *,
    parents: Iterable[str],
    successors: Iterable[str],
    by: Principal,
    when: Callable[[Any], None],
) -> None:
    """Say which areas one lies in and which took over from it, in the place of those known.

    Raises UnknownRecord, InvalidReference for an area that is not known, SourceOfAnotherAuthority.
    """
    source = session.scalar(select(Area.source).where(Area.code == code))
    if source is None:
        raise UnknownRecord("area")
    # The record stays with its source; who may write it is decided as for imports.
    writer = Provenance(source, None, datetime.now(UTC), by)
    if not writer.may_overwrite(authority_of(session, source)):
        raise SourceOfAnotherAuthority
    hold(session, AREAS, writer)
    when(session.get_one(Area, code))
    linked = {"parent_codes": sorted(set(parents)), "successor_codes": sorted(set(successors))}
    held = areas.whole(session, [code])[code]
    others = sorted({other for listed in linked.values() for other in listed})
    # A parent that a file named may never have come: writing back what was read is no mistake.
    known = {*areas.whole(session, others), *held["parent_codes"], *held["successor_codes"]}
    for name, listed in (("parents", parents), ("successors", successors)):
        for place, other in enumerate(listed):
            if other not in known:
                raise InvalidReference(f"{name}/{place}", "no such area")
    if code in others:
        raise InvalidReference("parents or successors", "an area is not its own parent or successor")
    write(session, AREAS, [{**held, **linked}], writer)


def place_by_boundary(session: Session, points: Mapping[str, tuple[float, float]], by: Provenance) -> None:
    """Give areas without a point of their own one inside their outline; a given point stays."""
    moved = [
        {**area, "lon": points[code][0], "lat": points[code][1], "point_from": "boundary"}
        for code, area in areas.whole(session, points).items()
        if area["point_from"] != "given"
    ]
    write(session, AREAS, moved, by)
