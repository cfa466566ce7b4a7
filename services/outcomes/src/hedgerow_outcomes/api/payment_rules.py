"""`/v1/payment-rules`: what is paid for what was achieved, as versioned data; lint and replay of drafts."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_match, require_state
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional, Making
from hedgerow_kit.reach import widened
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import payments as actions
from hedgerow_outcomes.api.kpis import kpi_number, today
from hedgerow_outcomes.api.money import Pounds, pounds
from hedgerow_outcomes.api.parameters import From, To
from hedgerow_outcomes.domain.definitions import Definition, definition
from hedgerow_outcomes.domain.payments.concentration import by_sector, hhi
from hedgerow_outcomes.domain.payments.curves import FEWEST_TO_JUDGE, UNLIKELY, Curve, bunching, curve
from hedgerow_outcomes.domain.payments.lint import THRESHOLDS, Draft, lint
from hedgerow_outcomes.domain.payments.money import ROUNDING
from hedgerow_outcomes.domain.payments.rules import Rule, measures
from hedgerow_outcomes.domain.payments.statements import Computed, statement_periods
from hedgerow_outcomes.errors import NoSuchRule
from hedgerow_outcomes.store import kpis, observations, payments
from hedgerow_outcomes.store.observations import Asked
from hedgerow_outcomes.store.rule_documents import RuleDocument
from hedgerow_outcomes.tables import PaymentRuleVersion

router = problems.router(tags=["payments"])

RuleId = Annotated[str, Path(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._~:-]*$")]
Money = Annotated[Principal, require("money")]


class RuleView(BaseModel):
    """A payment rule as its current version writes it, and since when."""

    id: str
    version: int
    valid_from: date
    written_at: datetime
    written_by: str
    rule: RuleDocument


class FindingView(BaseModel):
    """A known mistake: its rule, where it stands, why it is one and what would mend it."""

    rule: str
    pointer: str
    reason: str
    mend: str


class CurveView(BaseModel):
    """The largest change of a part's payment for one unit of what it counts."""

    part: str
    kpi: str
    largest_step: Pounds
    from_units: float
    to_units: float
    largest_payment: Pounds


class LintView(BaseModel):
    items: list[FindingView]
    curves: list[CurveView]
    thresholds: dict[str, float]


