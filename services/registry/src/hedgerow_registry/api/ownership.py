"""`/v1/organisations/{id}/ownership`: who stands behind an organisation, and what that rests on."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Literal

from fastapi import Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_registry.api.wire import AsOf, StandingId, day_asked
from hedgerow_registry.domain import effective_form as forms
from hedgerow_registry.domain.interests import ANY, ARRANGEMENT, ORGANISATION, PERSON, UNKNOWN, OwnerKind
from hedgerow_registry.domain.interests import Interest as StatedInterest
from hedgerow_registry.domain.interests import Share as Part
from hedgerow_registry.domain.ownership import (
    CERTAIN,
    MAJORITY,
    MOST_PATHS,
    NO,
    RIGHTS,
    SHARES,
    SIGNIFICANT,
    Chains,
    End,
    Period,
    Structure,
    Verdict,
    control_periods,
)
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import directory, ownership
from hedgerow_registry.store.ownership import Known, Stated, Web
from hedgerow_registry.tables import feed

router = problems.router(tags=["organisations"])

MOST_SHOWN = 1_000
"""At most so many interests, owners and owned bodies in one answer."""

_LABELS = {PERSON: "a person", UNKNOWN: "an unknown owner", ARRANGEMENT: "an arrangement"}


class Node(BaseModel):
    """A body in a chain. Of a person, an arrangement or an unknown owner there is no name."""

    id: str
    kind: OwnerKind
    name: str | None
    label: str = Field(description="What to call it: its name, or “a person”, “an unknown owner” …")


class Share(BaseModel):
    """A part in per cent, exact where the two are the same. over, under: the bound itself is excluded."""

    least: float
    most: float
    over: bool = False
    under: bool = False


class Evidence(BaseModel):
    """What an interest rests on."""

    statement_id: str | None
    stated_on: date | None
    evidence: str | None
    url: str | None
    source: str = Field(description="The name under which it was handed in")
    reason: str | None = Field(description="Why an owner is not named, in the code of the statement")


class Interest(BaseModel):
    """One thing an owner holds in a body on the day."""

    id: str
    subject_id: str
    owner: Node
    type: str
    share: Share | None
    directness: Literal["direct", "indirect", "unknown"]
    start: date | None
    end: date | None = Field(description="The last day on which it holds")
    listed_only: bool = Field(description="It is no more than a name in the organisation's list of owners")
    rests_on: Evidence


class Rights(BaseModel):
    """Whether somebody, with all they control, has the majority of each right."""

    shares: Verdict
    votes: Verdict
    board: Verdict
    profit: Verdict
    surplus_assets: Verdict


class Owner(BaseModel):
    """Somebody above the organisation, at any distance."""

    owner: Node
    own_form: str = Field(description="What it is by its own account")
    direct: bool
    ultimate: bool = Field(description="Control ends with it")
    control: Verdict
    rights: Rights
    share: Share | None = Field(
        description="The part of the shares along all chains; null where a link has no share stated"
    )


class Step(BaseModel):
    """One link of a chain, with the ids of the interests it consists of."""

    subject_id: str
    owner_id: str
    interests: list[str]


class Path(BaseModel):
    """A chain from the organisation to its end, and why it ends there."""

    nodes: list[Node]
    steps: list[Step]
    end: End


class Finding(BaseModel):
    """Something that statements say of the organisation and its own form does not tell."""

    kind: forms.FindingKind
    verdict: Verdict
    owner: Node = Field(description="Whom it concerns; for a trading arm, the arm")
    path: list[Node]
    interests: list[str]
    says: str


class EffectiveForm(BaseModel):
    """What the organisation is by its own account, and what it is in effect."""

    own_form: str
    own_basis: str = Field(description="What tells its own form: sector, legal form, register, name, nothing")
    form: str
    basis: str = Field(description="own form, owner, or nothing")
    findings: list[Finding]


class Controlling(BaseModel):
    """An organisation next to this one that controls it, alone or jointly, from a day to a day."""

    owner_id: str
    start: date | None
    end: date | None = Field(description="The last day")


class Owned(BaseModel):
    """A body that the organisation holds something in."""

    subject: Node
    control: Verdict


class Thresholds(BaseModel):
    """What the answer rests on and would change with, in per cent."""

    majority_percent: float = Field(default=MAJORITY, description="Control is more than this")
    significant_percent: float = Field(
        default=SIGNIFICANT, description="Joint holders have more than this each"
    )
    most_paths: int = MOST_PATHS


class Computed(BaseModel):
    at: date
    thresholds: Thresholds
    registry_seq: int
    caveats: list[str]


class Ownership(BaseModel):
    """Who stands behind an organisation on a day, as far as statements on record say."""

    id: str
    name: str
    effective_form: EffectiveForm
    controlled_by: list[Node] = Field(description="The owners next to it that control it on the day")
    jointly: bool = Field(description="None of them alone, but they together")
    ultimate_owner_ids: list[str] = Field(
        description="The last organisations on the way of control, on the day"
    )
    control: list[Controlling] = Field(description="Who controlled it when, at all times on record")
    interests: list[Interest]
    owners: list[Owner]
    paths: list[Path]
    owns: list[Owned]
    says: str = Field(default=forms.EXPOSES, description="What this answer is, and what it is not")
    computed: Computed


@router.get("/v1/organisations/{id}/ownership")
def read_ownership(
    id: StandingId,
    session: Reading,
    response: Response,
    principal: Annotated[Principal, require("read")],
    at: AsOf = None,
) -> Ownership:
    """Who owns and controls an organisation, directly and in the end, by which paths and on what evidence.

    Everything is worked out of the interests in force on the day `at`. Private people and unknown owners have
    no names here. What is not on record is unknown, which is an answer: it is never taken for "nobody".
    """
    row = directory.organisation(session, id)
    if row is None:
        raise UnknownRecord("organisation")
    day = day_asked(at)
    below = sorted(ownership.owned_by(session, [id]) - {id})
    web = ownership.web_above(session, [id, *below[:MOST_SHOWN]])
    body = ownership.body_of(session, web, [id, *below])
    return _Answer(session, id, day, web, body, below).ownership(row.name)


class _Answer:
    """One answer under way: what was read, and how it is put on the wire."""

    def __init__(self, session: Session, id: str, at: date, web: Web, body: Known, below: list[str]) -> None:
        self.session, self.id, self.at = session, id, at
        self.web, self.body, self.below = web, body, below
        self.structure = web.structure(id, at)
        self.chains = self.structure.chains(id)
        self.owners = [one for one in self.structure.above(id) if one != id]

    def ownership(self, name: str) -> Ownership:
        structure, controllers = self.structure, self.structure.controllers(self.id)
        owns = [self._owned(subject) for subject in self.below[:MOST_SHOWN]]
        ultimate = structure.ultimate(self.id)
        return Ownership(
            id=self.id,
            name=name,
            effective_form=self._form(owns),
            controlled_by=[self._node(owner) for owner in controllers.owners],
            jointly=bool(controllers.owners) and controllers.joint,
            ultimate_owner_ids=list(structure.ultimate(self.id, organisations=True)),
            control=[_controlling(one) for one in control_periods(self.id, self.web.above(self.id))],
            interests=[self._interest(one) for one in self._in_force()[:MOST_SHOWN]],
            owners=[self._owner(owner, ultimate) for owner in self.owners[:MOST_SHOWN]],
            paths=[self._path(path.nodes, path.end) for path in self.chains.paths],
            owns=[one for one in owns if one.control != NO or self._holds(one.subject.id)],
            computed=Computed(
                at=self.at,
                thresholds=Thresholds(),
                registry_seq=feed.current(self.session),
                caveats=list(self._caveats()),
            ),
        )

    def _in_force(self) -> list[StatedInterest]:
        """The interests in the organisation first, then those above it."""
        return [one for subject in (self.id, *self.owners) for one in self.structure.interests_in(subject)]

    def _node(self, id: str, structure: Structure | None = None) -> Node:
        kind = (structure or self.structure).kind(id)
        name = self.body(id).name if kind == ORGANISATION else None
        # An organisation that is not held yet has an id, but no name.
        return Node(id=id, kind=kind, name=name, label=name or _LABELS.get(kind, id))

    def _interest(self, one: StatedInterest) -> Interest:
        stated = self.web.stated.get(one.id, Stated(None, None, None, None, None))
        return Interest(
            id=one.id,
            subject_id=one.subject,
            owner=self._node(one.owner),
            type=one.type,
            share=_share(one.share),
            directness=one.directness,
            start=one.start,
            end=None if one.until is None else one.until - timedelta(days=1),
            listed_only=one.plain,
            rests_on=Evidence(
                statement_id=stated.statement_id,
                stated_on=stated.stated_on,
                evidence=stated.evidence,
                url=stated.evidence_url,
                source=one.source,
                reason=stated.reason,
            ),
        )

    def _owner(self, owner: str, ultimate: Iterable[str]) -> Owner:
        structure = self.structure
        return Owner(
            owner=self._node(owner),
            own_form=self.body(owner).own.form,
            direct=owner in structure.owners_of(self.id),
            ultimate=owner in ultimate,
            control=structure.control(owner, self.id),
            rights=Rights(**{right: structure.right(owner, self.id, right) for right in RIGHTS}),
            share=_share(self.chains.shares.get(owner)),
        )

    def _path(self, nodes: tuple[str, ...], end: End) -> Path:
        steps = [
            Step(
                subject_id=below,
                owner_id=above,
                interests=[one.id for one in self.structure.interests_in(below) if one.owner == above],
            )
            for below, above in pairwise(nodes)
        ]
        return Path(nodes=[self._node(node) for node in nodes], steps=steps, end=end)

    def _form(self, owns: list[Owned]) -> EffectiveForm:
        found = forms.effective_form(self.id, self.structure, self.body)
        arms = [
            (one.subject.id, self._interest_ids(one.subject.id)) for one in owns if one.control == CERTAIN
        ]
        findings = [*found.findings, *forms.trading_arms(self.id, arms, self.body)]
        own = self.body(self.id).own
        return EffectiveForm(
            own_form=own.form,
            own_basis=own.basis,
            form=found.form,
            basis=found.basis,
            findings=[
                Finding(
                    kind=one.kind,
                    verdict=one.verdict,
                    owner=self._node(one.owner),
                    path=[self._node(node) for node in one.path],
                    interests=list(one.interests),
                    says=one.says,
                )
                for one in findings
            ],
        )

    def _owned(self, subject: str) -> Owned:
        structure = self.web.structure(subject, self.at)
        return Owned(subject=self._node(subject, structure), control=structure.control(self.id, subject))

    def _interest_ids(self, subject: str) -> list[str]:
        structure = self.web.structure(subject, self.at)
        return [one.id for one in structure.interests_in(subject) if one.owner == self.id]

    def _holds(self, subject: str) -> bool:
        return bool(self._interest_ids(subject))

    def _caveats(self) -> Iterator[str]:
        if not self.web.interests.get(self.id):
            yield (
                "No interest in this organisation is on record. That is not to say that nobody owns it: "
                "owners are unknown."
            )
        elif not self.structure.interests_in(self.id):
            yield f"No interest in it is on record for {self.at.isoformat()}: owners are unknown."
        for declared in self.web.none_declared.get(self.id, ()):
            on = "" if declared.stated_on is None else f" of {declared.stated_on.isoformat()}"
            yield f"A statement{on} says that it has no owners who must be declared."
        yield from self._of_chains(self.chains)
        if self._overfull():
            yield "The shares stated add up to more than 100 per cent: statements contradict each other."
        if any(one.plain for one in self._in_force()):
            yield "Some owners are only named in an organisation's list of owners, without dates or shares."
        if self.body(self.id).own.contradicted:
            yield "What is known of its own form contradicts itself: sector, legal form, registers or name."
        if max(len(self._in_force()), len(self.owners), len(self.below)) > MOST_SHOWN:
            yield f"Only the first {MOST_SHOWN:,} of each list are shown."

    def _of_chains(self, chains: Chains) -> Iterator[str]:
        if chains.circle:
            names = ", ".join(self._node(node).label for node in chains.circle[:10])
            yield f"Bodies own one another in a circle ({names}): parts that go round it are not counted."
        if chains.cut:
            yield f"There are more than {MOST_PATHS} paths: only so many are shown, and no parts along them."
        if self.web.cut:
            yield "Not all that lies above was followed: there is too much of it."

    def _overfull(self) -> bool:
        held = self.structure.holdings(self.id, SHARES).values()
        return sum(one.share.low for one in held if not one.indirect) > ANY.high + 1e-9


def _share(part: Part | None) -> Share | None:
    if part is None:
        return None
    return Share(least=round(part.low, 6), most=round(part.high, 6), over=part.over, under=part.under)


def _controlling(period: Period) -> Controlling:
    return Controlling(owner_id=period.owner, start=period.start, end=period.last)
