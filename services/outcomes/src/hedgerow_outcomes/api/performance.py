"""`/v1/contracts/{id}/performance-notice` and `/v1/performance-duties`: the Procurement Act 2023 at work."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_state
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Making
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import assessments as actions
from hedgerow_outcomes.api.kpis import today
from hedgerow_outcomes.api.notice_page import page as notice_page
from hedgerow_outcomes.api.parameters import PeriodText, period_named
from hedgerow_outcomes.domain import procurement
from hedgerow_outcomes.domain.breaches import attainment
from hedgerow_outcomes.domain.latest import Point, latest_and_previous
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.procurement import (
    CLOSE_TO_TARGET,
    KPIS_NEEDED,
    MONTHS_BETWEEN,
    OWED_ABOVE_GBP,
    Assessed,
    Duty,
    duty,
    suggested_rating,
)
from hedgerow_outcomes.errors import NoSuchContract
from hedgerow_outcomes.store import assessments, kpis, observations, registry
from hedgerow_outcomes.store.breaches import level_of
from hedgerow_outcomes.store.observations import Asked
from hedgerow_outcomes.tables import Exemption

router = problems.router(tags=["performance"])

Rating = Literal["Good", "Approaching target", "Requires improvement", "Inadequate", "Other"]
ExemptionCode = Literal["framework", "concession", "light-touch", "private-utility", "not-appropriate"]
Reader = Annotated[Principal, require("read")]
At = Annotated[date | None, Query(description="As things stand on this day; today if not given")]

THRESHOLDS = {
    "owed_above_gbp": OWED_ABOVE_GBP,
    "kpis_needed": KPIS_NEEDED,
    "months_between_assessments": MONTHS_BETWEEN,
    "approaching_target_from_attainment": CLOSE_TO_TARGET,
}


class DutyView(BaseModel):
    """What a contract owes. `owes` is null where that cannot be told; `due`: of the next assessment."""

    contract: str
    title: str | None
    start: date | None
    end: date | None
    owes: bool | None
    because: str
    exemption: str | None
    exemption_reason: str | None
    kpis: list[str]
    kpis_missing: int
    assessed_to: date | None
    due: date | None
    overdue: bool


class DutyComputed(BaseModel):
    at: date
    thresholds: dict[str, float]
    registry_seq: int
    caveats: list[str]


class DutiesView(paging.Page[DutyView]):
    computed: DutyComputed


class AssessedView(BaseModel):
    """A KPI of the contract: what was agreed, what was measured, and the rating given or suggested."""

    kpi: str
    name: str
    unit: str | None
    target: float | None
    minimum: float | None
    period: str | None
    value: float | None
    rating: str | None
    suggested_rating: str
    reason: str | None


class NoticeView(BaseModel):
    """A draft Contract Performance Notice: what it rests on, and the same as an OCDS release."""

    contract: str
    title: str | None
    duty: DutyView
    start: date
    end: date
    assessments: list[AssessedView]
    missing: list[str]
    release: dict[str, Any]
    computed: DutyComputed


class ExemptionBody(BaseModel):
    """Why the contract owes no KPIs; `exemption` null takes it back."""

    model_config = ConfigDict(extra="forbid")

    exemption: ExemptionCode | None
    reason: str = Field(default="", max_length=4000)


class RatingBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kpi: str = Field(min_length=1, max_length=120)
    period: str = Field(min_length=1, max_length=60)
    rating: Rating
    reason: str | None = Field(default=None, max_length=4000)


class RatingView(BaseModel):
    kpi: str
    period: str
    start: date
    end: date
    rating: str
    reason: str | None
    said_at: datetime
    said_by: str


@router.get("/v1/performance-duties")
def list_duties(
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    at: At = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> DutiesView:
    """Which contracts owe KPIs and an assessment of them, and by when, in the order of their ids.

    Of the authorities that you act for: the KPIs and figures of others' contracts are not yours to judge by.
    A page may hold fewer contracts than asked for, and still not be the last.
    """
    on = at or today()
    rows, marker = assessments.judged_page(session, principal, after=after, limit=limit)
    paging.link_next(request, response, marker)
    named, reached = assessments.kpis_of(session, on), _reached(session, rows)
    items = [_duty(session, data, principal, named, reached, on) for data in rows]
    return DutiesView(items=items, next=marker, computed=_computed(session, on, principal))


@router.get("/v1/contracts/{id}/performance-notice")
def read_notice(
    id: str,
    session: Reading,
    response: Response,
    principal: Reader,
    period: Annotated[
        PeriodText | None, Query(description="What is assessed; the twelve months before `at` if not given")
    ] = None,
    at: At = None,
) -> NoticeView:
    """A draft Contract Performance Notice with its figures, as JSON and as an OCDS release.

    The latest value of each KPI within the period stands for it; a rating that nobody has given is suggested
    from how far it has come between minimum and target. The `ETag` is of the exemption, where there is one.
    """
    _tag(session, id, response)
    return _notice(session, id, principal, period, at or today())


@router.get("/v1/contracts/{id}/performance-notice/page", response_class=Response)
def read_notice_page(
    id: str, session: Reading, principal: Reader, period: PeriodText | None = None, at: At = None
) -> Response:
    """The same as a page to print."""
    found = _notice(session, id, principal, period, at or today())
    return Response(notice_page(found.model_dump()), media_type="text/html; charset=utf-8")


@router.put("/v1/contracts/{id}/performance-notice/exemption")
def write_exemption(
    id: str,
    body: ExemptionBody,
    session: Writing,
    request: Making,
    response: Response,
    principal: Annotated[Principal, require("money")],
) -> DutyView:
    """Say why a contract owes no KPIs, with a reason; with `If-Match` say another, or take it back."""
    actions.exempt(
        session,
        id,
        body.exemption,
        body.reason,
        by=principal,
        when=lambda held: require_state(request, None if held is None else _exemption_tag(held)),
    )
    _tag(session, id, response)
    data = assessments.judged_contract(session, id, principal)
    assert data is not None
    named = assessments.kpis_of(session, today())
    return _duty(session, data, principal, named, _reached(session, [data]), today())


@router.post("/v1/contracts/{id}/performance-notice/assessments", status_code=201)
def write_assessment(
    id: str,
    body: RatingBody,
    session: Writing,
    response: Response,
    principal: Annotated[Principal, require("money")],
) -> RatingView:
    """Rate a KPI of a contract for a period; once more is a correction."""
    period = period_named(body.period)
    is_new = actions.assess(
        session, id, body.kpi, period, rating=body.rating, reason=body.reason, by=principal
    )
    response.status_code = 201 if is_new else 200
    return _rating(assessments.ratings(session, id, period.start, period.end)[body.kpi])


@router.get("/v1/contracts/{id}/performance-notice/assessments")
def list_assessments(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[RatingView]:
    """The ratings given to a contract's KPIs, by period."""
    if assessments.judged_contract(session, id, principal) is None:
        raise NoSuchContract
    rows, marker = assessments.page(session, id, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_rating(row[0]) for row in rows], next=marker)