class ReplayBody(BaseModel):
    """Which periods to replay; with `draft`, by a rule that is not in force."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: date | None = Field(default=None, alias="from")
    to: date | None = None
    draft: RuleDocument | None = None


class ReplayedPeriod(BaseModel):
    """A period under the rule as it is, as it was issued, and under the draft, in pounds."""

    period: str
    start: date
    end: date
    issued: Pounds | None
    current: Pounds | None
    draft: Pounds | None
    difference: Pounds | None
    missing: list[str]


class ReplayView(BaseModel):
    items: list[ReplayedPeriod]
    issued: Pounds
    current: Pounds
    draft: Pounds | None
    rounding: str = ROUNDING


class SectorView(BaseModel):
    sector: str
    total: Pounds
    share: float | None
    reserved: float | None
    met: bool | None


class ConcentrationView(paging.Page[SectorView]):
    total: Pounds
    hhi: float | None


class BunchingView(BaseModel):
    """Whether the values of a KPI gather on the paid side of a threshold."""

    kpi: str
    threshold: float
    width: float
    values: int
    below: int
    at_or_above: int
    p_value: float | None
    suspicious: bool
    says: str
    thresholds: dict[str, float]


@router.get("/v1/payment-rules")
def list_rules(
    session: Reading,
    request: Request,
    response: Response,
    principal: Money,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[RuleView]:
    """The payment rules of your authorities in the order of their ids."""
    rows, marker = payments.rule_page(session, principal.authorities, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_view(row[0]) for row in rows], next=marker)


@router.get("/v1/payment-rules/schema")
def read_schema(principal: Annotated[Principal, require("read")]) -> dict[str, Any]:
    """The JSON Schema of a payment rule."""
    return RuleDocument.model_json_schema()


@router.post("/v1/payment-rules/lint")
def lint_rule(document: RuleDocument, session: Reading, principal: Money) -> LintView:
    """The known mistakes of a draft, each with its rule, reason, place and what would mend it.

    Nothing is kept. A draft that cannot be computed at all is refused, naming every place.
    """
    rule = actions.checked(document)
    curves = _curves(rule)
    found = lint(Draft(rule, _definitions(session, rule), curves))
    return LintView(
        items=[FindingView(**finding._asdict()) for finding in found],
        curves=[_curve_view(part, drawn) for part, drawn in curves.items()],
        thresholds=THRESHOLDS,
    )


@router.get("/v1/payment-rules/{id}")
def read_rule(id: RuleId, session: Reading, response: Response, principal: Money) -> RuleView:
    """One payment rule as it is now."""
    held = payments.rule(session, id, principal.authorities)
    if held is None:
        raise NoSuchRule
    response.headers["ETag"] = _tag(held)
    return _view(held)


@router.get("/v1/payment-rules/{id}/versions")
def list_versions(
    id: RuleId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Money,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[RuleView]:
    """All versions of a rule, the first first."""
    if payments.rule(session, id, principal.authorities) is None:
        raise NoSuchRule
    rows, marker = payments.version_page(session, id, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_view(row[0]) for row in rows], next=marker)


@router.put("/v1/payment-rules/{id}", responses={201: {"model": RuleView}})
def write_rule(
    id: RuleId,
    document: RuleDocument,
    session: Writing,
    request: Making,
    response: Response,
    principal: Money,
    valid_from: Annotated[
        date | None,
        Query(description="The day from which it holds; by default the day after the last that was paid for"),
    ] = None,
) -> RuleView:
    """Write a payment rule: a new one, or with `If-Match` a new version of one you have read."""

    def unchanged(held: PaymentRuleVersion | None) -> None:
        require_state(request, None if held is None else _tag(held))

    # A rule is everybody's who pays under it: its other payers are written too.
    with widened(session):
        is_new = actions.put_rule(session, id, document, valid_from=valid_from, by=principal, when=unchanged)
    response.status_code = 201 if is_new else 200
    return read_rule(id, session, response, principal)


@router.delete("/v1/payment-rules/{id}", status_code=204)
def delete_rule(id: RuleId, session: Writing, request: Conditional, principal: Money) -> None:
    """Delete a rule under which nothing was issued."""
    actions.delete_rule(session, id, by=principal, when=lambda held: require_match(request, _tag(held)))


@router.post("/v1/payment-rules/{id}/replay")
def replay_rule(id: RuleId, body: ReplayBody, session: Reading, principal: Money) -> ReplayView:
    """What the rule, or a draft, comes to over past periods by what is known now, beside what was issued."""
    held = payments.rule(session, id, principal.authorities)
    if held is None:
        raise NoSuchRule
    to = min(body.to, today()) if body.to else today()
    current = {one.period.start: one for one in actions.replay_as_held(session, id, start=body.start, to=to)}
    draft = None
    if body.draft is not None:
        replayed = actions.replay(session, actions.checked(body.draft), start=body.start, to=to)
        draft = {one.period.start: one for one in replayed}
    issued = {start: pence for start, pence in _issued(session, principal, id).items() if start in current}
    starts = sorted(current.keys() | (draft or {}).keys())
    return ReplayView(
        items=[_replayed(start, issued.get(start), current, draft) for start in starts],
        issued=pounds(sum(issued.values())),
        current=pounds(sum(one.pence for one in current.values())),
        draft=None if draft is None else pounds(sum(one.pence for one in draft.values())),
    )


@router.get("/v1/payment-rules/{id}/curves")
def list_curves(id: RuleId, session: Reading, principal: Money) -> LintView:
    """The rule as it is, linted: its payment curves with their largest steps, and the known mistakes."""
    held = payments.rule(session, id, principal.authorities)
    if held is None:
        raise NoSuchRule
    return lint_rule(RuleDocument.model_validate(held.document), session, principal)


@router.get("/v1/payment-rules/{id}/concentration")
def read_concentration(
    id: RuleId, session: Reading, principal: Money, start: From = None, to: To = None
) -> ConcentrationView:
    """How what was paid under a rule spreads over sectors, beside what was reserved, and contributors.

    `hhi`: 10,000 times the sum of the squared shares of the contributors; 10,000 if one is paid everything.
    """
    held = payments.rule(session, id, principal.authorities)
    if held is None:
        raise NoSuchRule
    rule = RuleDocument.model_validate(held.document).rule()
    paid = dict(payments.totals(session, principal.authorities, "contributor", rule=id, start=start, to=to))
    sectors = {one.subject: one.sector or "unknown" for one in rule.contributors}
    reserved = {sector: float(share) for sector, share in (rule.context.reserved or {}).items()}
    return ConcentrationView(
        hhi=hhi(paid),
        total=pounds(sum(paid.values())),
        items=[
            SectorView(
                sector=one.sector,
                total=pounds(one.pence),
                share=one.share,
                reserved=one.reserved,
                met=one.met,
            )
            for one in by_sector(paid, sectors, reserved)
        ],
    )


@router.get("/v1/kpis/{id}/bunching", tags=["kpis"])
def read_bunching(
    id: str,
    session: Reading,
    principal: Annotated[Principal, require("read")],
    threshold: Annotated[float, Query(allow_inf_nan=False, description="The mark that is paid for")],
    width: Annotated[float, Query(gt=0, allow_inf_nan=False, description="How far on each side is looked")],
    start: From = None,
    to: To = None,
) -> BunchingView:
    """Whether the values of a KPI, of all subjects and periods, gather on the paid side of a threshold."""
    number = kpi_number(session, id)
    held = kpis.in_force(session, id, today())
    rows = observations.series(session, Asked(number, None, start, to), None)
    values = [row.value for row in rows if row.value is not None]
    lower = held is not None and held.polarity == "lower"
    found = bunching(values, threshold=threshold, width=width, lower_is_better=lower)
    return BunchingView(
        kpi=id,
        threshold=threshold,
        width=width,
        values=len(values),
        below=found.below,
        at_or_above=found.at_or_above,
        p_value=found.p_value,
        suspicious=found.suspicious,
        says=_bunching_says(found.p_value, found.suspicious),
        thresholds={"fewest_to_judge": FEWEST_TO_JUDGE, "p_value_below": UNLIKELY},
    )


def _bunching_says(p_value: float | None, suspicious: bool) -> str:
    if p_value is None:
        return f"Fewer than {FEWEST_TO_JUDGE} values lie that near the threshold: too few to judge."
    if suspicious:
        return "More values lie just on the paid side than chance explains: look at how they are counted."
    return "No more values lie on the paid side than chance explains."


def _view(row: PaymentRuleVersion) -> RuleView:
    return RuleView(
        id=row.rule_id,
        version=row.version,
        valid_from=row.valid_from,
        written_at=row.written_at,
        written_by=row.written_by,
        rule=RuleDocument.model_validate(row.document),
    )


def _tag(row: PaymentRuleVersion) -> str:
    return etag(row.rule_id, row.version)


def _curves(rule: Rule) -> dict[str, Curve]:
    period = next(iter(statement_periods(rule)))
    drawn = {part.id: curve(rule, part, period) for part in rule.parts}
    return {id: one for id, one in drawn.items() if one is not None}


def _curve_view(part: str, drawn: Curve) -> CurveView:
    return CurveView(
        part=part,
        kpi=drawn.kpi,
        largest_step=round(float(drawn.step), 2),
        from_units=float(drawn.before),
        to_units=float(drawn.after),
        largest_payment=round(float(drawn.largest), 2),
    )


def _definitions(session: Session, rule: Rule) -> dict[str, Definition]:
    named = {measure.kpi for part in rule.parts for measure in measures(part)} | set(rule.context.kpis)
    rows = kpis.in_force_by_id(session, sorted(named), today())
    return {id: definition(dict(row._mapping))[1] for id, row in rows.items()}


def _issued(session: Session, principal: Principal, id: str) -> dict[date, int]:
    return dict(payments.totals(session, principal.authorities, "period", rule=id, start=None, to=None))


def _replayed(
    start: date, issued: int | None, current: dict[date, Computed], draft: dict[date, Computed] | None
) -> ReplayedPeriod:
    now, then = current.get(start), (draft or {}).get(start)
    shown = then or now
    assert shown is not None
    both = now is not None and then is not None
    return ReplayedPeriod(
        period=shown.period.label,
        start=shown.period.start,
        end=shown.period.end,
        issued=None if issued is None else pounds(issued),
        current=None if now is None else pounds(now.pence),
        draft=None if then is None else pounds(then.pence),
        difference=pounds(then.pence - now.pence) if both else None,  # type: ignore[union-attr]
        missing=list(shown.missing),
    )
