"""Figures over contracts: bids, terms, leverage, social value, whole-life cost, programmes, reservations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_registry.api.contracts import Organisation, today
from hedgerow_registry.api.wire import AreaCode, NeedName, known_area, known_need
from hedgerow_registry.domain import contract_summaries as domain
from hedgerow_registry.domain import contracts as terms
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.store import contract_summaries as store
from hedgerow_registry.store.contract_summaries import Asked
from hedgerow_registry.store.contracts import Json, Wanted
from hedgerow_registry.store.sight import Sight
from hedgerow_registry.tables import Contract, feed

router = problems.router(tags=["contracts"])

T = TypeVar("T")


class Computed(BaseModel):
    """How the answer came about, and what to know before relying on it."""

    at: date
    parameters: dict[str, str | int | None] = Field(
        description="What the figures rest on and would change with"
    )
    registry_seq: int = Field(description="The state of the registry that the answer shows")
    caveats: list[str]


@dataclass(frozen=True)
class Question:
    """Which contracts are asked about, by whom, on which day."""

    wanted: Wanted
    sight: Sight
    at: date
    said: dict[str, str | int | None]

    def computed(self, session: Session, *caveats: str | None, **parameters: str | int | None) -> Computed:
        return Computed(
            at=self.at,
            parameters={**self.said, **parameters},
            registry_seq=feed.current(session),
            caveats=[caveat for caveat in caveats if caveat],
        )


def _question(
    session: Reading,
    principal: Annotated[Principal, require("read")],
    buyer: Organisation = None,
    supplier: Organisation = None,
    need: NeedName = None,
    area: AreaCode = None,
    programme: Annotated[str | None, Query(max_length=500)] = None,
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    at: Annotated[date | None, Query(description="As of this day; today unless said")] = None,
) -> Question:
    wanted = Wanted(
        buyer=buyer,
        supplier=supplier,
        need=known_need(session, need),
        area=known_area(session, area, "area"),
        programme=programme,
        source=source,
    )
    said: dict[str, str | int | None] = {
        name: value
        for name, value in vars(wanted).items()
        if isinstance(value, str) and name in ("buyer", "supplier", "need", "area", "programme", "source")
    }
    return Question(wanted, Sight.of(session, principal), at or today(), said)


About = Annotated[Question, Depends(_question)]


class BidRow(BaseModel):
    """Bids of one group of bidders."""

    group: str = Field(description="`all`, a size band or sector, or `unknown`")
    bids: int
    stated: int = Field(description="Those of the bids whose process tells their number and lists none")
    bidders: int
    wins: int
    share_of_bids: float | None
    share_of_wins: float | None


class BidPage(paging.Page[BidRow]):
    computed: Computed


@router.get("/v1/contracts/bids")
def bids(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    by: Literal["size", "sector"] = "size",
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> BidPage:
    """Bids and wins by the size or the sector of the bidder.

    A bid of several bidders counts once in the group of each, so groups may add up to more than `all`. Where
    a process lists no bids, what its statistics say (`bids`, else `validBids`; `smeBids`) counts as `stated`.
    """
    listed = store.bids(session, asked.wanted, asked.sight)
    named = {id for one in listed for bid in one.listed for id in bid["bidder_ids"]}
    known = store.bodies(session, named)
    groups = {id: body.size_band if by == "size" else body.sector for id, body in known.items()}
    counts = domain.bid_counts(listed, groups.get, by_size=by == "size")
    every = counts[0]
    rows = [
        BidRow(
            **count._asdict(),
            share_of_bids=round(count.bids / every.bids, 6) if every.bids else None,
            share_of_wins=round(count.wins / every.wins, 6) if every.wins else None,
        )
        for count in counts
    ]
    caveat = _unlisted(listed, every.stated)
    # The rows have an order of their own, which their place keeps.
    page, marker = _window(request, response, list(enumerate(rows)), lambda one: (one[0],), after, limit)
    return BidPage(
        items=[row for _, row in page], next=marker, computed=asked.computed(session, caveat, by=by)
    )


def _unlisted(processes: list[domain.Bids], stated: int) -> str | None:
    """What is to be known of processes that list no bids."""
    silent = sum(not one.listed and not one.stated(by_size=True) for one in processes)
    said = []
    if silent:
        said.append(f"{silent} of {len(processes)} processes tell of no bids: they count nowhere here.")
    if stated:
        said.append(
            f"{stated} bids are known by their number alone: who made them, and which won, is not told. "
            "Those not said to be of small or medium-sized enterprises are of unknown size."
        )
    return " ".join(said) or None


class ContractRow(BaseModel):
    """One row of figures, with the contract it is about."""

    contract_id: str
    title: str
    buyers: list[str] = Field(description="Their names")
    suppliers: list[str] = Field(description="Their names")
    start: date | None
    end: date | None


class TermRow(ContractRow):
    status: str | None
    awarded_on: date | None
    lead_in_days: int | None = Field(description="From the award, else the signature, to the start")
    term_days: int | None
    extended_to: date | None
    extended_term_days: int | None = Field(description="With every extension option used")
    third_sector: bool | None = Field(description="Whether a supplier is of the third sector; null: unknown")
    short_term: bool | None = Field(description="Third sector, and shorter than `months`; null: unknown")


class TermPage(paging.Page[TermRow]):
    computed: Computed


@router.get("/v1/contracts/terms")
def contract_terms(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    months: Annotated[int, Query(ge=1, le=1200, description="Terms below this are short")] = 36,
    short_only: Annotated[bool, Query(description="Only third-sector contracts with a short term")] = False,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> TermPage:
    """Lead-in and term of each contract; third-sector contracts with a short term are flagged."""
    found = Asked(session, asked.wanted, asked.sight)
    rows = [_term(found, row, months) for row in found.rows]
    if short_only:
        rows = [row for row in rows if row.short_term]
    page, marker = _window(request, response, rows, lambda row: (row.contract_id,), after, limit)
    unknown = sum(row.third_sector is None for row in rows)
    caveat = (
        f"Of {unknown} contracts nobody knows whether a supplier is of the third sector." if unknown else None
    )
    return TermPage(items=page, next=marker, computed=asked.computed(session, caveat, months=months))


def _term(found: Asked, row: Contract, months: int) -> TermRow:
    third = _third_sector(found, row)
    short = terms.is_shorter(row.starts, row.ends, months)
    return TermRow(
        **_about(found, row),
        status=row.status,
        awarded_on=row.awarded_on,
        lead_in_days=row.lead_in_days,
        term_days=row.term_days,
        extended_to=row.extended_to,
        extended_term_days=terms.term_days(row.starts, row.extended_to),
        third_sector=third,
        # Whatever one of the two rules out is ruled out, also where the other is not known.
        short_term=False if False in (third, short) else None if None in (third, short) else True,
    )


def _third_sector(found: Asked, row: Contract) -> bool | None:
    answers = []
    for role, id, vcse in found.links.parties.get(row.id, []):
        if role == "supplier":
            body = found.bodies[id]
            said = {"yes": True, "no": False}.get(vcse)
            answers.append(terms.is_third_sector(body.sector, body.schemes, said))
    return True if True in answers else None if None in answers or not answers else False


class LeverageRow(ContractRow):
    own_gbp: float | None = Field(description="What the buyers put in, else the contract's value")
    other_gbp: float
    leverage: float | None = Field(description="Other money for each pound of own")


class LeveragePage(paging.Page[LeverageRow]):
    computed: Computed


@router.get("/v1/contracts/leverage")
def leverage(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    principal: Annotated[Principal, require("money")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> LeveragePage:
    """Other money that contracts bring in, beside own money; contracts that name their funding."""
    found = Asked(session, asked.wanted, asked.sight.of_own)
    rows = []
    for row in found.rows:
        funding = found.details[row.id]["funding"]
        if funding:
            own, other, ratio = terms.leverage(row.value_gbp, funding)
            rows.append(LeverageRow(**_about(found, row), own_gbp=own, other_gbp=other, leverage=ratio))
    page, marker = _window(request, response, rows, lambda row: (row.contract_id,), after, limit)
    silent = len(found.rows) - len(rows)
    caveat = (
        f"{silent} of {len(found.rows)} contracts name no funding and are not listed." if silent else None
    )
    return LeveragePage(items=page, next=marker, computed=asked.computed(session, caveat))


class SocialValueRow(ContractRow):
    measure_id: str
    measure: str | None
    unit: str | None
    claimed: float | None
    evidenced: float | None
    share_evidenced: float | None = Field(description="Evidenced of claimed; null where either is unknown")
    evidence: str | None
    evidenced_on: date | None


class SocialValuePage(paging.Page[SocialValueRow]):
    computed: Computed


@router.get("/v1/contracts/social-value")
def social_value(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> SocialValuePage:
    """Social value claimed beside evidenced, measure by measure."""
    found = Asked(session, asked.wanted, asked.sight)
    rows = [
        SocialValueRow(
            **_about(found, row),
            measure_id=one["id"],
            measure=one["measure"],
            unit=one["unit"],
            claimed=one["claimed"],
            evidenced=one["evidenced"],
            share_evidenced=_share(one["evidenced"], one["claimed"]),
            evidence=one["evidence"],
            evidenced_on=one["date"],
        )
        for row in found.rows
        for one in found.details[row.id]["social_value"]
    ]
    rows.sort(key=lambda row: (row.contract_id, row.measure_id))
    page, marker = _window(
        request, response, rows, lambda row: (row.contract_id, row.measure_id), after, limit
    )
    silent = sum(row.evidenced is None for row in rows)
    caveat = f"For {silent} of {len(rows)} measures nothing is evidenced yet." if silent else None
    return SocialValuePage(items=page, next=marker, computed=asked.computed(session, caveat))


class CostRow(ContractRow):
    price_gbp: float | None
    whole_life_cost_gbp: float | None
    years: float | None
    ratio: float | None = Field(description="Whole-life cost for each pound of price")


class CostPage(paging.Page[CostRow]):
    computed: Computed


@router.get("/v1/contracts/costs")
def costs(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    principal: Annotated[Principal, require("money")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> CostPage:
    """Whole-life cost beside price; contracts that state one."""
    found = Asked(session, asked.wanted, asked.sight.of_own)
    rows = []
    for row in found.rows:
        cost = found.details[row.id]["whole_life_cost"]
        if cost:
            rows.append(
                CostRow(
                    **_about(found, row),
                    price_gbp=row.value_gbp,
                    whole_life_cost_gbp=cost["value_gbp"],
                    years=cost["years"],
                    ratio=_share(cost["value_gbp"], row.value_gbp),
                )
            )
    page, marker = _window(request, response, rows, lambda row: (row.contract_id,), after, limit)
    silent = len(found.rows) - len(rows)
    caveat = f"{silent} of {len(found.rows)} contracts state no whole-life cost." if silent else None
    return CostPage(items=page, next=marker, computed=asked.computed(session, caveat))


class ProgrammeRow(BaseModel):
    """How a programme stands at one buyer."""

    programme: str
    buyer_id: str | None
    buyer: str | None
    planned: int
    tendered: int
    contracts: int
    in_force: int
    started: bool = Field(description="Whether a contract of it has begun by the day asked about")
    first_start: date | None
    value_gbp: float | None = Field(description="Of those of its contracts whose cost you may see")


class ProgrammePage(paging.Page[ProgrammeRow]):
    computed: Computed


@router.get("/v1/contracts/programmes")
def programmes(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> ProgrammePage:
    """Programmes by authority: what is planned, out to tender, agreed, begun, and its value."""
    statuses = domain.programme_statuses(
        store.programme_steps(session, asked.wanted, asked.sight), at=asked.at
    )
    known = store.bodies(session, {row.buyer_id for row in statuses if row.buyer_id})
    rows = [
        ProgrammeRow(
            **{**row._asdict(), "value_gbp": row.value_gbp},
            buyer=known[row.buyer_id].name if row.buyer_id in known else None,
        )
        for row in statuses
    ]
    page, marker = _window(
        request, response, rows, lambda row: (row.programme, row.buyer_id or ""), after, limit
    )
    return ProgrammePage(items=page, next=marker, computed=asked.computed(session))


class ReservedRow(BaseModel):
    """Whether a supplier could have a reserved contract, on the evidence of the day of the award."""

    contract_id: str
    title: str
    supplier_id: str
    supplier: str
    awarded_on: date | None
    reserved_for: list[str]
    reserved_under: str | None
    eligible: bool | None = Field(description="null: not known")
    reasons: list[str]


class ReservedPage(paging.Page[ReservedRow]):
    computed: Computed


@router.get("/v1/contracts/reserved")
def reserved(
    session: Reading,
    request: Request,
    response: Response,
    asked: About,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> ReservedPage:
    """Reserved contracts and their suppliers: eligible or not, on which evidence, as of the day of the award.

    Evidence later than the award does not count for it. This shows what the registry knows; it does not
    certify.
    """
    found = Asked(session, asked.wanted, asked.sight)
    rows = [
        _reserved(found, row, supplier)
        for row in found.rows
        if found.details[row.id]["reserved"]
        for supplier in found.links.with_role(row.id, "supplier")
    ]
    page, marker = _window(
        request, response, rows, lambda row: (row.contract_id, row.supplier_id), after, limit
    )
    unknown = sum(row.eligible is None for row in rows)
    caveat = f"For {unknown} of {len(rows)} suppliers it is not known." if unknown else None
    return ReservedPage(items=page, next=marker, computed=asked.computed(session, caveat))


def _reserved(found: Asked, row: Contract, supplier: str) -> ReservedRow:
    said, body = found.details[row.id]["reserved"], found.bodies[supplier]
    awarded = row.awarded_on or row.signed_on
    answer = terms.eligibility(
        said["for"],
        domain.known_of(body),
        at=awarded,
        is_too_long=terms.is_longer(row.starts, row.ends, terms.MUTUAL_MOST_MONTHS),
    )
    return ReservedRow(
        contract_id=row.id,
        title=row.title,
        supplier_id=supplier,
        supplier=body.name,
        awarded_on=awarded,
        reserved_for=said["for"],
        reserved_under=said["under"],
        eligible=answer.eligible,
        reasons=list(answer.reasons),
    )


def _about(found: Asked, row: Contract) -> Json:
    def names(role: str) -> list[str]:
        return [found.bodies[id].name for id in found.links.with_role(row.id, role)]

    return {
        "contract_id": row.id,
        "title": row.title,
        "buyers": names("buyer"),
        "suppliers": names("supplier"),
        "start": row.starts,
        "end": row.ends,
    }


def _share(part: float | None, whole: float | None) -> float | None:
    return round(part / whole, 6) if part is not None and whole else None


def _window(
    request: Request, response: Response, rows: Sequence[T], key: Any, after: str | None, limit: int
) -> tuple[list[T], str | None]:
    page, marker = paging.window(rows, key, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return page, marker
