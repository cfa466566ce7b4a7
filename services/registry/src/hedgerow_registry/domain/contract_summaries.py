"""Figures over many contracts: who bids and who wins, and how programmes stand."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import fsum
from typing import Any, Final, NamedTuple

from hedgerow_registry.domain import contracts as terms
from hedgerow_registry.domain.contracts import Evidence
from hedgerow_registry.domain.sizes import is_sme

ALL: Final = "all"
UNKNOWN: Final = "unknown"
MOST_BIDS: Final = 1_000_000_000


@dataclass(frozen=True)
class Body:
    """What is known of an organisation where contracts are counted by it.

    schemes: of its identifiers · user_led, supported_business, public_service_mutual: each with its evidence
    and its day
    """

    name: str
    sector: str | None = None
    size_band: str | None = None
    schemes: tuple[str, ...] = ()
    user_led: Evidence = field(default_factory=lambda: Evidence(None))
    supported_business: Evidence = field(default_factory=lambda: Evidence(None))
    public_service_mutual: Evidence = field(default_factory=lambda: Evidence(None))


class BidCount(NamedTuple):
    """Bids of one group of bidders.

    stated: those of the bids that are known by their number alone · bidders: distinct organisations ·
    wins: bids that were awarded.
    """

    group: str
    bids: int
    stated: int
    bidders: int
    wins: int


class Bids(NamedTuple):
    """What a process tells of its bids.

    listed: each, with `bidder_ids` and `won` · statistics: what it publishes of their number, each with its
    `measure`, its `value` and perhaps the `lot` it is about
    """

    listed: Sequence[Mapping[str, Any]]
    statistics: Sequence[Mapping[str, Any]] = ()

    def stated(self, *, by_size: bool) -> dict[str, int]:
        """Bids by group where only their number is published; a group that no statistic names is `unknown`.

        >>> five, three = {"measure": "bids", "value": 5}, {"measure": "smeBids", "value": 3}
        >>> Bids([], [five, three]).stated(by_size=True)
        {'all': 5, 'sme': 3, 'unknown': 2}
        """
        if self.listed:
            return {}
        told = self._told()
        smes = told.get("smeBids", 0)
        every = max(told.get("bids", told.get("validBids", 0)), smes)
        of_smes = smes if by_size else 0
        found = {ALL: every, "sme": of_smes, UNKNOWN: every - of_smes}
        return {group: number for group, number in found.items() if number}

    def _told(self) -> dict[str, int]:
        """Each measure: what is said of the process as a whole, else the sum of what is said of its lots."""
        whole: dict[str, int] = {}
        of_lots = Counter[str]()
        for one in self.statistics:
            measure, value = one["measure"], one["value"]
            # What is no number of bids tells of none.
            if value is None or not 0 <= value <= MOST_BIDS or value != int(value):
                continue
            if one.get("lot"):
                of_lots[measure] += int(value)
            else:
                whole[measure] = int(value)
        return {**of_lots, **whole}


def bid_counts(
    processes: Iterable[Bids], group_of: Callable[[str], str | None], *, by_size: bool = True
) -> list[BidCount]:
    """Bids, bidders and wins by the group of the bidder.

    group_of: the group of an organisation, `None` where it is not known · by_size: whether the groups are
    bands of size, of which statistics name one. A bid of several bodies counts once in the group of each, and
    once in `all`; one whose bidders are not named counts as `unknown`. Returns `all`, the groups by name, and
    `unknown`.

    >>> bid_counts([Bids([{"bidder_ids": ["a"], "won": True}])], {"a": "small"}.get)[1]
    BidCount(group='small', bids=1, stated=0, bidders=1, wins=1)
    """
    bids, stated, wins = Counter({ALL: 0}), Counter[str](), Counter[str]()
    bidders: defaultdict[str, set[str]] = defaultdict(set)
    for process in processes:
        for bid in process.listed:
            of = {group_of(id) or UNKNOWN: set[str]() for id in bid["bidder_ids"]} or {UNKNOWN: set()}
            for id in bid["bidder_ids"]:
                of[group_of(id) or UNKNOWN].add(id)
            of[ALL] = set(bid["bidder_ids"])
            for group, ids in of.items():
                bids[group] += 1
                wins[group] += bool(bid["won"])
                bidders[group] |= ids
        stated.update(process.stated(by_size=by_size))
    bids.update(stated)
    order = sorted(bids, key=lambda group: (group != ALL, group == UNKNOWN, group))
    return [BidCount(group, bids[group], stated[group], len(bidders[group]), wins[group]) for group in order]


class ProgrammeStatus(NamedTuple):
    """How a programme stands at one buyer. started: whether a contract of it has begun by the day asked."""

    programme: str
    buyer_id: str | None
    planned: int
    tendered: int
    contracts: int
    in_force: int
    started: bool
    first_start: date | None
    value_gbp: float | None


@dataclass(frozen=True)
class Step:
    """A process or a contract of a programme: its stage, buyers, dates, status and value in pounds."""

    programme: str
    stage: str
    buyer_ids: tuple[str, ...]
    status: str | None
    starts: date | None
    ends: date | None
    value_gbp: float | None


def programme_statuses(steps: Iterable[Step], *, at: date) -> list[ProgrammeStatus]:
    """Programmes by buyer: what is planned, out to tender, agreed and running.

    steps: processes of which no contract has come (`planning`, `tender`) and contracts (`award`, `contract`);
    one of several buyers counts with each of them. A contract has started if it is not pending or cancelled
    and its start is `at` or before. The value is the sum of the contracts' values that are known in pounds,
    `None` without any. Returns rows by programme and buyer.

    >>> [row.started for row in programme_statuses(
    ...     [Step("Warm", "contract", ("a",), "active", date(2025, 4, 1), None, 5.0)], at=date(2025, 5, 1))]
    [True]
    """
    groups: dict[tuple[str, str | None], list[Step]] = {}
    for step in steps:
        for buyer in step.buyer_ids or (None,):
            groups.setdefault((step.programme, buyer), []).append(step)
    rows = []
    for (programme, buyer), listed in sorted(groups.items(), key=lambda one: (one[0][0], one[0][1] or "")):
        agreed = [step for step in listed if step.stage in ("award", "contract")]
        binding = [step for step in agreed if step.status not in ("pending", "cancelled")]
        starts = [step.starts for step in binding if step.starts is not None]
        values = [step.value_gbp for step in binding if step.value_gbp is not None]
        rows.append(
            ProgrammeStatus(
                programme,
                buyer,
                planned=sum(step.stage == "planning" for step in listed),
                tendered=sum(step.stage == "tender" for step in listed),
                contracts=len(agreed),
                in_force=sum(terms.in_force(step.status, step.starts, step.ends, at=at) for step in agreed),
                started=any(start <= at for start in starts),
                first_start=min(starts, default=None),
                value_gbp=round(fsum(values), 2) if values else None,
            )
        )
    return rows


def known_of(body: Body) -> dict[str, Evidence]:
    """What is known of an organisation for a reservation, by the status it may ask for."""
    charity = next((scheme for scheme in body.schemes if scheme in terms.CHARITY_REGISTERS), None)
    third = terms.is_third_sector(body.sector, body.schemes, None)
    sector = f"the registry has it in the sector {body.sector}"
    return {
        "user_led": body.user_led,
        "supported_business": body.supported_business,
        "charity": Evidence(True, f"it stands in a register of charities ({charity})")
        if charity
        else Evidence(None if body.sector is None else body.sector == "charity", sector),
        "public_service_mutual": _as_mutual(body, sector),
        "third_sector": Evidence(third, sector if body.sector else "its registers"),
        "small": Evidence(is_sme(body.size_band), f"its size is {body.size_band}"),
    }


def _as_mutual(body: Body, sector: str) -> Evidence:
    """What is stated with evidence, else what the sector tells; of a social enterprise that is nothing."""
    if body.public_service_mutual.status is not None:
        return body.public_service_mutual
    if body.sector == "mutual":
        return Evidence(True, sector)
    return Evidence(None if body.sector in (None, "social enterprise") else False, sector)
