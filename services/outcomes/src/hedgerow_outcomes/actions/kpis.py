"""Defining KPIs: every different definition of a KPI is a version of it, and none is forgotten."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from typing import NamedTuple

from hedgerow_kit.auth import Principal
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import breaches, disclosure
from hedgerow_outcomes.domain.definitions import Definition
from hedgerow_outcomes.store import learnings, numbers
from hedgerow_outcomes.tables import Kpi, KpiVersion, feed

_TAKEN = "another source has defined this KPI"
_FIELDS = tuple(field.name for field in fields(Definition))


class Defined(NamedTuple):
    """A verdict on a definition, and a note or a reason for its receipt."""

    verdict: str
    note: str | None = None


def define(
    session: Session,
    id: str,
    definition: Definition,
    *,
    valid_from: date | None,
    source: str,
    by: Principal,
    today: date,
) -> Defined:
    """Define a KPI, or give it a new version where the definition differs from its last one.

    valid_from: the day from which the definition holds; by default today, and for a first version always. A
    definition with a day that is on record for that day is unchanged.
    """
    note = f"not said: {', '.join(definition.lacks)}" if definition.lacks else None
    kpi = session.scalar(select(Kpi).where(Kpi.id == id))
    if kpi is None:
        learnings.lock(session)
        number = numbers.next_kpi(session)
        session.add(Kpi(number=number, id=id, source=source, authority_code=by.stamp))
        session.flush()
        _add_version(session, number, 1, definition, valid_from)
        feed.record(session, "kpi", id)
        return Defined("accepted", note)
    versions = session.scalars(
        select(KpiVersion).where(KpiVersion.kpi == kpi.number).order_by(KpiVersion.version.desc())
    ).all()
    if not by.owns(kpi.authority_code):
        return Defined("quarantined", _TAKEN)
    if kpi.source != source:
        if not _says(versions[0], Definition(name=id)):
            return Defined("quarantined", _TAKEN)
        # Made from nothing but its id, by an import of observations: whoever knows what it means may say so.
        kpi.source = source
    if _says(versions[0], definition) and valid_from in (None, versions[0].valid_from):
        return Defined("unchanged", note)
    if valid_from is not None:
        of_that_day = next((version for version in versions if version.valid_from == valid_from), None)
        if of_that_day is not None and _says(of_that_day, definition):
            return Defined("unchanged", note)
    _add_version(session, kpi.number, versions[0].version + 1, definition, valid_from or today)
    feed.record(session, "kpi", id)
    disclosure.redefine(session, kpi.number)
    breaches.follow_kpi(session, kpi.number)
    return Defined("changed", note)


def define_minimally(session: Session, ids: Sequence[str], *, source: str, by: Principal) -> dict[str, int]:
    """Define KPIs of which only the id is known; their numbers. Only for who holds the writer's lock."""
    if not ids:
        return {}
    made = dict(zip(ids, range(first := numbers.next_kpi(session), first + len(ids)), strict=True))
    rows = [
        {"number": number, "id": id, "source": source, "authority_code": by.stamp}
        for id, number in made.items()
    ]
    session.execute(insert(Kpi), rows)
    for id, number in made.items():
        _add_version(session, number, 1, Definition(name=id), None)
        feed.record(session, "kpi", id)
    return made


def _add_version(
    session: Session, number: int, version: int, definition: Definition, valid_from: date | None
) -> None:
    said = _columns(definition)
    session.add(
        KpiVersion(kpi=number, version=version, valid_from=valid_from, defined_at=datetime.now(UTC), **said)
    )
    session.flush()


def _says(version: KpiVersion, definition: Definition) -> bool:
    said = _columns(definition)
    return all(getattr(version, name) == said[name] for name in _FIELDS)


def _columns(definition: Definition) -> dict[str, object]:
    """A definition as its columns keep it: lists where it has tuples."""
    said = asdict(definition)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
