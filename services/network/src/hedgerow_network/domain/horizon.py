"""What ends: services and contracts that run out with nothing to follow, cell by cell and month by month."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.contracts import Contract
from hedgerow_network.domain.cover import Floats, Incidence, Ints, kept
from hedgerow_network.domain.directory import EVER, NEVER, Service
from hedgerow_network.domain.eligibility import WHOLE
from hedgerow_network.domain.gaps import Found, Inquiry, Told, of_cells
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.opening import Moment, open_then
from hedgerow_network.domain.overlap import service_cells

Days = list[tuple[int, int]]
"""Spans of days as ordinals, both ends counted, ascending and apart."""


def standing_days(service: Service, contracts: Sequence[Contract], moment: Moment | None = None) -> Days:
    """The days on which a service counts: active, a contract of it in force if it is linked to any, open (at
    the moment of the week, if one is asked for). `standing.why_not` is None on these days and no others.

    >>> service = Service("a", "A", valid_to=date(2026, 3, 31))
    >>> [(first, date.fromordinal(last)) for first, last in standing_days(service, ())]
    [(0, datetime.date(2026, 3, 31))]
    """
    if service.status != "active" or service.capacity == 0:
        return []
    days = [_span(service.valid_from, service.valid_to)]
    if contracts:
        days = _both(days, _joined(_span(one.start, one.end) for one in contracts if one.may_run))
    if service.openings or moment is not None:
        open_days = [one for one in service.openings if moment is None or open_then(one, moment)]
        days = _both(days, _joined(_span(one.first, one.last) for one in open_days))
    return [(first, last) for first, last in days if first <= last]


def _span(first: date | None, last: date | None) -> tuple[int, int]:
    return (
        EVER if first is None else first.toordinal(),
        NEVER if last is None else last.toordinal(),
    )


def _joined(spans: Iterable[tuple[int, int]]) -> Days:
    made: Days = []
    for first, last in sorted(span for span in spans if span[0] <= span[1]):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return made


def _both(some: Days, others: Days) -> Days:
    found = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
    return sorted((first, last) for first, last in found if first <= last)


@dataclass(frozen=True)
class Horizon:
    """Cover that is there on the date and lapses until a day.

    lapse: (n_cells,) ordinal of the first day without any service that serves the whole, 0 for cells that
    stay covered or are not covered on the date · days: row of the directory → days on which it counts, of
    the services that do not count all the while · turns: (n_turns,) cells and ordinals at which the number of
    services that serve the cell changes to `left`, in the order of cell and day
    """

    of: Assessment
    until: date
    lapse: Ints
    days: dict[int, Days]
    cell: NDArray[np.int64]
    day: Ints
    left: Ints

    def covered(self, day: date) -> NDArray[np.bool_]:
        """(n_cells,) which of the cells covered on the date are covered on a later day."""
        depth = self.of.cover.services.ravel()
        found = np.asarray(depth > 0)
        rows = np.flatnonzero(self.day <= day.toordinal())
        # The last turn up to the day decides: later rows of a cell overwrite earlier ones.
        state = found.copy()
        state[self.cell[rows]] = self.left[rows] > 0
        return found & state


def horizon(of: Assessment, until: date) -> Horizon:
    """Follow every cell from the date to a day, the registry staying as it is: nothing is renewed.

    A cell lapses on the first day on which nobody serves the whole of it any more; a service, or a contract,
    that begins in time to follow prevents it. Cells that lapse and are covered again later have lapsed.
    Edges: `until` before the date, or nothing that ends: nothing lapses.
    """
    facts, at = of.facts, of.question.at.toordinal()
    end = until.toordinal()
    n_cells = len(of.needs) * of.areas.size
    accepts = of.standing.accepts == WHOLE
    concerned = np.flatnonzero(
        accepts & (np.diff(of.held.indptr) > 0) & (np.diff(of.serving.whole.indptr) > 0)
    )
    days: dict[int, Days] = {}
    for row in concerned:
        service = facts.directory.services[row]
        linked = facts.contracts.under(service.id, service.organisation)
        found = standing_days(service, linked, of.question.moment)
        if not any(first <= at and end <= last for first, last in found):
            within = [(first, last) for first, last in found if first <= end and at <= last]
            if within:
                days[int(row)] = within
    rows = np.array(sorted(days), dtype=np.intp)
    lapse = np.zeros(n_cells, np.int32)
    nothing = Horizon(of, until, lapse, days, np.zeros(0, np.int64), lapse[:0], lapse[:0])
    if not rows.size or end <= at:
        return nothing
    chosen = np.zeros(len(facts.directory.services), bool)
    chosen[rows] = True
    moving = Incidence(
        kept(chosen, of.serving.whole), kept(chosen, of.held), of.incidence.unit, of.incidence.n_units
    )
    by_service = service_cells(moving)
    cells, when, change = [], [], []
    for row in rows:
        of_row = by_service.indices[by_service.indptr[row] : by_service.indptr[row + 1]].astype(np.int64)
        for first, last in days[int(row)]:
            for turn, step in ((first, 1), (last + 1, -1)):
                if at < turn <= end:
                    cells.append(of_row)
                    when.append(np.full(of_row.size, turn, np.int32))
                    change.append(np.full(of_row.size, step, np.int32))
    if not cells:
        return nothing
    cell, day, differs = _turns(np.concatenate(cells), np.concatenate(when), np.concatenate(change))
    depth = of.cover.services.ravel().astype(np.int32)
    left = np.asarray(differs + depth[cell], np.int32)
    # Only whoever is covered on the date can lapse; of a cell's turns the first without anybody counts.
    gone = np.flatnonzero((left <= 0) & (depth[cell] > 0))
    which, first_of = np.unique(cell[gone], return_index=True)
    lapse[which] = day[gone[first_of]]
    return Horizon(of, until, lapse, days, cell, day, left)


def _turns(cells: NDArray[np.int64], days: Ints, change: Ints) -> tuple[NDArray[np.int64], Ints, Ints]:
    """Per cell and day, in order, by how much the number of services differs from that on the date."""
    order = np.lexsort((days, cells))
    cells, days, change = cells[order], days[order], change[order]
    opens = np.flatnonzero(np.concatenate([[True], (np.diff(cells) != 0) | (np.diff(days) != 0)]))
    total = np.add.reduceat(change, opens)
    cell, day = cells[opens], days[opens]
    running = np.cumsum(total)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(cell) != 0]))
    before = np.concatenate([[0], running[starts[1:] - 1]])
    size = np.diff(np.concatenate([starts, [cell.size]]))
    return cell, day, (running - np.repeat(before, size)).astype(np.int32)


def why_it_ends(service: Service, contracts: Sequence[Contract], last: date) -> str:
    """What makes a service stop counting after a day, in words."""
    if service.valid_to == last:
        return f"{service.name} ends on {last.isoformat()}"
    ending = [one for one in contracts if one.may_run and one.end == last]
    if ending:
        one = ending[0]
        more = (
            ""
            if one.extended_to is None or one.extended_to <= last
            else (f", with options to extend it to {one.extended_to.isoformat()}")
        )
        return f"the contract “{one.title}” of {service.name} ends on {last.isoformat()}{more}"
    return f"the opening times of {service.name} end on {last.isoformat()}"


def endings(found: Horizon, cell: int) -> list[tuple[int, date]]:
    """The services that serve a cell on the date and have stopped by the day it lapses, with their last day:
    the last to go first.
    """
    of = found.of
    at, lapse = of.question.at.toordinal(), int(found.lapse[cell])
    need, area = divmod(cell, of.areas.size)
    made = []
    for row in of.incidence.services_of(need, area):
        last = next((end for first, end in found.days.get(int(row), ()) if first <= at <= end), None)
        if last is not None and last < lapse:
            made.append((int(row), date.fromordinal(last)))
    return sorted(made, key=lambda one: (-one[1].toordinal(), one[0]))


def _horizon(inquiry: Inquiry) -> Horizon:
    until = inquiry.thresholds.until
    return inquiry.of.once(f"horizon {until}", lambda: horizon(inquiry.of, until))


def future(inquiry: Inquiry) -> Found:
    """Cells that are covered on the date, and will not be before the last day looked at."""
    of, found = inquiry.of, _horizon(inquiry)
    cells = np.flatnonzero(found.lapse)

    def tell(cell: int) -> Told:
        lapse = date.fromordinal(int(found.lapse[cell]))
        ends = endings(found, cell)
        place = of.facts.hierarchy.areas[int(of.areas[cell % of.areas.size])].name
        said = [
            why_it_ends(service, of.facts.contracts.under(service.id, service.organisation), last)
            for service, last in ((of.facts.directory.services[row], last) for row, last in ends)
        ]
        return Told(
            f"From {lapse.isoformat()} nobody serves {place}, and nothing that is known follows: "
            f"{listed(said)}.",
            services=[row for row, _ in ends],
            figures={"uncovered_from": lapse.isoformat()},
        )

    return of_cells(of, cells, tell)


@dataclass(frozen=True)
class Month:
    """Cover lost in a month if nothing is renewed.

    first: its first day (or the day after the date) · lost: cells that lapse in it · people: in them, a
    person counted once for each need · unknown: lost cells whose people are not known · ending: rows of the
    services whose end makes them lapse · uncovered: cells covered on the date that are not on its last day,
    with their people
    """

    first: date
    last: date
    lost: NDArray[np.intp]
    people: float
    unknown: int
    ending: list[int]
    uncovered: int
    people_uncovered: float


def months(found: Horizon) -> list[Month]:
    """Every month from the date to the last day looked at, also those in which nothing is lost."""
    of = found.of
    people: Floats = of.people.count.ravel()
    known = of.people.basis.ravel() > 0
    covered_now = found.covered(of.question.at)
    made: list[Month] = []
    if found.until <= of.question.at:
        return made
    first = of.question.at + timedelta(days=1)
    while first <= found.until:
        following = (
            date(first.year + first.month // 12, first.month % 12 + 1, 1) if first.year < 9999 else None
        )
        last = found.until if following is None else min(following - timedelta(days=1), found.until)
        lost = np.flatnonzero((found.lapse >= first.toordinal()) & (found.lapse <= last.toordinal()))
        gone = covered_now & ~found.covered(last)
        made.append(
            Month(
                first=first,
                last=last,
                lost=lost,
                people=float(people[lost].sum()),
                unknown=int((~known[lost]).sum()),
                ending=sorted({row for cell in lost for row, _ in endings(found, int(cell))}),
                uncovered=int(gone.sum()),
                people_uncovered=float(people[gone].sum()),
            )
        )
        if following is None or last == date.max:
            break
        first = following
    return made
