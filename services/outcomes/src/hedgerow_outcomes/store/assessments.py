"""Reading contracts as the registry tells of them, and what was said of their performance."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from hedgerow_kit import paging
from hedgerow_kit.auth import Principal
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.authorities import of_contract
from hedgerow_outcomes.domain.procurement import Agreement, Party
from hedgerow_outcomes.store import kpis, registry
from hedgerow_outcomes.tables import Assessment, Exemption, Record

CONTRACT = "contract"


def contract(session: Session, id: str, principal: Principal) -> dict[str, Any] | None:
    """A contract that a principal may see: one that is published, or of an authority it acts for."""
    found = registry.one(session, CONTRACT, id)
    return found if found is not None and _is_seen(found, principal) else None


def judged_contract(session: Session, id: str, principal: Principal) -> dict[str, Any] | None:
    """A contract of whose performance a principal may know: see `_is_judged`."""
    found = registry.one(session, CONTRACT, id)
    return found if found is not None and _is_judged(found, principal) else None


def judged_page(
    session: Session, principal: Principal, *, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Such contracts in the order of their ids. A page may hold fewer than asked for, and not be the last."""
    query = select(Record.id, Record.data).where(Record.kind == CONTRACT, Record.deleted.is_(False))
    rows, marker = paging.keyset(session, query, [Record.id], after=after, limit=limit)
    return [row.data for row in rows if _is_judged(row.data, principal)], marker


def _is_judged(data: Mapping[str, Any], principal: Principal) -> bool:
    """Whether the figures of a contract are within reach: to anybody else it would seem to have none."""
    return principal.within(of_contract(data))


def _is_seen(data: Mapping[str, Any], principal: Principal) -> bool:
    return bool(data.get("published")) or is_own(data, principal)


def is_own(data: Mapping[str, Any], principal: Principal) -> bool:
    """Whether a principal acts for the authority of a contract; one of none is the administrator's."""
    authority = data.get("authority_code")
    return principal.within(authority if authority is not None else "")


def value_gbp(data: Mapping[str, Any], principal: Principal) -> float | None:
    """What a contract costs, for those who may see money and act for its authority."""
    value: float | None = data.get("value_gbp")
    return value if principal.may("money") and is_own(data, principal) else None


def agreement(session: Session, data: Mapping[str, Any], principal: Principal) -> Agreement:
    """What the Act asks of a contract; its value only for those who may see what it costs."""
    held = session.get(Exemption, data["id"])
    return Agreement(
        value_gbp=value_gbp(data, principal),
        start=_day(data.get("start")),
        end=_day(data.get("end")),
        terminated_on=_day(data.get("end")) if data.get("status") == "terminated" else None,
        exemption=None if held is None else held.exemption,
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def kpis_of(session: Session, on: date) -> dict[str, list[str]]:
    """The KPIs that each contract answers for, by the definitions in force on a day."""
    found: dict[str, list[str]] = {}
    for id, (_, answered_by) in sorted(kpis.links(session, on).items()):
        for subject in answered_by:
            kind, _, contract_id = subject.partition(":")
            if kind == CONTRACT:
                found.setdefault(contract_id, []).append(id)
    return found


def parties(session: Session, ids: Sequence[str]) -> list[Party]:
    """Organisations by their ids, in this order; one that is not held has its id for a name."""
    held = registry.several(session, "organisation", list(ids))
    return [
        Party(id, held.get(id, {}).get("name") or id, held.get(id, {}).get("identifiers") or ()) for id in ids
    ]


def assessed_to(session: Session, contract_ids: Sequence[str]) -> dict[str, date]:
    """The last day that the assessments of each contract cover."""
    rows = session.execute(
        select(Assessment.contract_id, Assessment.period_end).where(Assessment.contract_id.in_(contract_ids))
    )
    found: dict[str, date] = {}
    for id, end in rows:
        found[id] = max(end, found.get(id, end))
    return found


def ratings(session: Session, contract_id: str, start: date, end: date) -> dict[str, Assessment]:
    """The ratings given to a contract's KPIs for a period, by KPI."""
    query = select(Assessment).where(
        Assessment.contract_id == contract_id,
        Assessment.period_start == start,
        Assessment.period_end == end,
    )
    return {row.kpi: row for row in session.scalars(query)}


def page(
    session: Session, contract_id: str, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    query = select(Assessment).where(Assessment.contract_id == contract_id)
    key = [Assessment.period_start, Assessment.period_end, Assessment.kpi]
    return paging.keyset(session, query, key, after=after, limit=limit)


def exemption(session: Session, contract_id: str) -> Exemption | None:
    return session.get(Exemption, contract_id)
