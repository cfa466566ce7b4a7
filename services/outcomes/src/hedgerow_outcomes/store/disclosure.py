"""Reading what disclosure control rests on: thresholds, counts, the tree of areas, what is withheld."""

from collections.abc import Iterator, Sequence
from datetime import date

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.totals import Cell, Tree, apart
from hedgerow_outcomes.store.registry import PROJECTION
from hedgerow_outcomes.tables import KpiVersion, Observation, Subject, Withheld

Numbered = tuple[int, date, date]

_Counted = Row[str, int, date, date, float | None, float | None, float | None]

_AT_ONCE = 10_000


def protected(session: Session) -> dict[int, int]:
    """The thresholds of the KPIs whose last definition has one, by number."""
    last = select(KpiVersion.kpi, func.max(KpiVersion.version).label("version")).group_by(KpiVersion.kpi)
    latest = last.subquery()
    query = select(KpiVersion.kpi, KpiVersion.suppress_below).join(
        latest, (latest.c.kpi == KpiVersion.kpi) & (latest.c.version == KpiVersion.version)
    )
    return {
        kpi: threshold
        for kpi, threshold in session.execute(query.where(KpiVersion.suppress_below.is_not(None)))
        if threshold is not None
    }


def was_protected(session: Session, kpi: int) -> bool:
    """Whether a version before the last one had a threshold."""
    query = select(KpiVersion.suppress_below).where(KpiVersion.kpi == kpi).order_by(KpiVersion.version.desc())
    return any(threshold is not None for threshold in session.scalars(query).all()[1:])


def is_sum(session: Session, kpi: int) -> bool:
    """Whether the values themselves are counts that add up, by the last definition."""
    query = select(KpiVersion.aggregation).where(KpiVersion.kpi == kpi).order_by(KpiVersion.version.desc())
    return session.scalars(query.limit(1)).one() in (None, "sum", "none")


def counts(session: Session, kpi: int) -> Iterator[tuple[dict[Cell, list[float]], dict[Cell, Numbered]]]:
    """The additive counts of every observation of a KPI, and the key it is stored by.

    One stretch of time after the other (see `domain.totals.apart`), so that no more is held at once.
    Counts: the value where it is one, numerator, denominator, and what the numerator leaves of it.
    """
    adds_up = is_sum(session, kpi)
    rows = session.execute(
        select(
            Subject.text,
            Observation.subject,
            Observation.period_start,
            Observation.period_end,
            Observation.value,
            Observation.numerator,
            Observation.denominator,
        )
        .join(Subject, Subject.number == Observation.subject)
        .where(Observation.kpi == kpi)
        .order_by(Observation.period_start, Observation.period_end),
        execution_options={"yield_per": _AT_ONCE},
    )
    for stretch in apart(rows, lambda row: Period(row.period_start, row.period_end)):
        yield _amounts(stretch, adds_up=adds_up)


def _amounts(
    rows: Sequence[_Counted], *, adds_up: bool
) -> tuple[dict[Cell, list[float]], dict[Cell, Numbered]]:
    amounts: dict[Cell, list[float]] = {}
    keys: dict[Cell, Numbered] = {}
    for text, subject, start, end, value, numerator, denominator in rows:
        cell = Cell(text, Period(start, end))
        keys[cell] = (subject, start, end)
        rest = 0.0 if numerator is None or denominator is None else denominator - numerator
        amounts[cell] = [
            (value or 0.0) if adds_up and numerator is None else 0.0,
            numerator or 0.0,
            denominator or 0.0,
            rest,
        ]
    return amounts, keys


def held(session: Session, kpi: int) -> dict[Numbered, bool]:
    """What is withheld of a KPI, and whether it is pending."""
    query = select(Withheld.subject, Withheld.period_start, Withheld.period_end, Withheld.pending).where(
        Withheld.kpi == kpi
    )
    return {(subject, start, end): pending for subject, start, end, pending in session.execute(query)}


def pending(session: Session) -> list[int]:
    """The KPIs with observations that nobody has judged yet."""
    return sorted(session.scalars(select(Withheld.kpi).where(Withheld.pending.is_(True)).distinct()))


def tree(session: Session) -> Tree:
    """The areas of the registry as last heard."""
    parents: dict[str, list[str]] = {}
    levels: dict[str, str] = {}
    for _, _, data in PROJECTION.records(session, kinds=("area",)):
        if data is not None:
            parents[data["code"]] = list(data.get("parents") or ())
            levels[data["code"]] = str(data.get("level") or "")
    return Tree(parents, levels)
