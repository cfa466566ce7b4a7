"""Reading observations, as they are known now or as they were known at a moment.

A row has `kpi_id`, `subject_text`, `known_from` and what was said of the period.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from hedgerow_kit import paging
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.rows import SUPPRESSED
from hedgerow_outcomes.store import learnings
from hedgerow_outcomes.tables import Kpi, Learning, Observation, Subject, Superseded, Withheld

_PERIOD = ("period_start", "period_end")
_KEY = ("kpi", "subject", *_PERIOD)
_FIGURES = ("value", "numerator", "denominator", "lower", "upper")
_SAID = (*_KEY, "value", "numerator", "denominator", "lower", "upper", "status", "learning")

Rows = Sequence[Row[Any]]

# Far below what a statement may carry.
_SUBJECTS_AT_ONCE = 5_000


class Asked(NamedTuple):
    """What is asked about, in the numbers of the tables; None: all of them.

    start_from, start_to: periods that touch the days between them.
    """

    kpi: int | None = None
    subjects: Sequence[int] | None = None
    start_from: date | None = None
    start_to: date | None = None


def numbers_of_subjects(session: Session, texts: Sequence[str]) -> list[int]:
    """The numbers of those of these subjects that we know anything about."""
    return sorted(session.scalars(select(Subject.number).where(Subject.text.in_(texts))))


def page(
    session: Session, asked: Asked, as_of: datetime | None, *, after: str | None, limit: int
) -> tuple[Rows, str | None]:
    """Observations in the order of their keys."""
    known = _known(session, as_of)
    key = [known.c[name] for name in _KEY]
    return paging.keyset(session, _flat(known, asked), key, after=after, limit=limit)


def page_of_series(
    session: Session, asked: Asked, as_of: datetime | None, *, after: str | None, limit: int
) -> tuple[Rows, str | None]:
    """Observations of one KPI and one subject in the order of time."""
    known = _known(session, as_of)
    key = [known.c[name] for name in _PERIOD]
    return paging.keyset(session, _flat(known, asked), key, after=after, limit=limit)


def page_of_pairs(
    session: Session, asked: Asked, as_of: datetime | None, *, after: str | None, limit: int
) -> tuple[dict[tuple[str, str], list[Row[Any]]], str | None]:
    """Observations by the id of their KPI and their subject: a page of such pairs, each in order of time."""
    known = _known(session, as_of)
    pair = [known.c.kpi, known.c.subject]
    found, marker = paging.keyset(
        session, _only(select(*pair).distinct(), known, asked), pair, after=after, limit=limit
    )
    if not found:
        return {}, None
    query = _flat(known, Asked()).where(tuple_(*pair).in_([(row[0], row[1]) for row in found]))
    pairs: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in session.execute(query.order_by(*pair, known.c.period_end, known.c.period_start)):
        pairs.setdefault((row.kpi_id, row.subject_text), []).append(row)
    return pairs, marker


def owners(session: Session, kpis: Sequence[str]) -> dict[str, set[tuple[str | None, str | None]]]:
    """Whose each of these KPIs is that has a value, with whose the subjects are that it has values of."""
    query = (
        select(Kpi.id, Kpi.authority_code, Subject.authority_code)
        .select_from(Observation)
        .join(Kpi, Kpi.number == Observation.kpi)
        .join(Subject, Subject.number == Observation.subject)
        .where(Kpi.id.in_(kpis), Observation.value.is_not(None))
        .distinct()
    )
    found: dict[str, set[tuple[str | None, str | None]]] = {}
    for id, of_kpi, of_subject in session.execute(query):
        found.setdefault(id, set()).add((of_kpi, of_subject))
    return found


def series(session: Session, asked: Asked, as_of: datetime | None, *, unmasked: bool = False) -> Rows:
    """All observations asked for in the order of time; for one KPI and one subject.

    unmasked: with the values that are withheld from readers, for what is paid by them.
    """
    known = _known(session, as_of, unmasked=unmasked)
    return session.execute(_flat(known, asked).order_by(*(known.c[name] for name in _PERIOD))).all()


def of_period(
    session: Session, asked: Asked, period: tuple[date, date], as_of: datetime | None, *, prefix: str | None
) -> Rows:
    """Observations of just this period, of subjects that begin with a prefix."""
    known = _known(session, as_of)
    query = _flat(known, asked).where(known.c.period_start == period[0], known.c.period_end == period[1])
    if prefix is not None:
        # Compared as text: LIKE disregards case on SQLite.
        query = query.where(func.substr(Subject.text, 1, len(prefix)) == prefix)
    return session.execute(query).all()


def is_withheld(table: Any) -> ColumnElement[bool]:
    """Whether an observation, current or superseded, is withheld: once it is, also as it was known before."""
    return and_(*(getattr(Withheld, name) == getattr(table, name) for name in _KEY))


def of_subjects(
    session: Session,
    kpi: int,
    texts: Sequence[str] | None,
    period: tuple[date, date],
    as_of: datetime | None,
    *,
    prefix: str | None = None,
) -> list[Row[Any]]:
    """Observations of a KPI of just this period, of any number of subjects; None: of all."""
    if texts is None:
        return list(of_period(session, Asked(kpi), period, as_of, prefix=prefix))
    found: list[Row[Any]] = []
    wanted = list(dict.fromkeys(texts))
    for start in range(0, len(wanted), _SUBJECTS_AT_ONCE):
        numbers = numbers_of_subjects(session, wanted[start : start + _SUBJECTS_AT_ONCE])
        if numbers:
            found += of_period(session, Asked(kpi, numbers), period, as_of, prefix=prefix)
    return found


def _known(session: Session, as_of: datetime | None, *, unmasked: bool = False) -> Subquery:
    current = _masked(Observation, unmasked=unmasked)
    if as_of is None:
        return current.subquery("known")
    last = learnings.last_at(session, as_of)
    since_superseded = _masked(Superseded, unmasked=unmasked).where(
        Superseded.learning <= last, Superseded.superseded_by > last
    )
    return union_all(current.where(Observation.learning <= last), since_superseded).subquery("known")


def _masked(table: Any, *, unmasked: bool) -> Select[Any]:
    """The columns of observations; a value that is withheld is empty, and its status says so."""
    if unmasked:
        said: list[Any] = [getattr(table, name) for name in _SAID]
        return select(*said, literal(False).label("withheld"))
    shown = Withheld.kpi.is_(None)
    columns = [
        case((shown, getattr(table, name))).label(name) if name in _FIGURES else getattr(table, name)
        for name in _SAID
        if name != "status"
    ]
    status = case((shown, table.status), else_=SUPPRESSED).label("status")
    query = select(*columns, status, Withheld.kpi.is_not(None).label("withheld"))
    return query.outerjoin_from(table, Withheld, is_withheld(table))


def _flat(known: Subquery, asked: Asked) -> Select[Any]:
    query = (
        select(
            Kpi.id.label("kpi_id"),
            Subject.text.label("subject_text"),
            *(known.c[name] for name in (*_SAID[2:-1], "withheld")),
            Learning.at.label("known_from"),
        )
        .join(Kpi, Kpi.number == known.c.kpi)
        .join(Subject, Subject.number == known.c.subject)
        .join(Learning, Learning.number == known.c.learning)
    )
    return _only(query, known, asked)


def _only(query: Select[Any], known: Subquery, asked: Asked) -> Select[Any]:
    if asked.kpi is not None:
        query = query.where(known.c.kpi == asked.kpi)
    elif asked.subjects is not None:
        # The key begins with the KPI: naming them all lets a subject be found through it.
        query = query.where(known.c.kpi.in_(select(Kpi.number)))
    if asked.subjects is not None:
        query = query.where(known.c.subject.in_(asked.subjects))
    if asked.start_from is not None:
        query = query.where(known.c.period_end >= asked.start_from)
    if asked.start_to is not None:
        query = query.where(known.c.period_start <= asked.start_to)
    return query
