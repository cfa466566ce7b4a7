"""`/v1/evaluations` and `/v1/ledgers`: did it work, what does an outcome cost, who invests and who saves."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from hedgerow_outcomes.api.kpis import kpi_number, today
from hedgerow_outcomes.api.money import Pounds, pounds
from hedgerow_outcomes.api.parameters import LONGEST_SUBJECT, From, SubjectQuery, To, subject_text
from hedgerow_outcomes.domain import evaluation, value_for_money
from hedgerow_outcomes.domain.evaluation import Fit, difference_in_differences
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.series import of_one_length
from hedgerow_outcomes.domain.value_for_money import FEWEST_SHOWN, Entry, cost_per_outcome
from hedgerow_outcomes.errors import NoSuchScheme, UnfitForEvaluation
from hedgerow_outcomes.store import kpis, ledgers, observations
from hedgerow_outcomes.store.observations import Asked

router = problems.router(tags=["evaluation"])

MOST_SUBJECTS = 2000
SubjectText = Annotated[str, Field(max_length=LONGEST_SUBJECT)]


class Treated(BaseModel):
    model_config = ConfigDict(extra="forbid")

    subject: SubjectText
    start: date | None = Field(default=None, description="Its own start, where not all start together")


class EvaluationBody(BaseModel):
    """What is to be compared: a KPI, who was treated from when on, and who was not."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kpi: str = Field(min_length=1, max_length=120)
    treated: list[Treated] = Field(min_length=1, max_length=MOST_SUBJECTS)
    comparison: list[SubjectText] = Field(default=[], max_length=MOST_SUBJECTS)
    start: date | None = None
    first: date | None = Field(default=None, alias="from")
    to: date | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class FitView(BaseModel):
    """An estimate between its confidence limits, which are missing with fewer than six subjects."""

    value: float
    lower: float | None
    upper: float | None
    p_value: float | None


class CohortView(BaseModel):
    start: str
    treated: int
    comparison: int
    effect: FitView


class LeftOut(BaseModel):
    subject: str
    reason: str


class EvaluationComputed(BaseModel):
    at: datetime
    parameters: dict[str, float]
    caveats: list[str]


class EvaluationView(BaseModel):
    """How much more the treated changed than the comparison after they started, in the unit of the KPI."""

    kpi: str
    effect: FitView
    cohorts: list[CohortView]
    pre_trend: FitView | None
    says: str
    periods: list[str]
    treated: int
    comparison: int
    left_out: list[LeftOut]
    computed: EvaluationComputed


class CostView(BaseModel):
    """What one outcome cost. With fewer than five outcomes nothing is shown, and `withheld` says why."""

    subject: str
    cost: float | None
    outcomes: float | None
    cost_per_outcome: float | None
    lower: float | None
    upper: float | None
    method: str | None
    withheld: str | None


class CostsView(paging.Page[CostView]):
    computed: EvaluationComputed


class EntryView(BaseModel):
    scheme: str
    party: str
    kind: str
    period: str
    start: date
    end: date
    amount: Pounds
    evidence: str | None


class PartyView(BaseModel):
    """What a party puts in and gets back. `break_even`: the period in which savings cover what it put in."""

    party: str
    invested: Pounds
    saved: Pounds
    matched: Pounds
    net: Pounds
    share_of_investment: float | None
    share_of_savings: float | None
    break_even: str | None


class LedgerView(BaseModel):
    """Who invests and who saves. `leverage`: other money for each pound of our own."""

    scheme: str
    parties: list[PartyView]
    together: PartyView
    leverage: float | None


