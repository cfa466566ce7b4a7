"""`/v1/spend`: what authorities paid, to whom, and how much of it stayed where it was raised."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_registry.actions import spend as actions
from hedgerow_registry.api.merges import Reason
from hedgerow_registry.api.wire import Body, StandingId, Text, name_start
from hedgerow_registry.domain import spend as domain
from hedgerow_registry.domain.gss import LEVELS
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.domain.spend import REDACTED, UNKNOWN, Sum
from hedgerow_registry.errors import Malformed, UnknownRecord
from hedgerow_registry.store import directory, matching, merges, spend
from hedgerow_registry.store.spend import Asked

router = problems.router(tags=["spend"])

By = Literal["sector", "size", "place", "ultimate_place", "category", "supplier"]
State = Literal["matched", "candidate", "unmatched", "redacted"]
Pounds = Annotated[float, Field(description="Pounds, exact to the penny")]
Buyer = Annotated[
    str | None,
    Query(max_length=64, description="Its code, as the lines name it: `E08000009`, `GB-LAE:TRF`"),
]
Since = Annotated[date | None, Query(alias="from", description="Paid on this day or later")]
Until = Annotated[date | None, Query(alias="to", description="Paid on this day or earlier")]
OfSource = Annotated[str | None, Query(max_length=LONGEST_SOURCE, description="Only lines of this source")]


def pounds(pence: int) -> float:
    """Pence as pounds: the double nearest to the decimal, which reads back as it to the penny."""
    return pence / 100


class SumItem(BaseModel):
    """Money and lines that belong together; negative ones are corrections and refunds, and are in it."""

    amount_gbp: Pounds
    lines: int
    negative_gbp: Pounds
    negative_lines: int


class GroupItem(BaseModel):
    """A row of a summary. `share` is its part of the total, null where that is 0."""

    key: str
    name: str
    amount_gbp: Pounds
    lines: int
    share: float | None


class LocalShare(BaseModel):
    """How much was paid within the buyer's area.

    `share_of_known` leaves out what is unknown or redacted; it is null where nothing is known.
    """

    area: str
    amount_gbp: Pounds
    share: float | None
    share_of_known: float | None
    unknown_gbp: Pounds
    redacted_gbp: Pounds


class Computed(BaseModel):
    """On what an answer rests."""

    at: date = Field(description="The day whose owners are asked about")
    registry_seq: int
    parameters: dict[str, str | None]
    thresholds: dict[str, float]
    caveats: list[str]


class SummaryPage(paging.Page[GroupItem]):
    """Sums that make up the total to the penny, the most money first, `unknown` and `redacted` last."""

    total: SumItem
    local: LocalShare | None
    computed: Computed


class SupplierReason(BaseModel):
    """What speaks for a supplier being the organisation, or against it."""

    kind: str
    speaks: Literal["for", "against"]
    text: str


class SupplierItem(BaseModel):
    """A supplier as a buyer's files name it, and the organisation it was found to be or may be.

    `matched` counts in sums by sector, size and place; `candidate` waits for a person; `redacted` is never
    looked for.
    """

    id: int
    buyer_code: str
    name: str | None
    supplier_id: str | None
    state: State
    matched_by: Literal["identifier", "name", "person"] | None
    score: float | None
    reasons: list[SupplierReason]
    organisation_id: str | None
    organisation_name: str | None
    refused_ids: list[str]
    decided_by: str | None
    decided_at: datetime | None
    decided_because: str | None
    amount_gbp: Pounds
    lines: int


class LineItem(BaseModel):
    """A payment, or with a negative amount its correction. `occurrence`: the how-manieth just like it."""

    date: date
    amount_gbp: Pounds
    buyer_code: str
    supplier: int
    supplier_name: str | None
    supplier_id: str | None
    redacted: bool
    organisation_id: str | None
    category: str | None
    department: str | None
    reference: str | None
    postcode: str | None
    area_code: str | None
    occurrence: int
    source: str
    import_id: str


class LinePage(paging.Page[LineItem]):
    """Lines in the order of days, with the sum of all that are asked for."""

    total: SumItem


class ConfirmBody(Body):
    """Which organisation the supplier is, and how that is known."""

    organisation_id: str = Field(max_length=36)
    reason: Reason


class RefuseBody(Body):
    """Which organisation the supplier is not (the one it is taken for, if none is named), and why."""

    organisation_id: str | None = Field(default=None, max_length=36)
    reason: Reason


@router.get("/v1/spend/summary")
def summarise_spend(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    by: Annotated[By, Query(description="What the sums are made by")],
    buyer: Buyer = None,
    since: Since = None,
    until: Until = None,
    source: OfSource = None,
    level: Annotated[str, Query(description="Of places: the level of the areas")] = "authority",
    at: Annotated[date | None, Query(description="The day whose owners are asked about")] = None,
    after: paging.After = None,
    limit: paging.Limit = 1000,
) -> SummaryPage:
    """What was paid, by sector, size, place of the branch, place of the ultimate owner, category or supplier.

    The rows add up to the total to the penny: what is not known is the row `unknown`, what was redacted the
    row `redacted` (by category, redacted lines stand under the category they name). `local` says how much of
    it was paid within the buyer's own area, by branch or by ultimate owner as `by` asks: two different
    figures.
    """
    if level not in LEVELS:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "level", "reason": f"one of {', '.join(LEVELS)}"}])
    asked = Asked(_buyer(buyer), source, since, until)
    day = at or min(until or date.max, datetime.now(UTC).date())
    home = None if asked.buyer is None else spend.buyer_area(session, asked.buyer)
    places = spend.Places(session, level, home)
    caveats: list[str] = []
    keyed = _keyed(session, asked, by, places, day, caveats)
    total = spend.total(session, asked)
    groups = domain.grouped(*keyed)
    assert sum(group.pence for group in groups) == total.pence
    ranked = list(enumerate(groups))
    page, marker = paging.window(ranked, lambda one: (one[0],), after=after, limit=limit)
    paging.link_next(request, response, marker)
    local = None
    if by in ("place", "ultimate_place"):
        local = None if home is None else _local(home, keyed[0], total, places)
        if home is None and asked.buyer is not None:
            caveats.append("the buyer's own area is not known here: import it, or its organisation")
    _tell_sources(session, asked, caveats)
    return SummaryPage(
        items=[
            GroupItem(
                key=group.key,
                name=group.name,
                amount_gbp=pounds(group.pence),
                lines=group.lines,
                share=group.share,
            )
            for _, group in page
        ],
        next=marker,
        total=_sum(total),
        local=local,
        computed=_computed(session, asked, day, {"by": by, "level": level}, caveats),
    )


def _keyed(
    session: Session, asked: Asked, by: By, places: spend.Places, day: date, caveats: list[str]
) -> spend.Keyed:
    if by == "category":
        return spend.by_category(session, asked)
    lines = spend.paid(session, asked)
    waiting = Sum()
    for one in lines:
        if one.organisation_id is None and not one.redacted:
            waiting += one.sum
    if waiting.lines and by != "supplier":
        caveats.append(
            f"£{waiting.pence / 100:,.2f} went to suppliers that are matched with no organisation: "
            "they are unknown unless a line says where it was paid"
        )
    if by == "supplier":
        return spend.by_supplier(session, lines)
    if by == "sector":
        return spend.by_organisation(session, lines, spend.sector_of)
    if by == "size":
        return spend.by_organisation(session, lines, spend.size_of)
    if by == "place":
        caveats.append(
            "where a line names no place, an organisation with a site in the buyer's area was paid there"
        )
        return spend.by_place(session, lines, places)
    owners = spend.by_ultimate_place(session, lines, places, day)
    if owners.alone.lines:
        caveats.append(
            f"£{owners.alone.pence / 100:,.2f} went to organisations nobody is known to control: "
            "they count as their own owners"
        )
    if owners.cut:
        caveats.append("not all chains of owners were followed to their end")
    return owners.sums, owners.names


def _local(home: str, sums: list[tuple[str, Sum]], total: Sum, places: spend.Places) -> LocalShare:
    local = sum(one.pence for key, one in sums if places.is_home(key))
    unknown = sum(one.pence for key, one in sums if key == UNKNOWN)
    redacted = sum(one.pence for key, one in sums if key == REDACTED)
    known = total.pence - unknown - redacted
    return LocalShare(
        area=home,
        amount_gbp=pounds(local),
        share=local / total.pence if total.pence else None,
        share_of_known=local / known if known else None,
        unknown_gbp=pounds(unknown),
        redacted_gbp=pounds(redacted),
    )


def _tell_sources(session: Session, asked: Asked, caveats: list[str]) -> None:
    found = spend.sources_of(session, asked)
    if len(found) > 1 and asked.buyer is not None:
        caveats.append(
            f"the lines come from {len(found)} sources: a payment that two of them tell counts twice"
        )


@router.get("/v1/spend/suppliers")
def list_suppliers(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    buyer: Buyer = None,
    state: State | None = None,
    min_score: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    organisation: Annotated[str | None, Query(max_length=36)] = None,
    text: Text = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[SupplierItem]:
    """Suppliers with the organisations they were found to be, how likely, and why."""
    rows, marker = spend.supplier_page(
        session,
        buyer=_buyer(buyer),
        state=state,
        min_score=min_score,
        organisation=organisation,
        name_starts=name_start(text),
        after=after,
        limit=limit,
    )
    paging.link_next(request, response, marker)
    return paging.Page(items=_suppliers(session, rows), next=marker)


@router.get("/v1/spend/suppliers/{id}")
def read_supplier(
    id: int, session: Reading, principal: Annotated[Principal, require("read")]
) -> SupplierItem:
    """One supplier."""
    return _supplier(session, id)


@router.post("/v1/spend/suppliers/{id}/confirm")
def confirm_supplier(
    id: int,
    body: ConfirmBody,
    session: Writing,
    principal: Annotated[Principal, require("write")],
) -> SupplierItem:
    """Say which organisation a supplier is; that stands, whatever is imported."""
    actions.confirm(session, _number(id), body.organisation_id.lower(), reason=body.reason, by=principal)
    return _supplier(session, id)


@router.post("/v1/spend/suppliers/{id}/refuse")
def refuse_supplier(
    id: int,
    body: RefuseBody,
    session: Writing,
    principal: Annotated[Principal, require("write")],
) -> SupplierItem:
    """Say which organisation a supplier is not; it is looked for among the others."""
    refused = None if body.organisation_id is None else body.organisation_id.lower()
    actions.refuse(session, _number(id), refused, reason=body.reason, by=principal)
    return _supplier(session, id)


@router.post("/v1/spend/suppliers/{id}/release")
def release_supplier(
    id: int, session: Writing, principal: Annotated[Principal, require("write")]
) -> SupplierItem:
    """Take back what was decided of a supplier; it is looked for anew."""
    actions.release(session, _number(id), by=principal)
    return _supplier(session, id)


@router.get("/v1/spend/lines")
def list_lines(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    buyer: Buyer = None,
    since: Since = None,
    until: Until = None,
    source: OfSource = None,
    supplier: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> LinePage:
    """Payments in the order of days."""
    asked = Asked(_buyer(buyer), source, since, until, supplier=supplier)
    return _lines(session, request, response, asked, after, limit)


@router.get("/v1/organisations/{id}/spend")
def list_spend_of(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    buyer: Buyer = None,
    since: Since = None,
    until: Until = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> LinePage:
    """What an organisation was paid, in the order of days, with the sum of all.

    It is of suppliers matched with it, or with one that is merged into it.
    """
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    asked = Asked(_buyer(buyer), None, since, until, organisation=id)
    return _lines(session, request, response, asked, after, limit)


def _lines(
    session: Session, request: Request, response: Response, asked: Asked, after: str | None, limit: int
) -> LinePage:
    rows, marker = spend.line_page(session, asked, after=after, limit=limit)
    paging.link_next(request, response, marker)
    answering = merges.canonical(session, (row.organisation_id for row in rows))
    items = [
        LineItem(
            date=row.day,
            amount_gbp=pounds(row.pence),
            buyer_code=row.buyer_code,
            supplier=row.supplier,
            supplier_name=row.name,
            supplier_id=row.supplier_id,
            redacted=row.redacted,
            organisation_id=answering.get(row.organisation_id) if row.state == "matched" else None,
            category=row.category,
            department=row.department,
            reference=row.reference,
            postcode=row.postcode or None,
            area_code=row.area_code or None,
            occurrence=row.occurrence,
            source=row.source,
            import_id=row.import_id,
        )
        for row in rows
    ]
    return LinePage(items=items, next=marker, total=_sum(spend.total(session, asked)))


def _suppliers(session: Session, rows: list[Any]) -> list[SupplierItem]:
    sums = spend.sums_of(session, [row.number for row in rows])
    answering = merges.canonical(session, (row.organisation_id for row in rows))
    names = merges.names(session, sorted(set(answering.values())))
    made = []
    for row in rows:
        paid = sums.get(row.number, Sum())
        organisation = answering.get(row.organisation_id)
        made.append(
            SupplierItem(
                id=row.number,
                buyer_code=row.buyer_code,
                name=row.name,
                supplier_id=row.supplier_id,
                state=row.state,
                matched_by=row.matched_by,
                score=row.score,
                reasons=[SupplierReason(**reason) for reason in row.reasons],
                organisation_id=organisation,
                organisation_name=None if organisation is None else names.get(organisation),
                refused_ids=row.refused_ids,
                decided_by=row.decided_by,
                decided_at=row.decided_at,
                decided_because=row.decided_because,
                amount_gbp=pounds(paid.pence),
                lines=paid.lines,
            )
        )
    return made


def _supplier(session: Session, id: int) -> SupplierItem:
    row = spend.supplier(session, _number(id))
    if row is None:
        raise UnknownRecord("supplier")
    return _suppliers(session, [row])[0]


def _number(id: int) -> int:
    """A number that a supplier may have; none has one beyond. Raises UnknownRecord."""
    if not 0 < id < 2**31:
        raise UnknownRecord("supplier")
    return id


def _sum(one: Sum) -> SumItem:
    return SumItem(
        amount_gbp=pounds(one.pence),
        lines=one.lines,
        negative_gbp=pounds(one.negative_pence),
        negative_lines=one.negative_lines,
    )


def _buyer(said: str | None) -> str | None:
    if said is None:
        return None
    try:
        return domain.buyer_code(said)
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "buyer", "reason": error.reason}]) from None


def _computed(
    session: Session, asked: Asked, day: date, parameters: dict[str, str | None], caveats: list[str]
) -> Computed:
    state, now = matching.state(session), matching.position(session)
    if spend.has_new_suppliers(session) or (0 if state is None else state.seq) != now:
        caveats = [*caveats, "suppliers or organisations changed and were not all looked for yet"]
    return Computed(
        at=day,
        registry_seq=now,
        parameters={
            **parameters,
            "buyer": asked.buyer,
            "source": asked.source,
            "from": None if asked.since is None else asked.since.isoformat(),
            "to": None if asked.until is None else asked.until.isoformat(),
        },
        thresholds={"matched_from": spend.SURE, "candidate_from": spend.POSSIBLE},
        caveats=caveats,
    )