def _notice(session: Session, id: str, principal: Principal, asked: str | None, on: date) -> NoticeView:
    data = assessments.judged_contract(session, id, principal)
    if data is None:
        raise NoSuchContract
    period = period_named(asked) if asked is not None else _year_before(on)
    named = assessments.kpis_of(session, period.end)
    given = assessments.ratings(session, id, period.start, period.end)
    assessed = [_assessed(session, kpi, id, period, given) for kpi in named.get(id, [])]
    buyers = assessments.parties(session, data.get("buyer_ids") or [])
    suppliers = assessments.parties(session, data.get("supplier_ids") or [])
    found = _duty(session, data, principal, named, _reached(session, [data]), on)
    return NoticeView(
        contract=id,
        title=data.get("title"),
        duty=found,
        start=period.start,
        end=period.end,
        assessments=[
            AssessedView(
                kpi=one.kpi,
                name=one.name,
                unit=one.unit,
                target=one.target,
                minimum=one.minimum,
                period=one.period,
                value=one.value,
                rating=one.rating,
                suggested_rating=one.suggested,
                reason=one.reason,
            )
            for one in assessed
        ],
        missing=_missing(found, assessed, bool(buyers), bool(suppliers)),
        release=procurement.notice(
            ocid=str(data.get("ocid") or id),
            contract_id=id,
            title=str(data.get("title") or id),
            buyers=buyers,
            suppliers=suppliers,
            assessed=assessed,
            start=period.start,
            end=period.end,
            at=on,
        ),
        computed=_computed(session, on, principal),
    )


