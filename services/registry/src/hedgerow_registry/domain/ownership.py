"""Who owns and who controls, as of a day: chains to the ultimate owners, and what each of them can decide.

Everything here is worked out of stated interests alone. What is not stated is unknown, and unknown is an
answer of its own: it is never taken for "nobody".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Final, Literal, NamedTuple

from hedgerow_registry.domain.interests import (
    ANY,
    FEE,
    ORGANISATION,
    OWNERSHIP,
    PERSON,
    SEATS,
    UNKNOWN,
    UNSPECIFIED,
    WHOLE,
    Interest,
    OwnerKind,
    Share,
    handed_over,
)

SHARES: Final = "shares"
VOTES: Final = "votes"
BOARD: Final = "board"
PROFIT: Final = "profit"
SURPLUS: Final = "surplus_assets"
RIGHTS: Final = (SHARES, VOTES, BOARD, PROFIT, SURPLUS)

CERTAIN: Final = "certain"
POSSIBLE: Final = "possible"
NO: Final = "no"
UNSURE: Final = "unknown"
Verdict = Literal["certain", "possible", "no", "unknown"]
End = Literal["person", "unknown", "circle", "no owner known"]

MAJORITY: Final = 50.0
SIGNIFICANT: Final = 25.0
MOST_PATHS: Final = 500

_RIGHT: Final[Mapping[str, str]] = {
    "shareholding": SHARES,
    OWNERSHIP: SHARES,
    "votingRights": VOTES,
    "appointmentOfBoard": BOARD,
    "rightsToProfitOrIncome": PROFIT,
    "rightToProfitOrIncomeFromAssets": PROFIT,
    FEE: PROFIT,
    "rightsToSurplusAssetsOnDissolution": SURPLUS,
}
# A right that is stated without a share, and that nobody else holds, is taken as the whole of it.
_WHOLE_IF_ALONE: Final = frozenset(
    {"appointmentOfBoard", "rightsToProfitOrIncome", "rightsToSurplusAssetsOnDissolution"}
)
_CONTROLS: Final = frozenset({"controlViaCompanyRulesOrArticles", "controlByLegalFramework"})
_MAY_CONTROL: Final = frozenset({"otherInfluenceOrControl", "trustee", "nominator"})
_UNTOLD: Final = frozenset({"unknownInterest", "unpublishedInterest", UNSPECIFIED})


class Holding(NamedTuple):
    """What one owner holds of one right in one subject. stated: every interest in it has a share."""

    share: Share
    stated: bool
    indirect: bool


class Controllers(NamedTuple):
    """The owners next to a subject that control it. joint: none alone, but a few together."""

    owners: tuple[str, ...]
    joint: bool


class Path(NamedTuple):
    """A chain from a subject upwards. nodes: the subject first, the last owner last · end: why it ends there,
    `person`, `unknown`, `circle` or `no owner known`.
    """

    nodes: tuple[str, ...]
    end: End


@dataclass(frozen=True)
class Chains:
    """All chains above a subject. paths: in the order of their ids · circle: bodies that own one another ·
    shares: the part of the subject that each owner holds along all chains, `None` where a link has no share ·
    cut: whether there are more paths than were followed.
    """

    paths: tuple[Path, ...]
    circle: tuple[str, ...] = ()
    shares: Mapping[str, Share | None] = field(default_factory=dict)
    cut: bool = False


class Structure:
    """The interests that are in force on a day, with what follows from them.

    interests: everything stated about the bodies concerned, of any date · majority: control is more than this
    part, in per cent · significant: joint holders have more than this part each. Relabelling ids changes
    nothing but the order of ties; an interest in a body that is not above a subject changes nothing there.
    """

    def __init__(
        self,
        interests: Iterable[Interest],
        at: date,
        *,
        majority: float = MAJORITY,
        significant: float = SIGNIFICANT,
    ) -> None:
        self.at = at
        self.majority = majority
        self.significant = significant
        self._stated: dict[str, list[Interest]] = {}
        self._kind: dict[str, OwnerKind] = {}
        self._groups: dict[tuple[str, bool], frozenset[str]] = {}
        self._holdings: dict[tuple[str, str], Mapping[str, Holding]] = {}
        self._controllers: dict[str, Controllers] = {}
        known = handed_over(interests)
        pairs = {(one.subject, one.owner) for one in known if not one.plain}
        plain: list[Interest] = []
        for one in sorted(known, key=lambda one: (one.subject, one.owner, one.type, one.id)):
            self._kind.setdefault(one.owner, one.owner_kind)
            if one.subject == one.owner or not one.holds(at):
                continue
            if not one.plain:
                self._stated.setdefault(one.subject, []).append(one)
            elif (one.subject, one.owner) not in pairs:
                plain.append(one)
        self._settle(plain)

    def _settle(self, plain: Iterable[Interest]) -> None:
        """Names in a list of owners count where no stated interest settles who controls."""
        listed = list(plain)
        settled = {subject: bool(self._deciding(subject)) for subject in {one.subject for one in listed}}
        for one in listed:
            if not settled[one.subject]:
                self._stated.setdefault(one.subject, []).append(one)
        for worked_out in ("_counting", "_links", "_owned"):
            self.__dict__.pop(worked_out, None)
        self._holdings.clear()

    def kind(self, node: str) -> OwnerKind:
        """What a node is, as far as the interests tell: `organisation` unless one says otherwise."""
        return self._kind.get(node, ORGANISATION)

    def interests_in(self, subject: str) -> Sequence[Interest]:
        """All interests in force in a subject, in the order of owner and kind."""
        return self._stated.get(subject, ())

    @cached_property
    def _counting(self) -> dict[str, list[Interest]]:
        """The interests in each subject that make it owned or controlled.

        An indirect one counts only where no chain of others joins the two: else it would count twice.
        """
        near: dict[str, set[str]] = {}
        for subject, held in self._stated.items():
            for one in held:
                if one.type not in SEATS and one.directness != "indirect":
                    near.setdefault(subject, set()).add(one.owner)

        def joined(one: Interest) -> bool:
            between = near.get(one.subject, set()) - {one.owner}
            return any(one.owner in _above(node, lambda above: near.get(above, ())) for node in between)

        return {
            subject: [
                one
                for one in held
                if one.type not in SEATS and not (one.directness == "indirect" and joined(one))
            ]
            for subject, held in self._stated.items()
        }

    @cached_property
    def _links(self) -> dict[str, tuple[str, ...]]:
        """The owners next to each subject, in order."""
        return {
            subject: tuple(sorted({one.owner for one in held})) for subject, held in self._counting.items()
        }

    @cached_property
    def _owned(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for subject, owners in self._links.items():
            for owner in owners:
                found.setdefault(owner, []).append(subject)
        return found

    def owners_of(self, subject: str) -> tuple[str, ...]:
        """The owners next to a subject; empty where none is known."""
        return self._links.get(subject, ())

    def above(self, subject: str) -> tuple[str, ...]:
        """All owners at any distance, in order; the subject itself is never among them."""
        return tuple(sorted(_above(subject, self.owners_of) - {subject}))

    def holdings(self, subject: str, right: str) -> Mapping[str, Holding]:
        """Who holds how much of a right in a subject.

        Interests of one owner and source add up; where sources differ the range spans them. A share that is
        not stated is anything from 0 to 100, except that a sole holder of the board, the profit or the
        surplus holds the whole.
        """
        found = self._holdings.get((subject, right))
        if found is None:
            found = self._holdings[subject, right] = self._held(subject, right)
        return found

    def _held(self, subject: str, right: str) -> dict[str, Holding]:
        by_owner: dict[str, dict[str, list[Interest]]] = {}
        for one in self._counting.get(subject, ()):
            if _RIGHT.get(one.type) != right or (one.share is None and not _counts_unstated(one.type)):
                continue
            by_owner.setdefault(one.owner, {}).setdefault(one.source, []).append(one)
        alone = len(by_owner) == 1
        made = {}
        for owner, by_source in by_owner.items():
            sums = [_sum([_share_of(one, alone) for one in held]) for held in by_source.values()]
            everything = [one for held in by_source.values() for one in held]
            made[owner] = Holding(
                _hull(sums),
                all(one.share is not None or (alone and one.type in _WHOLE_IF_ALONE) for one in everything),
                all(one.directness == "indirect" for one in everything),
            )
        return made

    def right(self, owner: str, subject: str, right: str) -> Verdict:
        """Whether an owner, with all that it controls, holds the majority of a right in a subject.

        `certain` whatever the shares are within their ranges, `possible`, `no`; `unknown` where it hangs on
        a share that is not stated.
        """
        return self._majority(
            self.group(owner, sure=True), self.group(owner, sure=False), self.holdings(subject, right)
        )

    def _majority(
        self, sure: frozenset[str], perhaps: frozenset[str], holdings: Mapping[str, Holding]
    ) -> Verdict:
        certain = _sum([held.share for owner, held in holdings.items() if owner in sure])
        others = sum(
            held.share.low for owner, held in holdings.items() if owner not in perhaps and not held.indirect
        )
        wide = [held for owner, held in holdings.items() if owner in perhaps]
        if certain is not None and certain.surely_above(self.majority):
            return CERTAIN
        most = _sum([held.share for held in wide])
        if most is None or not Share(0, min(most.high, 100.0 - others)).perhaps_above(self.majority):
            return NO
        return POSSIBLE if all(held.stated for held in wide) else UNSURE

    def control(self, owner: str, subject: str) -> Verdict:
        """Whether an owner, with all that it controls, decides over a subject.

        By votes where any are stated, else by shares; by the board; by articles or law; by being called its
        owner without any right being named.
        """
        sure, perhaps = self.group(owner, sure=True), self.group(owner, sure=False)
        return self._decides(sure - {subject}, perhaps - {subject}, subject)

    def _decides(self, sure: frozenset[str], perhaps: frozenset[str], subject: str) -> Verdict:
        voting = self._voting(subject)
        verdicts: set[Verdict] = {
            self._majority(sure, perhaps, self.holdings(subject, right)) for right in (voting, BOARD)
        }
        for one in self._counting.get(subject, ()):
            if one.owner in perhaps:
                verdicts.add(self._by_other_means(one, one.owner in sure))
        order: tuple[Verdict, ...] = (CERTAIN, POSSIBLE, UNSURE, NO)
        return next(verdict for verdict in order if verdict in verdicts)

    def _by_other_means(self, one: Interest, sure: bool) -> Verdict:
        if one.type in _CONTROLS or (one.type == OWNERSHIP and one.share is None):
            return CERTAIN if sure else POSSIBLE
        if one.type in _MAY_CONTROL:
            return POSSIBLE
        if one.type in _UNTOLD and (one.share or ANY).perhaps_above(self.majority):
            return UNSURE
        return NO

    def _voting(self, subject: str) -> str:
        return VOTES if self.holdings(subject, VOTES) else SHARES

    def group(self, owner: str, *, sure: bool) -> frozenset[str]:
        """An owner with all that it controls, also through what it controls; `sure`: for certain only."""
        found = self._groups.get((owner, sure))
        if found is None:
            found = self._groups[owner, sure] = self._controlled(owner, sure)
        return found

    def _controlled(self, owner: str, sure: bool) -> frozenset[str]:
        group = {owner}
        waiting = list(self._owned.get(owner, ()))
        while waiting:
            subject = waiting.pop()
            if subject in group:
                continue
            now = frozenset(group)
            verdict = self._decides(now, now, subject)
            if verdict == CERTAIN or (not sure and verdict != NO):
                group.add(subject)
                waiting += self._owned.get(subject, ())
        return frozenset(group)

    def controllers(self, subject: str) -> Controllers:
        """The owners next to a subject that control it for certain, in order; or those who do together.

        First those whose own interests suffice; else those who have it with what they control; else joint
        holders: each surely more than the significant part of the votes (or of the board), none surely the
        majority, all together surely the majority. An owner that is known to hold indirectly stands above the
        direct ones and is given instead of them.
        """
        found = self._controllers.get(subject)
        if found is None:
            found = self._controllers[subject] = self._controlling(subject)
        return found

    def _controlling(self, subject: str) -> Controllers:
        deciding = self._deciding(subject)
        if deciding:
            return Controllers(deciding, False)
        near = self.owners_of(subject)
        if len(near) > 1:
            grouped = [owner for owner in near if self.control(owner, subject) == CERTAIN]
            if grouped:
                return Controllers(tuple(grouped), False)
        return Controllers(self._joint(subject), True)

    def _deciding(self, subject: str) -> tuple[str, ...]:
        deciding = [
            owner
            for owner in self.owners_of(subject)
            if self._decides(frozenset({owner}), frozenset({owner}), subject) == CERTAIN
        ]
        indirect = [owner for owner in deciding if self._only_indirect(owner, subject)]
        return tuple(indirect or deciding)

    def _only_indirect(self, owner: str, subject: str) -> bool:
        return all(
            one.directness == "indirect" for one in self._counting.get(subject, ()) if one.owner == owner
        )

    def _joint(self, subject: str) -> tuple[str, ...]:
        for right in (self._voting(subject), BOARD):
            holders = {
                owner: held.share
                for owner, held in self.holdings(subject, right).items()
                if held.share.surely_above(self.significant)
            }
            together = _sum(list(holders.values()))
            if len(holders) > 1 and together is not None and together.surely_above(self.majority):
                return tuple(sorted(holders))
        return ()

    def ultimate(self, subject: str, *, organisations: bool = False) -> tuple[str, ...]:
        """Where control ends: the controllers' controllers to the end, in order; empty where nobody controls.

        organisations: go from organisation to organisation only, so that a company which a person controls is
        an end itself. Bodies that control one another in a circle without anybody outside stand for
        themselves, all of them.
        """

        def above(node: str) -> tuple[str, ...]:
            owners = self.controllers(node).owners
            if organisations:
                return tuple(owner for owner in owners if self.kind(owner) == ORGANISATION)
            return owners

        reached = _above(subject, above)
        ends = {node for node in reached if not above(node)}
        return tuple(sorted(ends or (node for node in reached if node in _above(node, above))))

    def chains(self, subject: str, *, most: int = MOST_PATHS) -> Chains:
        """Every chain of owners above a subject, each to its end, and the parts held along them.

        A chain never passes the same body twice: where it would, it ends in a circle. A part along a chain is
        the product of the shares of its links; the parts of several chains add up. Where bodies own one
        another, parts that go round the circle are not counted.
        """
        paths: list[Path] = []
        circle: set[str] = set()
        parts: dict[str, list[Share | None]] = {}
        waiting: list[tuple[tuple[str, ...], Share | None]] = [((subject,), WHOLE)]
        while waiting and len(paths) < most:
            nodes, part = waiting.pop()
            owners = self.owners_of(nodes[-1])
            onward = [owner for owner in owners if owner not in nodes]
            for owner in owners:
                if owner in nodes:
                    circle.update(nodes[nodes.index(owner) :])
            if not onward:
                if len(nodes) > 1:
                    paths.append(Path(nodes, self._end(nodes[-1], circled=bool(owners))))
                continue
            for owner in reversed(onward):
                held = self.holdings(nodes[-1], SHARES).get(owner)
                link = held.share if held is not None and held.stated else None
                now = None if part is None or link is None else _times(part, link)
                parts.setdefault(owner, []).append(now)
                waiting.append(((*nodes, owner), now))
        cut = bool(waiting)
        shares = {owner: None if cut else _total(found) for owner, found in parts.items()}
        return Chains(tuple(sorted(paths)), tuple(sorted(circle)), shares, cut)

    def _end(self, node: str, *, circled: bool) -> End:
        if circled:
            return "circle"
        ends: Mapping[str, End] = {PERSON: "person", UNKNOWN: "unknown"}
        return ends.get(self.kind(node), "no owner known")

    def path_to(self, subject: str, owner: str) -> tuple[str, ...]:
        """The shortest chain from a subject up to an owner, the lowest ids first among equals; or nothing."""
        came: dict[str, str] = {}
        layer = [subject]
        while layer and owner not in came:
            following = []
            for node in layer:
                for one in self.owners_of(node):
                    if one != subject and one not in came:
                        came[one] = node
                        following.append(one)
            layer = following
        if owner not in came:
            return ()
        path = [owner]
        while path[-1] != subject:
            path.append(came[path[-1]])
        return tuple(reversed(path))


class Period(NamedTuple):
    """An owner's control of a subject over time. start: the first day, `None` = always · until: the first day
    without, `None` = open.
    """

    owner: str
    start: date | None
    until: date | None

    @property
    def last(self) -> date | None:
        """The last day with, `None` = open."""
        return None if self.until is None else self.until - timedelta(days=1)


def control_periods(subject: str, interests: Sequence[Interest]) -> list[Period]:
    """Who next to a subject controls it, alone or jointly, and from when to when; organisations only.

    interests: those in the subject and in all above it. In the order of owner and start.

    >>> council = Interest("1", "care", "council", until=date(2024, 4, 1))
    >>> mutual = Interest("2", "care", "mutual", start=date(2024, 4, 1))
    >>> [tuple(map(str, period)) for period in control_periods("care", [council, mutual])]
    [('council', 'None', '2024-04-01'), ('mutual', '2024-04-01', 'None')]
    """
    own = [one for one in interests if one.subject == subject]
    if not any(one.owner_kind == ORGANISATION for one in own):
        return []
    # What an owner controls elsewhere matters only where several hold something here.
    bearing = interests if len({one.owner for one in own}) > 1 else own
    days = (day for one in handed_over(bearing) for day in (one.start, one.until))
    turns = sorted({day for day in days if day is not None})
    first = None if turns and turns[0] == date.min else date.min
    spans: list[tuple[date | None, date]] = [] if first is None else [(None, _before(turns))]
    spans += [(day, day) for day in turns]
    made: dict[str, list[Period]] = {}
    for place, (start, day) in enumerate(spans):
        until = spans[place + 1][0] if place + 1 < len(spans) else None
        structure = Structure(bearing, day)
        for owner in structure.controllers(subject).owners:
            if structure.kind(owner) != ORGANISATION:
                continue
            periods = made.setdefault(owner, [])
            if periods and periods[-1].until == start:
                periods[-1] = periods[-1]._replace(until=until)
            else:
                periods.append(Period(owner, start, until))
    return [period for owner in sorted(made) for period in made[owner]]


def _before(turns: Sequence[date]) -> date:
    """A day before the first turn; any day where there is none."""
    return turns[0] - timedelta(days=1) if turns else date.max


def _above(node: str, owners_of: Callable[[str], Iterable[str]]) -> set[str]:
    """All that is reached upwards from a node; itself only if a circle leads back to it."""
    seen: set[str] = set()
    waiting = list(owners_of(node))
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += owners_of(one)
    return seen


def _counts_unstated(type: str) -> bool:
    return type not in (OWNERSHIP, FEE, "rightToProfitOrIncomeFromAssets")


def _share_of(one: Interest, alone: bool) -> Share:
    if one.share is not None:
        return one.share
    return WHOLE if alone and one.type in _WHOLE_IF_ALONE else ANY


def _sum(shares: Sequence[Share]) -> Share | None:
    """Shares of one whole added up, at most 100; nothing where there are none."""
    if not shares:
        return None
    low, high = sum(one.low for one in shares), sum(one.high for one in shares)
    return Share(
        min(low, 100.0),
        min(high, 100.0),
        low <= 100 and any(one.over for one in shares),
        high <= 100 and any(one.under for one in shares),
    )


def _hull(shares: Iterable[Share | None]) -> Share:
    """The narrowest range that spans them all."""
    known = [one for one in shares if one is not None]
    low, high = (
        min(known, key=lambda one: (one.low, one.over)),
        max(known, key=lambda one: (one.high, not one.under)),
    )
    return Share(low.low, high.high, low.over, high.under)


def _times(part: Share, link: Share) -> Share:
    return Share(
        part.low * link.low / 100,
        part.high * link.high / 100,
        part.over or link.over,
        part.under or link.under,
    )


def _total(parts: Sequence[Share | None]) -> Share | None:
    known = [one for one in parts if one is not None]
    return _sum(known) if len(known) == len(parts) else None