@router.post("/v1/evaluations/difference-in-differences")
def evaluate(
    body: EvaluationBody, session: Reading, principal: Annotated[Principal, require("read")]
) -> EvaluationView:
    """Difference-in-differences with a staggered start, an interval and a check of the trends before.

    Nothing is kept. A subject without a value in every period is left out, and named.
    """
    number = kpi_number(session, body.kpi)
    starts = {subject_text(one.subject): one.start or body.start for one in body.treated}
    for place, start in enumerate(starts.values()):
        if start is None:
            raise UnfitForEvaluation(f"It is not said when the subject at treated/{place} starts.")
    compared = [text for text in map(subject_text, body.comparison) if text not in starts]
    wanted = list(dict.fromkeys([*starts, *compared]))
    periods, table = _panel(session, number, body, wanted)
    kept, left_out = _without_gaps(wanted, table)
    values = np.array([[table[subject][period] for period in periods] for subject in kept], dtype=np.float64)
    if not kept or not periods:
        raise UnfitForEvaluation("No subject has a value in every period.")
    places = [_start_place(periods, starts.get(subject)) for subject in kept]
    found = difference_in_differences(values, places, confidence=body.confidence)
    return EvaluationView(
        kpi=body.kpi,
        effect=_fit(found.effect),
        cohorts=[
            CohortView(
                start=periods[cohort.start].label,
                treated=cohort.treated,
                comparison=cohort.comparison,
                effect=_fit(cohort.effect),
            )
            for cohort in found.cohorts
        ],
        pre_trend=None if found.pre_trend is None else _fit(found.pre_trend),
        says=_says(found.effect),
        periods=[period.label for period in periods],
        treated=sum(place is not None for place in places),
        comparison=sum(place is None for place in places),
        left_out=left_out,
        computed=EvaluationComputed(
            at=datetime.now(UTC),
            parameters={
                "confidence": body.confidence,
                "fewest_for_interval": evaluation.FEWEST_FOR_INTERVAL,
                "pre_trend_p_value_below": evaluation.UNLIKE_BEFORE,
            },
            caveats=_caveats(found, len(kept), left_out),
        ),
    )


def _panel(
    session: Session, number: int, body: EvaluationBody, wanted: list[str]
) -> tuple[list[Period], dict[str, dict[Period, float]]]:
    numbers = observations.numbers_of_subjects(session, wanted)
    rows = observations.series(session, Asked(number, numbers, body.first, body.to), None) if numbers else []
    named = sorted({Period(row.period_start, row.period_end) for row in rows if row.value is not None})
    held = kpis.in_force(session, body.kpi, today())
    periods = [named[place] for place in of_one_length(named, None if held is None else held.frequency)]
    table: dict[str, dict[Period, float]] = {subject: dict.fromkeys(periods, np.nan) for subject in wanted}
    for row in rows:
        period = Period(row.period_start, row.period_end)
        if row.value is not None and period in table[row.subject_text]:
            table[row.subject_text][period] = row.value
    return periods, table


def _without_gaps(
    wanted: list[str], table: dict[str, dict[Period, float]]
) -> tuple[list[str], list[LeftOut]]:
    kept, left_out = [], []
    for subject in wanted:
        missing = sum(bool(np.isnan(value)) for value in table[subject].values())
        if not missing:
            kept.append(subject)
            continue
        noun = "period" if missing == 1 else "periods"
        left_out.append(LeftOut(subject=subject, reason=f"no value in {missing} {noun}"))
    return kept, left_out


def _start_place(periods: list[Period], start: date | None) -> int | None:
    if start is None:
        return None
    return next((place for place, period in enumerate(periods) if period.start >= start), None)


def _fit(fit: Fit) -> FitView:
    return FitView(value=fit.value, lower=fit.lower, upper=fit.upper, p_value=fit.p_value)


def _says(effect: Fit) -> str:
    if effect.lower is None or effect.upper is None:
        return "Too few subjects to say how far chance alone may have moved it."
    if effect.lower <= 0 <= effect.upper:
        return "The interval includes no difference: it may be chance."
    return "The interval excludes no difference."


def _caveats(found: evaluation.Difference, subjects: int, left_out: list[LeftOut]) -> list[str]:
    caveats = []
    if found.pre_trend is None:
        caveats.append(
            "There is only one period before the start: whether the trends were alike is not known."
        )
    elif found.unlike_before:
        caveats.append(
            "Treated and comparison moved apart before the start already: do not read it as an effect."
        )
    if evaluation.FEWEST_FOR_INTERVAL <= subjects < evaluation.FEW_SUBJECTS:
        caveats.append(f"Only {subjects} subjects: the interval is narrower than it should be.")
    if found.not_yet:
        caveats.append("Those that start later served as comparison until then.")
    if left_out:
        caveats.append(f"{len(left_out)} subjects were left out for want of values.")
    return caveats


