"""`/v1/localities/{area}/adequacy`: where stated standards of provision are met, and where not."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.db import Reading
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_network.api.adequacy_rules import Rules, view
from hedgerow_network.api.asking import AboutCell, Asked, Reader, cost_matrix
from hedgerow_network.api.wire import Basis, Computed, Thresholds, computed, need_name, whole
from hedgerow_network.domain import adequacy as domain
from hedgerow_network.domain.adequacy import Adequacy, Finding, RuleSet, Verdict
from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.travel import Travel
from hedgerow_network.errors import AmbiguousNeed, RulesNotNamed, UnknownMatrix, UnknownNeed, UnknownRules
from hedgerow_network.store import documents
from hedgerow_network.tables import AdequacyRules

router = problems.router(prefix="/v1/localities/{area}", tags=["adequacy"])

_RANK: dict[str, int] = {"not met": 0, "cannot be judged": 1, "excepted": 2, "met": 3}


class Excepted(BaseModel):
    reason: str
    until: date = Field(description="The last day it holds, or held")


class StandardView(BaseModel):
    says: str
    area_type: str | None = Field(description="The type it is for; null: general")
    min_providers: int
    providers_per_1000: float | None
    within: float | None
    unit: Unit | None
    share: float


class AdequacyItem(BaseModel):
    """One need in one area against its standard."""

    need: str
    need_name: str
    area: str
    area_name: str
    area_type: str | None
    status: Verdict
    standard: StandardView | None = Field(description="Null where it is not known which holds")
    share: float | None = Field(description="Of residents for whom it holds; null where that cannot be told")
    share_at_least: float
    share_at_most: float
    people: int | None = Field(description="People behind the cell, null where nothing is known")
    people_basis: Basis
    people_affected: int | None = Field(description="People for whom it does not hold")
    exception: Excepted | None
    expired_exception: Excepted | None
    why: str
    explained: str = Field(description="Where the cover of the cell is explained")


class RulesNamed(BaseModel):
    id: str
    name: str
    version: int


class InfeasibleView(BaseModel):
    """A standard that nothing held, here or elsewhere, could meet."""

    need: str
    area_type: str | None
    why: str


class Tally(BaseModel):
    met: int
    not_met: int
    excepted: int
    cannot_be_judged: int
    without_standard: int = Field(description="Cells of the needs asked about that no standard speaks of")
    people_affected: int = Field(description="In cells not met, a person counted once for each need")


class AdequacyThresholds(Thresholds):
    costs: str | None
    costs_version: int | None
    detour: float | None
    speed_kmh: float | None


class AdequacyComputed(Computed):
    thresholds: AdequacyThresholds


class AdequacyPage(BaseModel):
    items: list[AdequacyItem]
    next: str | None
    rules: RulesNamed
    tally: Tally
    infeasible: list[InfeasibleView]
    computed: AdequacyComputed


@dataclass(frozen=True)
class AskedAdequacy:
    """A question about adequacy: the cells, the rules and how ways are found."""

    asked: Asked
    rules: Rules
    set: RuleSet
    travel: dict[Unit, Travel | str]
    passed_over: tuple[str, ...]

    def found(self) -> Adequacy:
        key = (self.asked.key, "adequacy", self.rules.id, self.rules.version)
        return self.asked.answers.get(
            key, lambda: domain.adequacy(self.asked.assessment(), self.set, self.travel)
        )


def _rules(session: Session, principal: Reader, asked: Asked, said: str | None) -> Rules:
    if said is not None:
        row = documents.document(session, AdequacyRules, said)
        if row is None:
            raise UnknownRules
        return view(row)
    hierarchy = asked.snapshot.facts.hierarchy
    codes = {asked.question.locality, *hierarchy.authorities(hierarchy.position[asked.question.locality])}
    rows = documents.rules_meant_for(session, codes)
    if not rows:
        raise UnknownRules
    if len(rows) > 1:
        raise RulesNotNamed
    return view(rows[0])


def asked_adequacy(
    request: Request,
    session: Reading,
    principal: Reader,
    base: AboutCell,
    rules: Annotated[
        str | None,
        Query(max_length=60, description="Which set; unless said the authority's own, if it has only one"),
    ] = None,
    need: Annotated[
        list[str] | None, Query(max_length=200, description="Only these needs (may be repeated)")
    ] = None,
) -> AskedAdequacy:
    found = _rules(session, principal, base, rules)
    known, passed_over = _known_needs(base, found.rules())
    wanted = {base.need(said) for said in need or []}
    needs = tuple(one for one in known.needs if not wanted or one in wanted)
    matrix: Travel | str | None = None
    costs = base.question.costs
    if costs is None and found.costs is not None:
        try:
            costs = cost_matrix(request, principal, found.costs)
        except UnknownMatrix:
            matrix = f"the matrix of travel costs “{found.costs}” is not held"
    if costs is not None:
        matrix = Travel(costs, costs.unit(None))
    ways = domain.ways(known.standards, of_matrix=matrix, detour=found.detour, speed_kmh=found.speed_kmh)
    asked = base.about(needs=needs, level=base.question.level or found.level, costs=costs)
    return AskedAdequacy(asked, found, known, ways, passed_over)


def _known_needs(asked: Asked, rules: RuleSet) -> tuple[RuleSet, tuple[str, ...]]:
    """The rules with needs by their ids, without those about needs that nobody knows; and these."""

    def id_of(said: str) -> str | None:
        try:
            return asked.need(said)
        except (UnknownNeed, AmbiguousNeed):
            return None

    ids = {one.need: id_of(one.need) for one in rules.standards}
    ids |= {one.need: id_of(one.need) for one in rules.dispensations if one.need is not None}
    standards = tuple(replace(one, need=id) for one in rules.standards if (id := ids[one.need]) is not None)
    dispensations = tuple(
        replace(one, need=ids[one.need] if one.need is not None else None)
        for one in rules.dispensations
        if one.need is None or ids[one.need] is not None
    )
    lost = tuple(sorted({said for said, id in ids.items() if id is None}))
    return replace(rules, standards=standards, dispensations=dispensations), lost


@router.get("/adequacy")
def list_adequacy(
    request: Request,
    response: Response,
    about: Annotated[AskedAdequacy, Depends(asked_adequacy)],
    status: Annotated[
        list[Literal["met", "not met", "excepted", "cannot be judged"]] | None,
        Query(description="Only cells of this status; may be repeated"),
    ] = None,
    after: After = None,
    limit: Limit = 50,
) -> AdequacyPage:
    """Whether each need in each area meets its standard: not met first, most people affected first.

    What is not met may be excepted, until when and why is said. Where people or ways are not known well
    enough it cannot be judged, and why is said. A standard that nothing held could meet is infeasible.
    """
    of, found = about.asked.assessment(), about.found()
    chosen = [place for place, one in enumerate(found.findings) if status is None or one.verdict in status]

    def rank(place: int) -> tuple[int, float, str, str]:
        one = found.findings[place]
        return (
            _RANK[one.verdict],
            -(one.affected or 0.0),
            of.needs[one.need],
            of.facts.hierarchy.codes[int(of.areas[one.area])],
        )

    page, following = window(sorted(chosen, key=rank), rank, after=after, limit=limit)
    link_next(request, response, following)
    return AdequacyPage(
        items=[_item(about, of, found.findings[place]) for place in page],
        next=following,
        rules=RulesNamed(id=about.rules.id, name=about.rules.name, version=about.rules.version),
        tally=_tally(found),
        infeasible=[
            InfeasibleView(
                need=about.set.standards[one.standard].need,
                area_type=about.set.standards[one.standard].area_type,
                why=one.why,
            )
            for one in found.infeasible
        ],
        computed=_computed(about, of, found),
    )


def _tally(found: Adequacy) -> Tally:
    number = Counter(one.verdict for one in found.findings)
    return Tally(
        met=number["met"],
        not_met=number["not met"],
        excepted=number["excepted"],
        cannot_be_judged=number["cannot be judged"],
        without_standard=found.unspoken,
        people_affected=whole(sum(one.affected or 0.0 for one in found.findings if one.verdict == "not met")),
    )


def _item(about: AskedAdequacy, of: Assessment, one: Finding) -> AdequacyItem:
    held = of.facts.hierarchy.areas[of.areas[one.area]]
    need = of.needs[one.need]
    known = of.people.basis[one.need, one.area] > 0
    locality = quote(of.question.locality, safe="")
    return AdequacyItem(
        need=need,
        need_name=need_name(of, need),
        area=held.code,
        area_name=held.name,
        area_type=one.area_type,
        status=one.verdict,
        standard=None if one.standard is None else _standard(about.set, one.standard),
        share=_rounded(one.share),
        share_at_least=round(one.low, 6),
        share_at_most=round(one.high, 6),
        people=whole(of.people.count[one.need, one.area]) if known else None,
        people_basis=of.basis(one.need, one.area),
        people_affected=None if one.affected is None else whole(one.affected),
        exception=_exception(one.dispensation),
        expired_exception=_exception(one.lapsed),
        why=one.why,
        explained=f"/v1/localities/{locality}/cover/{quote(need, safe=':')}/{quote(held.code, safe='')}",
    )


def _standard(rules: RuleSet, place: int) -> StandardView:
    one = rules.standards[place]
    return StandardView(
        says=str(one),
        area_type=one.area_type,
        min_providers=one.providers,
        providers_per_1000=one.per_1000,
        within=one.within,
        unit=one.unit if one.within is not None else None,
        share=one.share,
    )


def _exception(one: domain.Dispensation | None) -> Excepted | None:
    return None if one is None else Excepted(reason=one.reason, until=one.until)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _computed(about: AskedAdequacy, of: Assessment, found: Adequacy) -> AdequacyComputed:
    base: Any = computed(about.asked, of)
    costs = of.question.costs
    straight = costs is None and about.rules.costs is None
    return AdequacyComputed(
        **base.model_dump(exclude={"thresholds", "caveats"}),
        thresholds=AdequacyThresholds(
            **base.thresholds.model_dump(),
            costs=costs.name if costs else about.rules.costs,
            costs_version=costs.version if costs else None,
            detour=about.rules.detour if straight else None,
            speed_kmh=about.rules.speed_kmh if straight else None,
        ),
        caveats=[*base.caveats, *_caveats(about, of, found)],
    )


def _caveats(about: AskedAdequacy, of: Assessment, found: Adequacy) -> list[str]:
    said = []
    if about.passed_over:
        said.append(f"The rules name needs that are not held, and passed over: {listed(about.passed_over)}.")
    codes = {*about.set.types.listed, *(one.area for one in about.set.dispensations)}
    astray = sorted(code for code in codes if code not in of.facts.hierarchy.position)
    if astray:
        said.append(f"The rules name areas that are not held: {listed(astray)}.")
    index = about.set.types.index
    if index is not None and index not in of.figures.indices:
        said.append(f"The index “{index}” that gives areas their types is not held.")
    if found.unused_types:
        said.append(f"No area here is of the type: {listed(found.unused_types)}.")
    ways = about.travel.values()
    if any(isinstance(way, Travel) and way.matrix is None for way in ways):
        said.append("Distances are straight lines times a stated detour, not measured.")
    said += sorted({f"No distance can be judged: {way}." for way in ways if isinstance(way, str)})
    if found.infeasible:
        number = len(found.infeasible)
        said.append(
            f"{number} standard{'' if number == 1 else 's'} cannot be met by any service held: "
            "see infeasible."
        )
    return said
