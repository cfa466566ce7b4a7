"""`/v1/outcome-events`: breaches, statements and late KPIs, as they happened."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from hedgerow_kit import problems, refusals
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import CONFLICT, UNPROCESSABLE, Problem
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_outcomes.api.breaches import breach_view
from hedgerow_outcomes.api.kpis import today
from hedgerow_outcomes.api.statements import statement_item
from hedgerow_outcomes.domain.authorities import of_both, told_to
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.domain.totals import Tree
from hedgerow_outcomes.store import breaches, kpis, observations, payments, registry
from hedgerow_outcomes.store.areas import Areas
from hedgerow_outcomes.store.late import named
from hedgerow_outcomes.tables import feed

router = problems.router(tags=["events"])

# What an event tells of each thing it is about; None: that is no more. What is left out may not be known of.
Told = Mapping[str, dict[str, Any] | None]


class OutcomeEvent(BaseModel):
    """Something that happened, as a CloudEvent; `data` is the thing as it is now, null if it is no more.

    `data.areas`: the areas it concerns, each followed by those that it lies in. `data.authorities`: who may
    be told of it; of a statement, who pays. None: everybody; `-`: nobody but who acts for all.
    """

    specversion: str = "1.0"
    id: str
    source: str = "/outcomes"
    type: str
    subject: str
    time: datetime
    data: dict[str, Any] | None


class OutcomeEvents(BaseModel):
    """A page of events.

    `last` is the number of the newest change of all; `position` that of the last change the page speaks for,
    whether shown or left out. `mark` proves where you are in the history.
    """

    items: list[OutcomeEvent]
    next: str | None
    last: int
    position: int
    mark: str


@router.get("/v1/outcome-events", responses={409: refusals.answer(CONFLICT)})
def list_outcome_events(
    session: Reading,
    request: Request,
    principal: Annotated[Principal, require("read")],
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The last number you have")] = 0,
    types: Annotated[
        str | None, Query(max_length=500, description="Only these, comma-separated, as in `breach.opened`")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    mark: Annotated[
        str | None, Query(max_length=64, description="The `mark` that came with that number")
    ] = None,
) -> OutcomeEvents:
    """What happened after a number, oldest first, each once, in the order in which it was committed.

    Go on with `after` set to `position`, and to be sure send `mark` with it: when the app was restored from a
    backup meanwhile the answer is 409 `history-replaced`, and all has to be read again from 0. Statements are
    told to whoever may read them; what concerns others is left out.
    """
    page = feed.page(session, after=after, limit=limit, types=_types(types), marked=mark)
    areas: Areas = request.app.state.areas
    tree = areas.tree(session)
    told: dict[str, Told] = {}
    for family, tell in _FAMILIES.items():
        ids = [change.id for change in page.changes if change.type.startswith(f"{family}.")]
        told[family] = tell(session, ids, principal, tree) if ids else {}
    items = [
        OutcomeEvent(
            id=str(change.seq),
            type=f"hedgerow.{change.type}",
            subject=change.id,
            time=change.at,
            data=told[family][change.id],
        )
        for change in page.changes
        if change.id in told[family := change.type.partition(".")[0]]
    ]
    following = None if page.next is None else str(page.next)
    return OutcomeEvents(items=items, next=following, last=page.last, position=page.position, mark=page.mark)


def _types(said: str | None) -> list[str]:
    wanted = [name.strip() for name in (said or "").split(",") if name.strip()]
    if set(wanted) - set(TYPES):
        reason = f"known types: {', '.join(TYPES)}"
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "types", "reason": reason}])
    return wanted or list(TYPES)


def _breaches(session: Session, ids: Sequence[str], principal: Principal, tree: Tree) -> Told:
    held = breaches.several(session, ids)
    views = {id: breach_view(row) for id, row in held.items()}
    contracts = _authorities_of_contracts(session, [view.subject for view in views.values()])
    return dict.fromkeys(breaches.withdrawn(session, ids)) | {
        id: view.model_dump(mode="json")
        | {
            "areas": _around(tree, _places(view.subject, contracts)),
            "authorities": told_to([of_both(held[id].kpi_authority, held[id].subject_authority)]),
        }
        for id, view in views.items()
    }


def _authorities_of_contracts(session: Session, subjects: Sequence[str]) -> dict[str, str | None]:
    ids = [one.id for one in map(parse_subject, subjects) if one.kind == "contract"]
    found = registry.several(session, "contract", ids)
    return {f"contract:{id}": contract.get("authority_code") for id, contract in found.items()}


def _places(subject: str, contracts: Mapping[str, str | None]) -> list[str]:
    parsed = parse_subject(subject)
    authority = parsed.id if parsed.kind == "area" else contracts.get(subject)
    return [] if authority is None else [authority]


def _around(tree: Tree, codes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(area for code in codes for area in tree.around(code)))


def _statements(session: Session, ids: Sequence[str], principal: Principal, tree: Tree) -> Told:
    if not principal.may("money"):
        return {}
    held = payments.several(session, ids, principal.authorities)
    return {
        id: statement_item(row).model_dump(mode="json")
        | {"areas": _around(tree, payers), "authorities": payers}
        for id, (row, payers) in held.items()
    }


def _late_kpis(session: Session, ids: Sequence[str], principal: Principal, tree: Tree) -> Told:
    late = {id: named(id) for id in ids}
    rows = kpis.in_force_by_id(session, [kpi for kpi, _, _ in late.values()], today())
    # That a KPI is late tells that there are figures of it: only to those who see any.
    owners = observations.owners(session, list(rows))
    return {
        id: {
            "kpi": kpi,
            "name": rows[kpi].name,
            "frequency": rows[kpi].frequency,
            "owner": rows[kpi].owner,
            "due": due,
            "authority": authority,
            "areas": [] if authority is None else tree.around(authority),
            "authorities": told_to(
                of_both(of_kpi, authority or of_subject) for of_kpi, of_subject in owners[kpi]
            ),
        }
        for id, (kpi, authority, due) in late.items()
        if kpi in owners and principal.within(authority)
    }


_FAMILIES: Mapping[str, Callable[[Session, Sequence[str], Principal, Tree], Told]] = {
    "breach": _breaches,
    "statement": _statements,
    "kpi": _late_kpis,
}
TYPES = (
    *(f"breach.{what}" for what in ("opened", "closed", "changed", "withdrawn")),
    *(f"statement.{what}" for what in ("issued", "adjusted", "approved", "disputed", "paid", "withdrawn")),
    "kpi.late",
)
