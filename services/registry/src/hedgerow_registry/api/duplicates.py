"""`/v1/duplicates`: organisations that may be one, and what was decided about them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import audit, db, paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_registry.actions import duplicates as actions
from hedgerow_registry.actions.matching import look_through
from hedgerow_registry.api.merges import Reason
from hedgerow_registry.api.wire import Body, RecordId
from hedgerow_registry.domain import likeness, merge_rules
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import matching
from hedgerow_registry.store.matching import Pair

router = problems.router(tags=["duplicates"])

Status = Literal["candidate", "dismissed", "merged"]
MOST_APPLIED = 1_000


class OneOfTwo(BaseModel):
    """One organisation of a pair. `answering_id` is another where it is merged."""

    id: str
    name: str
    source: str
    answering_id: str


class PairReason(BaseModel):
    """What speaks for the two being one, or against it."""

    kind: str
    speaks: Literal["for", "against"]
    text: str


class DuplicateItem(BaseModel):
    """Two organisations that may be one: how likely from 0 to 1, why, and what was decided."""

    first: OneOfTwo
    second: OneOfTwo
    score: float
    reasons: list[PairReason]
    status: Status
    found_at: datetime
    dismissed_by: str | None
    dismissed_at: datetime | None
    dismissed_because: str | None


class Computed(BaseModel):
    """On what an answer rests."""

    at: datetime | None = Field(description="When the registry was last looked through; null: not yet")
    registry_seq: int = Field(description="The change up to which it was looked through")
    thresholds: dict[str, float]
    caveats: list[str]


class DuplicatePage(paging.Page[DuplicateItem]):
    """Pairs with what the answer rests on."""

    computed: Computed


class LookItem(BaseModel):
    """What a look through the registry came to."""

    registry_seq: int
    organisations: int = Field(description="Organisations about which anything changed")
    compared: int = Field(description="Pairs that were compared")
    pairs: int = Field(description="Pairs of them that may be one")
    suppliers: int = Field(description="Suppliers in payments that were looked for")


class DismissBody(Body):
    """Why the two are not one."""

    reason: Reason


class ApplyBody(Body):
    """Which stated rule is to merge pairs; a trial says what it would do."""

    rule: Literal["same-identifier", "same-name-and-place"]
    dry_run: bool = True
    limit: int = Field(default=MOST_APPLIED, ge=1, le=MOST_APPLIED)


class AppliedItem(BaseModel):
    """What the rule makes of a pair: `reason` says why it is merged, or why it is not."""

    organisation_id: str
    into_id: str
    score: float
    merged: bool
    reason: str


class ApplyView(BaseModel):
    """What a rule has merged, or in a trial would merge."""

    rule: str
    says: str
    dry_run: bool
    merged: int
    left: int
    pairs: list[AppliedItem]


@router.get("/v1/duplicates")
def list_duplicates(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    min_score: Annotated[
        float, Query(ge=0, le=1, allow_inf_nan=False, description="The least likely to be shown")
    ] = likeness.LIKELY,
    source: Annotated[
        str | None, Query(max_length=LONGEST_SOURCE, description="One of the two is of it")
    ] = None,
    status: Annotated[Status | None, Query(description="Only these")] = None,
    organisation: Annotated[str | None, Query(max_length=36, description="One of the two")] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> DuplicatePage:
    """Pairs of organisations that may be one, the likeliest first, within a source and across sources.

    Nothing is merged because it stands here: a person does so, or a stated rule. Pairs below 0.4 are not
    kept.
    """
    pairs, marker = matching.pair_page(
        session,
        min_score=min_score,
        source=source,
        status=status,
        organisation=organisation,
        after=after,
        limit=limit,
    )
    paging.link_next(request, response, marker)
    return DuplicatePage(items=_items(session, pairs), next=marker, computed=_computed(session, min_score))


@router.post("/v1/duplicates/refresh")
def refresh_duplicates(request: Request, principal: Annotated[Principal, require("write")]) -> LookItem:
    """Look through the registry now, as far as anything changed; by itself it does so a little later."""
    found = look_through(db.of(request))
    assert found is not None, "nobody stops it"
    with db.of(request).writing() as session:
        told = {"registry_seq": found.seq, "pairs": found.pairs, "suppliers": found.suppliers}
        audit.enter(session, db.act_of(request), "matching", "registry", after=told)
    return LookItem(
        registry_seq=found.seq,
        organisations=found.organisations,
        compared=found.compared,
        pairs=found.pairs,
        suppliers=found.suppliers,
    )


@router.post("/v1/duplicates/apply")
def apply_rule(
    body: ApplyBody, session: Writing, principal: Annotated[Principal, require("write")]
) -> ApplyView:
    """Merge the candidates that a stated rule decides; as a trial unless `dry_run` is false.

    Every merge is recorded with the rule, the reasons and who applied it, and can be taken back. What
    anything speaks against, what is of another authority, and what would give a body two numbers of one
    register is left to a person.
    """
    applied = actions.apply(session, body.rule, by=principal, dry_run=body.dry_run, limit=body.limit)
    merged = sum(one.merged for one in applied)
    return ApplyView(
        rule=body.rule,
        says=merge_rules.RULES[body.rule],
        dry_run=body.dry_run,
        merged=merged,
        left=len(applied) - merged,
        pairs=[AppliedItem(**one._asdict()) for one in applied],
    )


@router.get("/v1/duplicates/{first_id}/{second_id}")
def read_duplicate(
    first_id: RecordId,
    second_id: RecordId,
    session: Reading,
    principal: Annotated[Principal, require("read")],
) -> DuplicateItem:
    """One pair, its ids in either order."""
    pair = matching.pair(session, first_id, second_id)
    if pair is None:
        raise UnknownRecord("pair")
    return _items(session, [pair])[0]


@router.post("/v1/duplicates/{first_id}/{second_id}/dismiss")
def dismiss_duplicate(
    first_id: RecordId,
    second_id: RecordId,
    body: DismissBody,
    session: Writing,
    principal: Annotated[Principal, require("write")],
) -> DuplicateItem:
    """Say that the two are not one: the pair stays dismissed, whatever is imported."""
    pair = actions.dismiss(session, first_id, second_id, reason=body.reason, by=principal)
    return _items(session, [pair])[0]


@router.post("/v1/duplicates/{first_id}/{second_id}/restore")
def restore_duplicate(
    first_id: RecordId,
    second_id: RecordId,
    session: Writing,
    principal: Annotated[Principal, require("write")],
) -> DuplicateItem:
    """Take a dismissal back."""
    pair = actions.restore(session, first_id, second_id, by=principal)
    return _items(session, [pair])[0]


def _items(session: Session, pairs: list[Pair]) -> list[DuplicateItem]:
    told = matching.told(session, (id for pair in pairs for id in (pair.row.first_id, pair.row.second_id)))
    return [
        DuplicateItem(
            first=_one(told[pair.row.first_id], pair.first_answering),
            second=_one(told[pair.row.second_id], pair.second_answering),
            score=pair.row.score,
            reasons=[PairReason(**reason) for reason in pair.row.reasons],
            status=pair.status,  # type: ignore[arg-type]
            found_at=pair.row.found_at,
            dismissed_by=pair.row.dismissed_by,
            dismissed_at=pair.row.dismissed_at,
            dismissed_because=pair.row.dismissed_because,
        )
        for pair in pairs
    ]


def _one(row: Any, answering: str) -> OneOfTwo:
    return OneOfTwo(id=row.id, name=row.name, source=row.source, answering_id=answering)


def _computed(session: Session, min_score: float) -> Computed:
    state, now = matching.state(session), matching.position(session)
    looked = 0 if state is None else state.seq
    caveats = [] if looked == now else [f"{now - looked} changes are not looked through yet"]
    return Computed(
        at=None if state is None else state.at,
        registry_seq=looked,
        thresholds={"min_score": min_score, "least_kept": likeness.LEAST},
        caveats=caveats,
    )
