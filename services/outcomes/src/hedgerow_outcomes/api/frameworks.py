"""`/v1/kpis/{id}/behind`: every KPI, contract, service and pound behind an outcome."""

from typing import Annotated, Any

from fastapi import Query
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_outcomes.api.kpis import kpi_number, today
from hedgerow_outcomes.api.money import Pounds, pounds
from hedgerow_outcomes.domain.frameworks import Behind, Linked, behind
from hedgerow_outcomes.store import assessments, kpis, payments, registry

router = problems.router(tags=["kpis"])


class KpiBehind(BaseModel):
    """A KPI that works towards the outcome, `steps` links away; `leads_to` are the links."""

    kpi: str
    name: str
    level: str | None
    steps: int
    leads_to: list[str]
    answered_by: list[str]


class ContractBehind(BaseModel):
    """A contract that answers for one of these KPIs, or is paid by them. Pounds are null if not yours."""

    contract: str
    title: str | None
    supplier_ids: list[str]
    service_ids: list[str]
    value_gbp: float | None
    paid_gbp: Pounds | None
    kpis: list[str]


class BehindComputed(BaseModel):
    at: str
    registry_seq: int
    caveats: list[str]


class BehindView(BaseModel):
    """What lies behind an outcome. `value_gbp` and `paid_gbp` are sums over the contracts that have one."""

    kpi: str
    kpis: list[KpiBehind]
    contracts: list[ContractBehind]
    services: list[str]
    networks: list[str]
    organisations: list[str]
    value_gbp: float | None
    paid_gbp: Pounds | None
    computed: BehindComputed


@router.get("/v1/kpis/{id}/behind")
def read_behind(
    id: str,
    session: Reading,
    principal: Annotated[Principal, require("read")],
    steps: Annotated[int | None, Query(ge=0, le=50, description="No more than so many links away")] = None,
) -> BehindView:
    """From an outcome, every KPI that works towards it, and every contract, service and pound behind these.

    Links are what the definitions in force say in `leads_to` and `answered_by`; a payment rule that counts
    one of the KPIs brings its contract and what was paid under it.
    """
    kpi_number(session, id)
    links = kpis.links(session, today())
    found = behind(id, {kpi: Linked(*said) for kpi, said in links.items()})
    if steps is not None:
        found = [one for one in found if one.steps <= steps]
    rows = kpis.in_force_by_id(session, [one.kpi for one in found], today())
    answering = {one.kpi: links[one.kpi][1] for one in found if one.kpi in links}
    contracts = _contracts(session, principal, answering)
    sees_money = principal.may("money")
    return BehindView(
        kpi=id,
        kpis=[_kpi(one, rows[one.kpi], answering.get(one.kpi, [])) for one in found if one.kpi in rows],
        contracts=contracts,
        services=sorted(
            {*_named(answering, "service"), *(id for one in contracts for id in one.service_ids)}
        ),
        networks=_named(answering, "network"),
        organisations=_named(answering, "organisation"),
        value_gbp=sum(one.value_gbp or 0 for one in contracts) if sees_money else None,
        paid_gbp=round(sum(one.paid_gbp or 0 for one in contracts), 2) if sees_money else None,
        computed=BehindComputed(
            at=today().isoformat(),
            registry_seq=registry.position(session),
            caveats=_caveats(contracts, sees_money),
        ),
    )


def _kpi(one: Behind, row: Any, answered_by: list[str]) -> KpiBehind:
    return KpiBehind(
        kpi=one.kpi,
        name=row.name,
        level=row.level,
        steps=one.steps,
        leads_to=list(one.leads_to),
        answered_by=answered_by,
    )


def _named(answering: dict[str, list[str]], kind: str) -> list[str]:
    subjects = {subject for said in answering.values() for subject in said}
    return sorted(s.partition(":")[2] for s in subjects if s.startswith(f"{kind}:"))


def _contracts(
    session: Session, principal: Principal, answering: dict[str, list[str]]
) -> list[ContractBehind]:
    by_contract: dict[str, set[str]] = {}
    for kpi, subjects in answering.items():
        for subject in subjects:
            if subject.startswith("contract:"):
                by_contract.setdefault(subject.partition(":")[2], set()).add(kpi)
    paid = payments.paid_for(session, principal.authorities, set(answering)) if principal.may("money") else {}
    for contract, (counted, _) in paid.items():
        by_contract.setdefault(contract, set()).update(counted)
    items = []
    for contract, counted in sorted(by_contract.items()):
        data = assessments.contract(session, contract, principal) or {}
        items.append(
            ContractBehind(
                contract=contract,
                title=data.get("title"),
                supplier_ids=data.get("supplier_ids") or [],
                service_ids=data.get("service_ids") or [],
                value_gbp=assessments.value_gbp(data, principal),
                paid_gbp=pounds(paid[contract][1]) if contract in paid else None,
                kpis=sorted(counted),
            )
        )
    return items


def _caveats(contracts: list[ContractBehind], sees_money: bool) -> list[str]:
    if not sees_money:
        return ["Without the permission for money no pounds are shown."]
    unknown = sum(one.value_gbp is None for one in contracts)
    said = f"{unknown} of {len(contracts)} contracts have no value in pounds that is known and yours to see."
    return [said] if unknown else []