def _year_before(on: date) -> Period:
    start = date(on.year - 1, on.month, min(on.day, 28)) if (on.month, on.day) == (2, 29) else None
    return Period(start or on.replace(year=on.year - 1), date.fromordinal(on.toordinal() - 1))


def _missing(found: Duty | DutyView, assessed: list[Assessed], buyers: bool, suppliers: bool) -> list[str]:
    said = []
    if not buyers:
        said.append("the contracting authority")
    if not suppliers:
        said.append("the suppliers")
    if found.kpis_missing:
        said.append(f"{found.kpis_missing} of the {KPIS_NEEDED} KPIs that must be set")
    for one in assessed:
        if one.value is None:
            said.append(f"a value of {one.kpi} in the period")
        if one.rating is None:
            said.append(f"the authority's rating of {one.kpi}")
    return [*said, "the suppliers' postal and email addresses, which are not kept here"]


def _assessed(
    session: Session, kpi: str, contract_id: str, period: Period, given: dict[str, Any]
) -> Assessed:
    held = kpis.in_force(session, kpi, period.end)
    assert held is not None
    value = _latest(session, kpi, contract_id, period)
    level = level_of(held.minimum, held.target, held.polarity)
    rating = given.get(kpi)
    return Assessed(
        kpi=kpi,
        name=held.name,
        unit=held.unit,
        target=held.target,
        minimum=held.minimum,
        period=None if value is None else value.period.label,
        value=None if value is None else value.value,
        rating=None if rating is None else rating.rating,
        suggested=suggested_rating(attainment(None if value is None else value.value, level)),
        reason=None if rating is None else rating.reason,
    )


def _latest(session: Session, kpi: str, contract_id: str, period: Period) -> Point | None:
    number = kpis.number(session, kpi)
    subjects = observations.numbers_of_subjects(session, [f"contract:{contract_id}"])
    if number is None or not subjects:
        return None
    rows = observations.series(session, Asked(number, subjects, period.start, period.end), None)
    inside = [row for row in rows if row.period_end <= period.end and row.value is not None]
    points = [Point(Period(row.period_start, row.period_end), row.value) for row in inside]
    return points[latest_and_previous(points)[0]] if points else None


def _reached(session: Session, rows: list[dict[str, Any]]) -> dict[str, date]:
    return assessments.assessed_to(session, [data["id"] for data in rows])


def _exemption_tag(held: Exemption) -> str:
    return etag(held.contract_id, held.exemption, held.reason, held.said_at.isoformat(), held.said_by)


def _tag(session: Session, id: str, response: Response) -> None:
    held = assessments.exemption(session, id)
    if held is not None:
        response.headers["ETag"] = _exemption_tag(held)


def _duty(
    session: Session,
    data: dict[str, Any],
    principal: Principal,
    named: dict[str, list[str]],
    reached: dict[str, date],
    on: date,
) -> DutyView:
    id = data["id"]
    agreement = assessments.agreement(session, data, principal)
    found = duty(agreement, kpis=len(named.get(id, [])), assessed_to=reached.get(id), at=on)
    exemption = assessments.exemption(session, id)
    return DutyView(
        contract=id,
        title=data.get("title"),
        start=agreement.start,
        end=agreement.end,
        owes=found.owes,
        because=found.because,
        exemption=agreement.exemption,
        exemption_reason=None if exemption is None else exemption.reason,
        kpis=named.get(id, []),
        kpis_missing=found.kpis_missing,
        assessed_to=reached.get(id),
        due=found.due,
        overdue=found.overdue,
    )


def _computed(session: Session, on: date, principal: Principal) -> DutyComputed:
    caveats = ["A contract has the KPIs whose definitions name it in `answered_by`."]
    if not principal.may("money"):
        caveats.append("Without the permission for money the values of contracts are not seen.")
    return DutyComputed(
        at=on, thresholds=THRESHOLDS, registry_seq=registry.position(session), caveats=caveats
    )


def _rating(row: Any | Row[Any]) -> RatingView:
    return RatingView(
        kpi=row.kpi,
        period=Period(row.period_start, row.period_end).label,
        start=row.period_start,
        end=row.period_end,
        rating=row.rating,
        reason=row.reason,
        said_at=row.said_at,
        said_by=row.said_by,
    )
