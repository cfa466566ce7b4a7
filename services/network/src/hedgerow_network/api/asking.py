"""What every question about a locality has in common: who asks, which state, which parameters."""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast
from urllib.parse import quote, urlencode

from fastapi import Depends, Path, Query, Request
from hedgerow_kit.auth import ALL_AUTHORITIES, Principal, require
from hedgerow_kit.problems import UNAVAILABLE, UNPROCESSABLE, Problem

from hedgerow_network.domain.asking import find_area, find_need, read_rule
from hedgerow_network.domain.contracts import Contract
from hedgerow_network.domain.eligibility import read_cohort
from hedgerow_network.domain.explain_answers import ANSWERS
from hedgerow_network.domain.locality import Assessment, Question, assess
from hedgerow_network.domain.matrices import CostMatrix
from hedgerow_network.domain.opening import read_moment
from hedgerow_network.errors import NotFedYet, NotThatNewYet, TooManyLongQuestions, UnknownArea, UnknownMatrix
from hedgerow_network.store.answers import Answers
from hedgerow_network.store.costs import Matrices
from hedgerow_network.store.snapshots import Snapshot, Snapshots

T = TypeVar("T")


Level = Literal["country", "region", "authority", "neighbourhood", "ward", "msoa", "lsoa", "other"]
AreaPath = Annotated[
    str, Path(max_length=300, description="A GSS code, a local code, or a name that only one area has")
]
NeedPath = Annotated[
    str,
    Path(
        max_length=300,
        description="`taxonomy:term`, or the term alone where only one taxonomy, or one in use there, has it",
    ),
]


class Follows(Protocol):
    """What keeps the projection up with the registry."""

    @property
    def position(self) -> int: ...

    @property
    def trouble(self) -> str | None: ...

    def nudge(self) -> None: ...

    async def has_heard(self, number: int) -> bool: ...


@dataclass(frozen=True)
class Beside:
    """Facts from outside the registry. version: equal for equal facts, so that answers can be kept."""

    version: Hashable
    facts: Any


FactsBeside = Mapping[str, Callable[[Principal], Beside]]
"""`app.state.facts_beside`: how to read the facts from outside the registry that a caller may know of, by the
name under which they are needed (kinds of gap name theirs in `Kind.reads`).
"""


async def fresh(
    request: Request,
    registry_seq: Annotated[
        int | None,
        Query(
            ge=0,
            le=2**63 - 1,
            description="Answer from this state of the registry or a later one; waits up to five seconds",
        ),
    ] = None,
) -> None:
    """Wait until the projection shows the state asked for."""
    follower: Follows | None = request.app.state.follower
    if registry_seq is None or follower is None:
        return
    if not await follower.has_heard(registry_seq):
        raise _later(NotThatNewYet.__doc__)


Reader = Annotated[Principal, require("read")]


def snapshot(request: Request, principal: Reader, _fresh: Annotated[None, Depends(fresh)]) -> Snapshot:
    """The projection of now as the caller may know it; a problem while it was never complete."""
    found = cast(Snapshots, request.app.state.snapshots).current()
    if not found.settled:
        raise _later(NotFedYet.__doc__)
    return found.seen_by(principal.owns)


def sees_value(principal: Principal, contract: Contract) -> bool:
    """Whether a caller may see what a contract is worth: one of its own authorities."""
    return principal.may("money") and principal.owns(contract.authority)


def _later(reason: str | None) -> Problem:
    return Problem(UNAVAILABLE, reason or "", headers={"Retry-After": "2"})


def unfit(parameter: str, reason: str) -> Problem:
    """The problem of a parameter that does not fit the others, or the place."""
    return Problem(
        UNPROCESSABLE, f"{parameter}: {reason}.", errors=[{"parameter": parameter, "reason": reason}]
    )


Now = Annotated[Snapshot, Depends(snapshot)]


@dataclass(frozen=True)
class Weighed:
    """Answers to questions that are all long, or all short."""

    kept: Answers
    long: bool

    def get(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """The answer kept, or worked out now; a problem while too many long questions wait."""
        try:
            return self.kept.get(key, work_out, long=self.long)
        except TooManyLongQuestions as error:
            raise _later(error.__doc__) from None


@dataclass(frozen=True)
class Asked:
    """A question about a locality over one state of the projection."""

    snapshot: Snapshot
    question: Question
    kept: Answers
    long_cells: int
    """A question about more cells than these is a long one."""
    principal: Principal
    explained: str
    """Where the services behind the answer are explained, a need's id to be put for `{need}`."""

    @cached_property
    def answers(self) -> Weighed:
        """Answers worked out before. Questions about many cells take turns: see `Answers`."""
        return Weighed(self.kept, self._cells > self.long_cells)

    @property
    def _cells(self) -> int:
        hierarchy, question = self.snapshot.facts.hierarchy, self.question
        locality = hierarchy.position[question.locality]
        areas = hierarchy.of_level(locality, hierarchy.level_for(locality, question.level))
        needs = self.snapshot.facts.taxonomies.needs if question.needs is None else question.needs
        return int(areas.size) * len(needs)

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.snapshot.version, self.question)

    def about(self, **changes: Any) -> "Asked":
        """The same with parts of the question changed."""
        return replace(self, question=replace(self.question, **changes))

    def need(self, said: str) -> str:
        """The id of the need that is meant; of several with the term, the one in use in the locality."""
        everything = self.about(needs=None)
        return find_need(self.snapshot.facts.taxonomies, said, in_use=lambda: everything.assessment().needs)

    def assessment(self) -> Assessment:
        return self.answers.get(self.key, lambda: assess(self.snapshot.facts, self.question))


