"""Did it make a difference? Change where something was done, beside change where it was not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hedgerow_outcomes.errors import UnfitForEvaluation

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_FOR_INTERVAL = 6
FEW_SUBJECTS = 20
UNLIKE_BEFORE = 0.05


@dataclass(frozen=True)
class Fit:
    """An estimate between its confidence limits, which are None with fewer than six subjects."""

    value: float
    lower: float | None
    upper: float | None
    p_value: float | None


@dataclass(frozen=True)
class CohortEffect:
    """The effect on those that started together. start: the place of their first period with treatment"""

    start: int
    treated: int
    comparison: int
    effect: Fit


@dataclass(frozen=True)
class Difference:
    """Difference-in-differences. pre_trend: how much faster the treated changed a period before they started,
    None where there is only one period before · not_yet: whether later starters served as comparison
    """

    effect: Fit
    cohorts: Sequence[CohortEffect]
    pre_trend: Fit | None
    not_yet: bool

    @property
    def unlike_before(self) -> bool:
        """Whether treated and comparison moved apart before anything was done."""
        return self.pre_trend is not None and (self.pre_trend.p_value or 1) < UNLIKE_BEFORE


@dataclass(frozen=True)
class _Stack:
    """One cohort with its comparison: subjects by periods, treated from the column `start` on."""

    units: Ints
    treated: npt.NDArray[np.bool_]
    values: Floats
    start: int


def difference_in_differences(
    values: Floats, starts: Sequence[int | None], *, confidence: float
) -> Difference:
    r"""How much more the treated changed than the comparison, after they started.

    .. math:: (\bar y^{T}_{after} - \bar y^{T}_{before}) - (\bar y^{C}_{after} - \bar y^{C}_{before})

    values: (n_subjects, n_periods), no gaps · starts: the place of each subject's first treated period, None:
    never, which makes it comparison · confidence: a share, as 0.95.

    Staggered starts are stacked: each cohort is compared with those never treated, or where there are none,
    with those that start later, up to the period before the first of them does; so nobody who is treated
    already serves as comparison. The whole effect is that of all stacks in one regression with effects of
    subjects and periods in each. Standard errors are clustered by subject.

    Raises UnfitForEvaluation where there is nobody treated, nobody to compare with, or no period before.
    Source: Baker, Larcker & Wang 2022 on stacking; the regressions are statsmodels'.
    """
    first = np.array([values.shape[1] if start is None else start for start in starts], dtype=np.int64)
    stacks = _stacks(values, first)
    return Difference(
        effect=_fit([(_after(stack), stack) for stack in stacks], confidence),
        cohorts=[
            CohortEffect(
                stack.start,
                int(stack.treated.sum()),
                int((~stack.treated).sum()),
                _fit([(_after(stack), stack)], confidence),
            )
            for stack in stacks
        ],
        pre_trend=_pre_trend(stacks, confidence),
        not_yet=bool((first < values.shape[1]).all()),
    )


def _stacks(values: Floats, first: Ints) -> list[_Stack]:
    n_periods = values.shape[1]
    cohorts = [int(start) for start in np.unique(first) if start < n_periods]
    if not cohorts:
        raise UnfitForEvaluation("Nobody starts within the periods that are looked at.")
    never = first >= n_periods
    stacks = []
    for start in cohorts:
        treated = first == start
        comparison = never if never.any() else first > start
        until = n_periods if never.any() or not comparison.any() else int(first[comparison].min())
        if start == 0 or not comparison.any() or until <= start:
            continue
        members = np.flatnonzero(treated | comparison)
        stacks.append(_Stack(members, treated[members], values[members, :until], start))
    if not stacks:
        raise UnfitForEvaluation("There is no period before the start, or nobody left to compare with.")
    return stacks


def _after(stack: _Stack) -> Floats:
    """1 for a treated subject from its start on, else 0."""
    columns = np.arange(stack.values.shape[1])
    return np.outer(stack.treated, columns >= stack.start).astype(np.float64)


def _pre_trend(stacks: Sequence[_Stack], confidence: float) -> Fit | None:
    """The difference of the slopes before the start: of all cohorts with at least two periods before."""
    usable = [stack for stack in stacks if stack.start >= 2]
    if not usable:
        return None
    before = [
        _Stack(stack.units, stack.treated, stack.values[:, : stack.start], stack.start) for stack in usable
    ]
    slopes = [(np.outer(stack.treated, np.arange(stack.start)).astype(np.float64), stack) for stack in before]
    return _fit(slopes, confidence)


def _fit(parts: Sequence[tuple[Floats, _Stack]], confidence: float) -> Fit:
    """The coefficient of a regressor, with effects of subjects and periods taken out of each stack."""
    # Imported here: it takes longer to load than all else together, and few questions need it.
    from statsmodels.regression.linear_model import OLS

    y = np.concatenate([_without_means(stack.values).ravel() for _, stack in parts])
    x = np.concatenate([_without_means(regressor).ravel() for regressor, _ in parts])
    units = np.concatenate([np.repeat(stack.units, stack.values.shape[1]) for _, stack in parts])
    if not np.any(np.abs(x) > 0):
        raise UnfitForEvaluation("Treated and comparison cannot be told apart in these periods.")
    model = OLS(y, x)
    if np.unique(units).size < FEWEST_FOR_INTERVAL:
        return Fit(float(model.fit().params[0]), None, None, None)
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": units}, use_t=True)
    lower, upper = (float(limit) for limit in fitted.conf_int(alpha=1 - confidence)[0])
    p_value = float(fitted.pvalues[0])
    return Fit(float(fitted.params[0]), lower, upper, p_value if np.isfinite(p_value) else None)


def _without_means(table: Floats) -> Floats:
    """A table less the means of its rows and columns: exact for a panel without gaps."""
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    left: Floats = table - rows - columns + table.mean()
    return left
