"""Saying why a contract owes no KPIs, and how it has done on those it has."""

from collections.abc import Callable
from datetime import UTC, datetime

from hedgerow_kit.auth import Principal
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.errors import NoSuchContract, NoSuchKpi, NotYourContract
from hedgerow_outcomes.store import assessments, kpis
from hedgerow_outcomes.tables import Assessment, Exemption, feed


def exempt(
    session: Session,
    contract_id: str,
    exemption: str | None,
    reason: str,
    *,
    by: Principal,
    when: Callable[[Exemption | None], None],
) -> None:
    """Say why a contract owes no KPIs; None takes it back. Raises NoSuchContract, NotYourContract.

    when: refuses, by raising, what is not to be written over what is there
    """
    _own(session, contract_id, by)
    held = session.get(Exemption, contract_id, with_for_update=True)
    when(held)
    if exemption is None:
        if held is not None:
            session.delete(held)
    else:
        session.merge(
            Exemption(
                contract_id=contract_id,
                exemption=exemption,
                reason=reason,
                said_at=datetime.now(UTC),
                said_by=by.subject,
            )
        )
    feed.record(session, "assessment", contract_id)
    session.flush()


def assess(
    session: Session,
    contract_id: str,
    kpi: str,
    period: Period,
    *,
    rating: str,
    reason: str | None,
    by: Principal,
) -> bool:
    """Rate a KPI of a contract for a period, or correct the rating; tells whether it is new.

    Raises NoSuchContract, NotYourContract, NoSuchKpi.
    """
    _own(session, contract_id, by)
    if kpis.number(session, kpi) is None:
        raise NoSuchKpi
    key = (contract_id, kpi, period.start, period.end)
    is_new = session.get(Assessment, key) is None
    session.merge(
        Assessment(
            contract_id=contract_id,
            kpi=kpi,
            period_start=period.start,
            period_end=period.end,
            rating=rating,
            reason=reason,
            said_at=datetime.now(UTC),
            said_by=by.subject,
        )
    )
    feed.record(session, "assessment", contract_id)
    session.flush()
    return is_new


def _own(session: Session, contract_id: str, by: Principal) -> None:
    found = assessments.judged_contract(session, contract_id, by)
    if found is None:
        raise NoSuchContract
    if not assessments.is_own(found, by):
        raise NotYourContract
