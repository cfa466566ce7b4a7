"""Keeping what is withheld in step with the observations, so that nothing is shown before it was judged."""

from collections.abc import Iterable

from hedgerow_kit.db import Database, upsert
from sqlalchemy import delete
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import breaches
from hedgerow_outcomes.domain.disclosure import withheld
from hedgerow_outcomes.domain.totals import equations
from hedgerow_outcomes.store import disclosure as store
from hedgerow_outcomes.store.disclosure import Numbered
from hedgerow_outcomes.tables import Withheld, feed

_KEY = ("kpi", "subject", "period_start", "period_end")


def hold_back(session: Session, kpi: int, keys: Iterable[Numbered]) -> None:
    """Withhold observations that have just come, until `settle` has looked at them with all others."""
    rows = [dict(zip((*_KEY, "pending"), (kpi, *key, True), strict=True)) for key in sorted(set(keys))]
    upsert(session, Withheld, rows, key=_KEY, update=[])


def settle(session: Session, kpi: int, threshold: int, *, anew: bool = False) -> None:
    """Judge the observations of a KPI: withhold what must be, show the rest of what was held back.

    What is shown already counts as read, and protects nothing any more; with `anew`, as for a threshold that
    is set for the first time, it does not count.
    """
    before = store.held(session, kpi)
    tree = store.tree(session)
    wanted: set[Numbered] = set()
    for amounts, keys in store.counts(session, kpi):
        already = {cell for cell, key in keys.items() if before.get(key) is False}
        shown = {cell for cell, key in keys.items() if key not in before}
        found = withheld(
            amounts,
            equations(amounts, tree),
            threshold=threshold,
            already=already,
            published=() if anew else shown,
        )
        wanted |= {keys[cell] for cell in found}
    session.execute(delete(Withheld).where(Withheld.kpi == kpi, Withheld.pending.is_(True)))
    new = sorted(wanted - {key for key, is_pending in before.items() if not is_pending})
    rows = [dict(zip((*_KEY, "pending"), (kpi, *key, False), strict=True)) for key in new]
    upsert(session, Withheld, rows, key=_KEY, update=["pending"])
    feed.record(session, "disclosure", str(kpi))
    breaches.follow_judged(session, kpi, sorted({subject for subject, _, _ in [*before, *new]}))


def settle_all(session: Session, kpis: Iterable[int]) -> None:
    """`settle` for those of these KPIs that have a threshold; the others show everything."""
    thresholds = store.protected(session)
    for kpi in sorted(set(kpis)):
        if kpi in thresholds:
            settle(session, kpi, thresholds[kpi])
        else:
            release(session, kpi)


def redefine(session: Session, kpi: int) -> None:
    """Take a new definition of a KPI into account: its threshold came, changed or went."""
    threshold = store.protected(session).get(kpi)
    if threshold is None:
        release(session, kpi)
    else:
        settle(session, kpi, threshold, anew=not store.was_protected(session, kpi))


def release(session: Session, kpi: int) -> None:
    """Show everything of a KPI: its authority no longer asks for a threshold."""
    session.execute(delete(Withheld).where(Withheld.kpi == kpi))


def settle_left_over(database: Database) -> None:
    """Judge what imports that were cut off have left pending."""
    with database.writing() as session:
        settle_all(session, store.pending(session))


def settle_after_areas(session: Session) -> None:
    """Judge all KPIs with a threshold again: areas have changed, and with them what adds up to what."""
    settle_all(session, store.protected(session))