@router.get("/v1/evaluations/cost-per-outcome")
def list_costs(
    session: Reading,
    principal: Annotated[Principal, require("money")],
    cost: Annotated[str, Query(max_length=120, description="The KPI that counts pounds")],
    outcome: Annotated[str, Query(max_length=120, description="The KPI that counts outcomes")],
    subject: SubjectQuery,
    start: From = None,
    to: To = None,
    confidence: Annotated[float, Query(gt=0.5, lt=1)] = 0.95,
) -> CostsView:
    """What one outcome cost each provider, with an interval; withheld with fewer than five outcomes."""
    texts = list(dict.fromkeys(subject_text(text) for text in subject))
    costs = _sums(session, kpi_number(session, cost), texts, start, to)
    counts = _sums(session, kpi_number(session, outcome), texts, start, to)
    items = [_cost(text, costs.get(text), counts.get(text), confidence) for text in texts]
    computed = EvaluationComputed(
        at=datetime.now(UTC),
        parameters={"confidence": confidence, "fewest_shown": FEWEST_SHOWN},
        caveats=["Outcomes are taken as a Poisson count; that the cost is what was paid is not checked."],
    )
    return CostsView(items=items, computed=computed)


def _sums(
    session: Session, number: int, texts: list[str], start: date | None, to: date | None
) -> dict[str, float]:
    numbers = observations.numbers_of_subjects(session, texts)
    rows: Any = observations.series(session, Asked(number, numbers, start, to), None) if numbers else []
    by_subject: dict[str, list[tuple[Period, float]]] = {}
    for row in rows:
        if row.value is not None:
            period = Period(row.period_start, row.period_end)
            by_subject.setdefault(row.subject_text, []).append((period, row.value))
    sums = {}
    for text, found in by_subject.items():
        # Months and the year they add up to are not added together.
        kept = of_one_length([period for period, _ in found], None)
        sums[text] = sum(found[place][1] for place in kept)
    return sums


def _cost(subject: str, cost: float | None, outcomes: float | None, confidence: float) -> CostView:
    empty: dict[str, Any] = dict.fromkeys(("cost_per_outcome", "lower", "upper", "method"))
    if cost is None or outcomes is None or cost < 0 or outcomes < 0:
        reason = "cost or outcomes are not known for these periods"
        return CostView(subject=subject, cost=cost, outcomes=None, withheld=reason, **empty)
    found = cost_per_outcome(cost, outcomes, confidence=confidence)
    if found is None:
        reason = f"fewer than {FEWEST_SHOWN} outcomes: too few to show"
        return CostView(subject=subject, cost=None, outcomes=None, withheld=reason, **empty)
    return CostView(
        subject=subject,
        cost=cost,
        outcomes=outcomes,
        cost_per_outcome=found.value,
        lower=found.lower,
        upper=found.upper,
        method=found.method,
        withheld=None,
    )


@router.get("/v1/ledgers")
def list_entries(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("money")],
    scheme: Annotated[str | None, Query(max_length=120)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[EntryView]:
    """What was invested, saved and matched, of the schemes that your authorities are a party of."""
    rows, marker = ledgers.page(session, scheme=scheme, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_entry(row[0]) for row in rows], next=marker)


@router.get("/v1/ledgers/{scheme}")
def read_ledger(
    scheme: str, session: Reading, principal: Annotated[Principal, require("money")]
) -> LedgerView:
    """A scheme: who invests, who saves, when it pays back, and the leverage."""
    rows = ledgers.entries(session, scheme)
    if not rows:
        raise NoSuchScheme
    found = value_for_money.ledger(
        Entry(row.party, row.kind, Period(row.period_start, row.period_end), row.pence) for row in rows
    )
    return LedgerView(
        scheme=scheme,
        parties=[_party(party, found.together) for party in found.parties],
        together=_party(found.together, found.together),
        leverage=found.leverage,
    )


def _entry(row: Any) -> EntryView:
    period = Period(row.period_start, row.period_end)
    return EntryView(
        scheme=row.scheme,
        party=row.party,
        kind=row.kind,
        period=period.label,
        start=period.start,
        end=period.end,
        amount=pounds(row.pence),
        evidence=row.evidence,
    )


def _party(party: value_for_money.Party, together: value_for_money.Party) -> PartyView:
    return PartyView(
        party=party.party,
        invested=pounds(party.invested),
        saved=pounds(party.saved),
        matched=pounds(party.matched),
        net=pounds(party.net),
        share_of_investment=party.invested / together.invested if together.invested else None,
        share_of_savings=party.saved / together.saved if together.saved else None,
        break_even=None if party.break_even is None else party.break_even.label,
    )