Costs = Annotated[
    str | None,
    Query(
        max_length=120,
        description="The matrix of travel costs that distances are taken from; straight lines unless said",
    ),
]


def cost_matrix(request: Request, principal: Principal, name: str | None) -> CostMatrix | None:
    """The matrix of that name; one of another authority is as unknown as one not held."""
    if name is None:
        return None
    found = cast(Matrices, request.app.state.matrices).named(name)
    if found is None or not principal.within(found[1]):
        raise UnknownMatrix
    return found[0]


def locality(snapshot: Snapshot, principal: Principal, said: str) -> str:
    """The code of an area that the caller may read about; one out of reach is as unknown as one not held."""
    hierarchy = snapshot.facts.hierarchy
    place = find_area(hierarchy, said)
    if not may_read(snapshot, principal, place):
        raise UnknownArea
    return hierarchy.codes[place]


def may_read(snapshot: Snapshot, principal: Principal, place: int) -> bool:
    """Whether a caller may read about an area: all authorities that it touches must be in reach."""
    if ALL_AUTHORITIES in principal.authorities:
        return True
    authorities = snapshot.facts.hierarchy.authorities(place)
    return bool(authorities) and all(principal.within(code) for code in authorities)


def asking(
    request: Request,
    now: Now,
    principal: Reader,
    level: Annotated[
        Level | None,
        Query(description="By which areas to answer: wards unless said, else the finest level there is"),
    ] = None,
    at: Annotated[date | None, Query(description="For which date; today unless said")] = None,
    count: Annotated[
        Literal["providers", "owners"],
        Query(description="Whom the depth counts: providers, or ultimate owners"),
    ] = "providers",
    rule: Annotated[
        str | None,
        Query(
            max_length=30,
            description=(
                "How an area is served: `declared`, `sited`, `within:<km>` or, by a matrix, "
                "`within:<minutes>min`; unless said, declared where a service states areas, else sited"
            ),
        ),
    ] = None,
    costs: Costs = None,
    index: Annotated[
        str | None,
        Query(max_length=200, description="The index that weights residents where nobody has counted"),
    ] = None,
    cohort: Annotated[
        str | None,
        Query(
            max_length=500,
            description="Whom a service must accept: ages (`16-17`, `65+`, `17`), circumstances, or both, "
            "as `16-17;care-leaver`. Unless said, ages and circumstances are not looked at",
        ),
    ] = None,
    open_at: Annotated[
        str | None,
        Query(
            max_length=30,
            description="Count only services that are open then: `SA`, or `SA 18:30`. One that states no "
            "opening times is not counted",
        ),
    ] = None,
) -> Callable[[str], Asked]:
    """The question about an area yet to be named, without its needs."""
    state = request.app.state

    def about(area: str) -> Asked:
        question = Question(
            locality=locality(now, principal, area),
            at=at or state.today(),
            level=level,
            count=count,
            rule=read_rule(rule),
            index=index,
            costs=cost_matrix(request, principal, costs),
            cohort=read_cohort(cohort),
            moment=read_moment(open_at),
        )
        return Asked(
            now,
            question,
            state.answers,
            state.long_cells,
            principal,
            explained=_explained(request, question.locality),
        )

    return about


Asking = Annotated[Callable[[str], Asked], Depends(asking)]


def asked(area: AreaPath, about: Asking) -> Asked:
    """The question without its needs."""
    return about(area)


WHICH = ("at", "count", "rule", "costs", "index", "cohort", "open_at")
"""The parameters that decide which services count in a cell."""


_WAYS = ("unit", "detour", "speed_kmh", "supply", "reach")
"""Those that decide it too, in answers that go by ways."""


def as_asked(request: Request, names: Collection[str]) -> list[tuple[str, str]]:
    """Those of the request's parameters, as they were given."""
    return [(name, value) for name, value in request.query_params.multi_items() if name in names]


def _explained(request: Request, locality: str) -> str:
    answer = request.scope["route"].path.removeprefix("/v1/localities/{area}/").split("/")[0]
    query = [("answer", answer)] if answer in ANSWERS else as_asked(request, ["answer"])
    query += as_asked(request, (*WHICH, *_WAYS, "level", "need"))
    said = f"?{urlencode(query)}" if query else ""
    return f"/v1/localities/{quote(locality, safe='')}/explained/{{need}}{said}"


AboutCell = Annotated[Asked, Depends(asked)]


Needs = Annotated[
    list[str] | None,
    Query(
        max_length=200,
        description="Only these needs (may be repeated); all needs in use there unless said",
    ),
]


def of_needs(base: Asked, needs: list[str] | None) -> Asked:
    """The question with the needs that were named."""
    if not needs:
        return base
    return base.about(needs=tuple(sorted({base.need(said) for said in needs})))


def asked_needs(base: AboutCell, need: Needs = None) -> Asked:
    """The question with the needs asked for."""
    return of_needs(base, need)


About = Annotated[Asked, Depends(asked_needs)]
