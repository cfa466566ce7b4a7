"""Ages as half-open intervals, circumstances, cohorts: worked by hand, and against counting half years."""

from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hedgerow_network.domain.eligibility import (
    ALL_AGES,
    NONE,
    PART,
    WHOLE,
    Ages,
    Cohort,
    accepts,
    ages,
    left_out,
    read_cohort,
    united,
)
from hedgerow_network.domain.standing import acceptance
from hedgerow_network.errors import MalformedCohort
from hypothesis import given
from hypothesis import strategies as st

from tests.network.world import facts_of, service

# A grid of quarter years; a point stands for the quarter that begins there.
GRID = np.arange(0, 30, 0.25)
bounds = st.integers(0, 80).map(lambda quarter: quarter / 4)


@st.composite
def intervals(draw):
    low = draw(bounds)
    return Ages(low, draw(st.one_of(st.just(inf), bounds.filter(lambda b: b > low))) if low < 20 else inf)


def on_grid(of):
    return {point for point in GRID.tolist() for one in of if one.low <= point < one.high}


@given(st.lists(intervals(), max_size=5))
def test_united_ages_are_the_same_ages_in_parts_that_do_not_touch(some):
    made = united(some)
    assert on_grid(made) == on_grid(some)
    assert all(first.high < second.low for first, second in pairwise(made))


@given(intervals(), st.lists(intervals(), max_size=5))
def test_what_is_left_out_is_all_that_nobody_accepts(whole, accepted):
    assert on_grid(left_out(whole, accepted)) == on_grid([whole]) - on_grid(accepted)


@given(intervals(), intervals())
def test_a_service_accepts_a_cohort_wholly_partly_or_not_as_the_ages_lie(accepted, asked):
    there, wanted = on_grid([accepted]), on_grid([asked])
    expected = WHOLE if wanted <= there else PART if wanted & there else NONE
    # Beyond the grid both go on: an open bound decides there.
    if asked.high == inf > accepted.high:
        expected = PART if wanted & there else NONE
    assert accepts(accepted, (), Cohort(asked)) == expected


@pytest.mark.parametrize(
    ("minimum", "maximum", "cohort", "expected"),
    [
        (None, 15, "16-17", NONE),
        (18, None, "16-17", NONE),
        (16, 25, "16-17", WHOLE),
        (None, 16, "16-17", PART),
        (None, None, "65+", WHOLE),
        (None, 99, "65+", PART),
        (17, 17, "17", WHOLE),
        (16, 17.5, "17", PART),
    ],
)
def test_a_maximum_age_runs_until_the_next_birthday(minimum, maximum, cohort, expected):
    assert accepts(ages(minimum, maximum), (), read_cohort(cohort)) == expected


@pytest.mark.parametrize(
    ("circumstances", "cohort", "expected"),
    [
        ((), "care-leaver", WHOLE),
        (("care-leaver",), "Care leaver", WHOLE),
        (("carer", "care-leaver"), "care-leaver", WHOLE),
        (("carer",), "care-leaver", NONE),
        (("carer",), "16-17", PART),
    ],
)
def test_a_service_for_certain_circumstances_accepts_who_is_in_one_of_them(circumstances, cohort, expected):
    assert accepts(ALL_AGES, circumstances, read_cohort(cohort)) == expected


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 20), st.none() | st.integers(0, 20)), max_size=5),
    intervals(),
)
def test_all_services_judged_at_once_are_judged_as_one_by_one(rows, asked):
    made = [
        service(
            f"s{place}", needs=[], minimum_age=low, maximum_age=high, circumstances=["carer"] * (place % 2)
        )
        for place, (low, high) in enumerate(rows)
        if low is None or high is None or low <= high
    ]
    directory = facts_of([("service", one["id"], one) for one in made]).directory
    for cohort in (Cohort(asked), Cohort(asked, ("carer",)), Cohort(asked, ("migrant",))):
        one_by_one = [accepts(one.ages, one.circumstances, cohort) for one in directory.services]
        assert acceptance(directory, cohort).tolist() == one_by_one


@pytest.mark.parametrize("said", ["16-17", "65+", "17", "16-17;care-leaver", "care-leaver;carer"])
def test_a_cohort_is_read_as_it_is_written(said):
    assert str(read_cohort(said)) == said


@pytest.mark.parametrize("said", ["17-16", "16-17;18-20", "200", "0-400", "<18", "\x00", "16-17;;<b>"])
def test_what_is_no_cohort_is_refused(said):
    with pytest.raises(MalformedCohort):
        read_cohort(said)


def test_nothing_said_is_no_cohort():
    assert read_cohort(None) is None
    assert read_cohort(" ; ") is None
