"""`/v1/intervals`: confidence intervals of figures that are sent, computed as those of KPIs are."""

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hedgerow_outcomes.domain import intervals
from hedgerow_outcomes.domain.intervals import EXACT_BELOW, Interval, Reference, Stratum
from hedgerow_outcomes.errors import UnfitForInterval

router = problems.router(tags=["intervals"])

MOST_STRATA = 1000
MOST_VALUES = 100_000
# Far above any count of people, and far below where products of three leave the range of numbers.
LARGEST = 1e15

Count = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Asked(_Strict):
    confidence: float = Field(default=0.95, ge=0.5, le=0.9999, description="A share: 0.95, 0.998")
    multiplier: float = Field(default=1, gt=0, le=1e9, allow_inf_nan=False, description="100 for per cent")


class WilsonBody(_Asked):
    """A proportion: how many of how many."""

    method: Literal["wilson"]
    numerator: Count
    denominator: Count

    def computed(self) -> Interval:
        return intervals.wilson(
            self.numerator, self.denominator, confidence=self.confidence, multiplier=self.multiplier
        )


class CountBody(_Asked):
    """A count, or with a population a rate. `poisson`: exact below 10 events, Byar's from 10 on."""

    method: Literal["byar", "exact", "poisson"]
    count: Count
    population: Count = 1

    def computed(self) -> Interval:
        if not self.population > 0:
            raise UnfitForInterval("a rate needs a population of more than 0")
        by = {"byar": intervals.byar, "exact": intervals.exact_poisson, "poisson": intervals.poisson}
        scale = self.multiplier / self.population
        found = by[self.method](self.count, confidence=self.confidence)
        return Interval(found.value * scale, found.lower * scale, found.upper * scale, found.method)


class DirectStratum(_Strict):
    """An age band: events, those at risk, and how many of them the standard population has."""

    count: Count
    population: Count
    standard: Count


class DirectBody(_Asked):
    """A directly standardised rate, from strata, or from `count`, `rate` (per head) and its `variance`."""

    method: Literal["dsr"]
    strata: list[DirectStratum] | None = Field(default=None, min_length=1, max_length=MOST_STRATA)
    count: Count | None = None
    rate: Count | None = None
    variance: Count | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "DirectBody":
        _either("strata", self.strata, {"count": self.count, "rate": self.rate, "variance": self.variance})
        return self

    def computed(self) -> Interval:
        if self.strata is not None:
            return intervals.directly_standardised(
                [Stratum(one.count, one.population, one.standard) for one in self.strata],
                confidence=self.confidence,
                multiplier=self.multiplier,
            )
        assert self.count is not None
        assert self.rate is not None
        assert self.variance is not None
        return intervals.dobson(
            self.rate, self.variance, self.count, confidence=self.confidence, multiplier=self.multiplier
        )


class IndirectStratum(_Strict):
    """An age band: those at risk here, and events and those at risk in the reference population."""

    population: Count
    reference_count: Count
    reference_population: Count


class IndirectBody(_Asked):
    """An indirectly standardised ratio (SMR) or rate of what was observed.

    What was expected follows from `strata`, or is stated; without strata a rate needs `reference_rate`, per
    head.
    """

    method: Literal["isr"]
    observed: Count
    gives: Literal["ratio", "rate"] = "ratio"
    strata: list[IndirectStratum] | None = Field(default=None, min_length=1, max_length=MOST_STRATA)
    expected: Count | None = None
    reference_rate: Count | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "IndirectBody":
        _either("strata", self.strata, {"expected": self.expected})
        wants_rate = self.gives == "rate" and self.strata is None
        if wants_rate != (self.reference_rate is not None):
            raise ValueError(
                "`reference_rate` goes with `expected` and `gives` “rate”, and with nothing else"
            )
        return self

    def computed(self) -> Interval:
        expected, rate = self.expected or 0.0, self.reference_rate
        if self.strata is not None:
            expected, rate = intervals.expected_of(
                [
                    Reference(one.population, one.reference_count, one.reference_population)
                    for one in self.strata
                ]
            )
        return intervals.indirectly_standardised(
            self.observed,
            expected,
            confidence=self.confidence,
            reference_rate=1.0 if self.gives == "ratio" or rate is None else rate,
            multiplier=self.multiplier,
        )


class MeanBody(_Asked):
    """The mean of a sample, from its values, or from `mean`, `deviation` (with n - 1 below) and `size`."""

    method: Literal["student"]
    values: list[Number] | None = Field(default=None, min_length=2, max_length=MOST_VALUES)
    mean: Number | None = None
    deviation: Count | None = None
    size: int | None = Field(default=None, ge=2, le=10**12)

    @model_validator(mode="after")
    def _one_way(self) -> "MeanBody":
        _either("values", self.values, {"mean": self.mean, "deviation": self.deviation, "size": self.size})
        return self

    def computed(self) -> Interval:
        if self.values is not None:
            return intervals.student(self.values, confidence=self.confidence, multiplier=self.multiplier)
        assert self.mean is not None
        assert self.deviation is not None
        assert self.size is not None
        return intervals.mean_of_sample(
            self.mean, self.deviation, self.size, confidence=self.confidence, multiplier=self.multiplier
        )


IntervalBody = Annotated[
    WilsonBody | CountBody | DirectBody | IndirectBody | MeanBody, Field(discriminator="method")
]


class IntervalComputed(BaseModel):
    at: datetime
    parameters: dict[str, float]
    caveats: list[str]


class IntervalView(BaseModel):
    """`method`: how the limits came about; a rate of fewer than ten events has exact ones."""

    value: float
    lower: float
    upper: float
    method: str
    computed: IntervalComputed


@router.post("/v1/intervals")
def compute_interval(body: IntervalBody, principal: Annotated[Principal, require("read")]) -> IntervalView:
    """The confidence interval of a figure. Nothing is stored.

    `wilson` for a proportion; `byar`, `exact` or `poisson` (exact below 10, Byar's above) for a count or a
    rate; `dsr` and `isr` for rates standardised directly (Dobson) and indirectly; `student` for a mean.
    """
    found = body.computed()
    if not all(math.isfinite(number) for number in found[:3]):
        raise UnfitForInterval("the limits are too large for a number")
    return IntervalView(
        **found._asdict(),
        computed=IntervalComputed(
            at=datetime.now(UTC),
            parameters={"confidence": body.confidence, "multiplier": body.multiplier},
            caveats=_caveats(body),
        ),
    )


def _caveats(body: _Asked) -> list[str]:
    if isinstance(body, CountBody) and body.method == "byar" and body.count < EXACT_BELOW:
        return [f"Byar's is an approximation: below {EXACT_BELOW} events `exact` is to be preferred."]
    if isinstance(body, IndirectBody):
        return ["What is expected counts as known: only the observed count varies."]
    return []


def _either(name: str, whole: object, parts: dict[str, object]) -> None:
    given = [part for part, value in parts.items() if value is not None]
    together = ", ".join(f"`{part}`" for part in parts)
    if (whole is None and len(given) < len(parts)) or (whole is not None and given):
        raise ValueError(f"either `{name}` or all of {together}")
