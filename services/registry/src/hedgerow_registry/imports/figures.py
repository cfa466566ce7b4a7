"""The kinds `residents`, `indices` and `demand`: figures of areas."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.actions.records import Entity
from hedgerow_registry.domain import gss, residents, words
from hedgerow_registry.imports.needs import known_need_ids
from hedgerow_registry.imports.rows import (
    MEDIA_TYPES,
    OPTIONS,
    Rejected,
    Row,
    parsed,
    provenance,
    reader,
    settled,
)
from hedgerow_registry.store.directory import known_areas
from hedgerow_registry.tables import OPEN_AGE

RESIDENTS_COLUMNS = ("area_code", "period", "age_from", "age_to", "sex", "count")
INDICES_COLUMNS = ("index", "area_code", "period", "value")
DEMAND_COLUMNS = ("need", "area_code", "period", "count")
_LONGEST_INDEX = 150


def _resident(row: Row) -> dict[str, Any]:
    age_from = row.read_maybe("age_from", _age) or 0
    age_to = row.read_maybe("age_to", _age)
    if age_to is not None and age_to < age_from:
        raise Rejected("the upper age is below the lower", "age_to")
    return {
        "area_code": row.read("area_code", gss.area_code),
        "period": row.read("period", words.period),
        "sex": row.checked("sex", residents.sex, row.text("sex")),
        "age_from": age_from,
        "age_to": OPEN_AGE if age_to is None else age_to,
        "people": row.read("count", _count),
    }


def _age(text: str) -> int:
    return words.whole(text, least=0, most=residents.OLDEST)


def _count(text: str) -> float:
    return words.number(text, least=0)


def _index(row: Row) -> dict[str, Any]:
    name = row.needed("index")
    if len(name) > _LONGEST_INDEX or "/" in name or not name.isprintable():
        raise Rejected(
            f"an index has a name of at most {_LONGEST_INDEX} characters, without a slash", "index"
        )
    return {
        "index_name": name,
        "area_code": row.read("area_code", gss.area_code),
        "period": row.read("period", words.period),
        "value": row.read("value", words.number),
    }


def _demand(row: Row) -> dict[str, Any]:
    people, weight = row.read_maybe("count", _count), row.read_maybe("weight", _count)
    if people is None and weight is None:
        raise Rejected("a count or a weight is needed", "count")
    return {
        "need_id": row.needed("need"),
        "area_code": row.read("area_code", gss.area_code),
        "period": row.read("period", words.period),
        "people": people,
        "weight": weight,
        "origin": row.maybe("source"),
    }


def _writer(
    entity: Entity, parse: Callable[[Row], dict[str, Any]], key: Sequence[str]
) -> Callable[[Session, Sequence[Record], Run], Iterable[Outcome]]:
    def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
        by = provenance(session, run)
        rows, outcomes = parsed(batch, parse, key=key)
        areas = known_areas(session, (fields["area_code"] for _, fields in rows))
        said = (fields["need_id"] for _, fields in rows if "need_id" in fields)
        needs = known_need_ids(session, said, by.source)

        def check(row: Row, fields: dict[str, Any]) -> None:
            if fields["area_code"] not in areas:
                raise Rejected("no such area: import areas first", "area_code")
            if "need_id" in fields:
                fields["need_id"] = needs.one(fields["need_id"], "need")

        return outcomes + settled(session, entity, rows, run, by, check=check)

    return write


RESIDENTS = Kind(
    name="residents",
    summary="Import residents of areas by age band and sex",
    read=reader(RESIDENTS_COLUMNS),
    write=_writer(entities.RESIDENTS, _resident, ["area_code", "period", "sex", "age_from", "age_to"]),
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
INDICES = Kind(
    name="indices",
    summary="Import the values of named indices (deprivation and the like) for areas",
    read=reader(INDICES_COLUMNS),
    write=_writer(entities.INDICES, _index, ["index", "area_code", "period"]),
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
DEMAND = Kind(
    name="demand",
    summary="Import how many people of areas have a need",
    read=reader(DEMAND_COLUMNS, ("weight", "source")),
    write=_writer(entities.DEMAND, _demand, ["need", "area_code", "period"]),
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
