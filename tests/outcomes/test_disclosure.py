"""Disclosure control: no small number can be read, or worked out from what is shown now or was before."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pytest
from hedgerow_outcomes.domain.disclosure import Equation, is_small, withheld
from hedgerow_outcomes.domain.periods import months
from hedgerow_outcomes.domain.totals import Cell, Tree, apart, equations
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

THRESHOLD = 5
Counts = Mapping[Hashable, Sequence[float]]


def attack(cells: Counts, equations: Sequence[Equation], hidden: set[Hashable]) -> dict[Hashable, float]:
    """An attacker who sees all but the hidden cells and knows that counts are not negative.

    Gives the hidden cells whose value is certain, with it: by the least and the most that each can be.
    """
    unknown = sorted(hidden, key=str)
    place = {key: number for number, key in enumerate(unknown)}
    rows, sums = [], []
    for equation in equations:
        row, rest = np.zeros(len(unknown)), 0.0
        for key, sign in [(equation.total, -1.0), *((part, 1.0) for part in equation.parts)]:
            if key in place:
                row[place[key]] += sign
            else:
                rest += sign * (cells[key][0] if key in cells else 0)
        if row.any():
            rows.append(row)
            sums.append(-rest)
    certain = {}
    for key in unknown:
        aim = np.zeros(len(unknown))
        aim[place[key]] = 1
        ends = []
        for sign in (1, -1):
            found = linprog(sign * aim, A_eq=np.array(rows) if rows else None, b_eq=sums or None)
            ends.append(np.inf if found.status == 3 else sign * found.fun)
        if abs(ends[1] - ends[0]) < 1e-6:
            certain[key] = ends[0]
    return certain


def table(values: Sequence[Sequence[int]]) -> tuple[Counts, list[Equation]]:
    """Rows by columns with totals of both and of all."""
    cells: dict[Hashable, list[float]] = {}
    equations = []
    width = len(values[0])
    for r, row in enumerate(values):
        cells |= {(r, c): [float(value)] for c, value in enumerate(row)}
        cells[r, "all"] = [float(sum(row))]
        equations.append(Equation((r, "all"), tuple((r, c) for c in range(width))))
    for c in range(width):
        cells["all", c] = [float(sum(row[c] for row in values))]
        equations.append(Equation(("all", c), tuple((r, c) for r in range(len(values)))))
    cells["all", "all"] = [float(sum(map(sum, values)))]
    equations.append(Equation(("all", "all"), tuple((r, "all") for r in range(len(values)))))
    equations.append(Equation(("all", "all"), tuple(("all", c) for c in range(width))))
    return cells, equations


def is_recovered(cells: Counts, equations: Sequence[Equation], hidden: set[Hashable]) -> list[Hashable]:
    """The small cells that are shown, or certain to the attacker."""
    shown = [key for key, amounts in cells.items() if key not in hidden and is_small(amounts, THRESHOLD)]
    certain = attack(cells, equations, hidden)
    return shown + [key for key in certain if is_small(cells[key], THRESHOLD)]


def test_the_attacker_of_these_tests_finds_what_primary_suppression_alone_gives_away():
    cells, equations = table([[3, 20, 30], [40, 50, 60]])
    small = {key for key, amounts in cells.items() if is_small(amounts, THRESHOLD)}
    assert attack(cells, equations, small) == {(0, 0): pytest.approx(3)}


def test_a_lone_small_cell_takes_the_smallest_beside_it_along():
    cells = {"all": [52.0], "a": [2.0], "b": [20.0], "c": [30.0]}
    assert withheld(cells, [Equation("all", ("a", "b", "c"))], threshold=5) == {"a", "b"}


def test_small_parts_whose_sum_is_small_are_not_enough():
    cells = {"all": [32.0], "a": [1.0], "b": [1.0], "c": [30.0]}
    assert withheld(cells, [Equation("all", ("a", "b", "c"))], threshold=5) == {"a", "b", "c"}


def test_without_another_part_the_total_goes_and_what_it_is_part_of():
    cells = {"town": [90.0], "east": [3.0], "west": [87.0], "east1": [3.0]}
    equations = [Equation("town", ("east", "west")), Equation("east", ("east1",))]
    assert withheld(cells, equations, threshold=5) == {"east", "east1", "west"}


def test_nothing_small_withholds_nothing():
    cells, equations = table([[10, 20], [0, 40]])
    assert withheld(cells, equations, threshold=5) == set()


def test_what_was_published_protects_nothing():
    cells = {"all": [45.0], "a": [3.0], "b": [20.0], "c": [22.0]}
    equation = Equation("all", ("a", "b", "c"))
    # Before, a was 10: everybody has seen b and c. The new total would give a away.
    found = withheld(cells, [equation], threshold=5, published={"b", "c"})
    assert found == {"a", "all"}
    assert attack(cells, [equation], found) == {}


def test_a_rate_is_small_if_either_of_its_counts_is():
    cells = {"a": [50.0, 4.0], "b": [60.0, 70.0]}
    assert withheld(cells, [], threshold=5) == {"a"}


TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([0, 1, 2, 4, 5, 7, 12, 40]), min_size=width, max_size=width),
        min_size=2,
        max_size=4,
    )
)


@given(TABLES)
@settings(max_examples=60)
def test_an_attacker_recovers_no_small_cell_of_any_table(values):
    cells, equations = table(values)
    hidden = withheld(cells, equations, threshold=THRESHOLD)
    assert is_recovered(cells, equations, hidden) == []


@given(TABLES, st.data())
@settings(max_examples=40)
def test_nor_from_a_table_before_a_correction_and_after(values, data):
    before, equations = table(values)
    first = withheld(before, equations, threshold=THRESHOLD)
    row = data.draw(st.integers(0, len(values) - 1))
    column = data.draw(st.integers(0, len(values[0]) - 1))
    changed = [list(one) for one in values]
    changed[row][column] = data.draw(st.sampled_from([0, 1, 3, 9, 33]))
    after, _ = table(changed)
    published = {key for key in after if after[key] == before[key] and key not in first}
    second = withheld(after, equations, threshold=THRESHOLD, already=first, published=published)
    assert first <= second
    # What was read before and has not changed is known for good.
    certain = attack(after, equations, second - published)
    assert [key for key in certain if key in second and is_small(after[key], THRESHOLD)] == []


# Calendar and financial years share quarters, so that what holds together may reach beyond a year.
PERIODS = [months(2021 + place // 12, place % 12 + 1, 3) for place in range(0, 36, 3)]
PERIODS += [months(2021, 1, 12), months(2022, 4, 12), months(2023, 1, 12), months(2023, 7, 6)]
GRID = [Cell(subject, period) for subject in ("T", "A", "B") for period in PERIODS]
AMOUNTS = st.lists(st.sampled_from([0, 1, 2, 4, 5, 7, 12, 40]), min_size=len(GRID), max_size=len(GRID))
SOME = st.sets(st.sampled_from(GRID), max_size=8)


@given(AMOUNTS, SOME, SOME)
@settings(max_examples=60)
def test_stretches_of_time_are_judged_apart_as_they_are_together(amounts, absent, marked):
    tree = Tree({"A": ["T"], "B": ["T"]}, {})
    cells = {cell: [amount] for cell, amount in zip(GRID, amounts, strict=True) if cell not in absent}

    def judged(some, **marks):
        among = {name: mark & some.keys() for name, mark in marks.items()}
        return withheld(some, equations(some, tree), threshold=THRESHOLD, **among)

    stretches = apart(sorted(cells, key=lambda cell: cell.period), lambda cell: cell.period)
    parts = [{cell: cells[cell] for cell in stretch} for stretch in stretches]
    assert sum(map(len, parts)) == len(cells)
    for mark in ("already", "published"):
        together = judged(cells, **{mark: marked})
        assert together == set().union(*(judged(part, **{mark: marked}) for part in parts))


@given(TABLES)
@settings(max_examples=20)
def test_two_runs_give_the_same(values):
    cells, equations = table(values)
    again = dict(reversed(list(cells.items())))
    assert withheld(cells, equations, threshold=5) == withheld(again, list(equations), threshold=5)
