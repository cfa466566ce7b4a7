"""`/v1/organisations/{id}/ownership/interests`: single interests, stated, corrected, ended and taken back."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Path, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import AfterValidator, AliasChoices, Field, field_validator
from sqlalchemy.orm import Session

from hedgerow_registry.actions import directory as actions
from hedgerow_registry.actions.entities import INTERESTS
from hedgerow_registry.api import history
from hedgerow_registry.api.ownership import Share
from hedgerow_registry.api.wire import (
    Body,
    LongText,
    OnDay,
    RecordId,
    SourceName,
    StandingId,
    View,
    a_uuid,
    if_unchanged,
    tag_of,
)
from hedgerow_registry.domain import interests
from hedgerow_registry.domain.interests import Directness, OwnerKind
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import directory, ownership
from hedgerow_registry.tables import Interest

router = problems.router(tags=["organisations"])

InterestId = Annotated[str, Path(description="The interest's id, a UUID"), AfterValidator(a_uuid)]


class ShareBody(Body):
    """A part in per cent between two bounds. over, under: the bound itself is excluded."""

    least: float = 0.0
    most: float = 100.0
    over: bool = False
    under: bool = False


class InterestBody(Body):
    """What an owner holds in the organisation. Of an owner that is no organisation there is no name."""

    owner_id: Annotated[str, AfterValidator(a_uuid)] | None = Field(
        default=None,
        description="An organisation that is held; of another kind of owner any UUID that says nothing, "
        "the same for what the same one holds, made where none is given",
    )
    owner_kind: OwnerKind = interests.ORGANISATION
    type: str = Field(
        default=interests.UNSPECIFIED,
        max_length=100,
        description="A code of BODS in any spelling, or a plain word",
    )
    share: ShareBody | None = None
    directness: Directness = "unknown"
    start: date | None = None
    end: date | None = Field(default=None, description="The last day on which it holds")
    stated_on: date | None = None
    evidence: LongText | None = None
    evidence_url: LongText | None = None

    @field_validator("type")
    @classmethod
    def _a_kind(cls, sent: str) -> str:
        return interests.interest_type(sent)

    @field_validator("share")
    @classmethod
    def _within_bounds(cls, sent: ShareBody | None) -> ShareBody | None:
        _part(sent)
        return sent

    def fields(self) -> dict[str, Any]:
        """Those that were sent, as they are kept."""
        made = self.model_dump(exclude_unset=True, exclude={"share", "start", "end"})
        if "start" in self.model_fields_set:
            made["starts_on"] = self.start
        if "end" in self.model_fields_set:
            made["until"] = interests.day_after(self.end)
        if "share" in self.model_fields_set:
            part = _part(self.share)
            made["share_low"], made["share_high"] = (None, None) if part is None else (part.low, part.high)
            made["low_open"], made["high_open"] = (False, False) if part is None else (part.over, part.under)
        return made


class InterestItem(View):
    """An interest as its source states it, at whatever time it holds.

    from_statements: it follows from statements of ownership, which alone correct it.
    """

    id: str
    subject_id: str
    owner_id: str
    owner_kind: OwnerKind
    type: str
    share: Share | None = None
    directness: Directness
    start: date | None = Field(validation_alias=AliasChoices("start", "starts_on"))
    end: date | None = Field(default=None, description="The last day on which it holds")
    statement_id: str | None
    stated_on: date | None
    evidence: str | None
    evidence_url: str | None
    reason: str | None = Field(description="Why an owner is not named, in the code of the statement")
    from_statements: bool = False


@router.get("/v1/organisations/{id}/ownership/interests")
def list_interests(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    at: OnDay = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[InterestItem]:
    """What is on record of who holds what in an organisation, of all times, also of those merged into it."""
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    rows, marker = ownership.interest_page(session, id, at, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_item(row) for row in rows], next=marker)


@router.post("/v1/organisations/{id}/ownership/interests", status_code=201)
def add_interest(
    id: RecordId,
    body: InterestBody,
    session: Writing,
    response: Response,
    principal: Annotated[Principal, require("write")],
    source: SourceName = "default",
) -> InterestItem:
    """State an interest in an organisation: the change feed tells of it as a change of the organisation."""
    made = actions.add_interest(session, id, body.fields(), source=source, by=principal)
    response.headers["Location"] = f"/v1/organisations/{id}/ownership/interests/{made}"
    return _one(session, id, made, response)


@router.get("/v1/organisations/{id}/ownership/interests/{interest_id}")
def read_interest(
    id: StandingId,
    interest_id: InterestId,
    session: Reading,
    response: Response,
    principal: Annotated[Principal, require("read")],
) -> InterestItem:
    """One interest in an organisation."""
    return _one(session, id, interest_id, response)


@router.patch("/v1/organisations/{id}/ownership/interests/{interest_id}")
def change_interest(
    id: RecordId,
    interest_id: InterestId,
    body: InterestBody,
    session: Writing,
    request: Conditional,
    response: Response,
    principal: Annotated[Principal, require("write")],
) -> InterestItem:
    """Correct or end an interest, with `If-Match`: each field sent replaces that field, `end` closes it.

    It is its source's, whose authority you have to act for. One that follows from statements is refused
    (409): send the statement that corrects it.
    """
    actions.change_interest(session, id, interest_id, body.fields(), by=principal, when=if_unchanged(request))
    session.expire_all()
    return _one(session, id, interest_id, response)


@router.delete("/v1/organisations/{id}/ownership/interests/{interest_id}", status_code=204)
def delete_interest(
    id: RecordId,
    interest_id: InterestId,
    session: Writing,
    request: Conditional,
    principal: Annotated[Principal, require("write")],
) -> None:
    """Take back an interest that never was, with `If-Match`; one that is no more is ended instead."""
    actions.delete_interest(session, id, interest_id, by=principal, when=if_unchanged(request))


@router.get("/v1/organisations/{id}/ownership/interests/{interest_id}/history")
def list_history_of_interest(
    id: StandingId,
    interest_id: InterestId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    field: history.FieldAsked = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[history.HistoryItem]:
    """What changed of an interest, oldest first, also of one that was taken back since."""
    return history.page(
        session, INTERESTS, interest_id, principal, request, response, field=field, after=after, limit=limit
    )


def _part(sent: ShareBody | None) -> interests.Share | None:
    if sent is None:
        return None
    low, high = ("over" if sent.over else "least"), ("under" if sent.under else "most")
    return interests.share(**{low: sent.least, high: sent.most})


def _one(session: Session, subject: str, id: str, response: Response) -> InterestItem:
    row = ownership.interest_in(session, subject, id)
    if row is None:
        raise UnknownRecord("interest")
    response.headers["ETag"] = tag_of(row)
    return _item(row)


def _item(row: Interest) -> InterestItem:
    update: dict[str, Any] = {
        "end": None if row.until is None else row.until - timedelta(days=1),
        "from_statements": row.record_key is not None,
    }
    if row.share_low is not None and row.share_high is not None:
        update["share"] = Share(
            least=row.share_low, most=row.share_high, over=row.low_open, under=row.high_open
        )
    return InterestItem.model_validate(row).model_copy(update=update)
