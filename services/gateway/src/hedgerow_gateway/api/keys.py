"""Keys: who may use the API, as what, for which authorities, until when."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from hedgerow_kit import db, problems
from hedgerow_kit.auth import ALL_AUTHORITIES, Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.paging import After, Limit, Page, link_next
from hedgerow_kit.problems import FORBIDDEN, NOT_FOUND, Problem
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hedgerow_gateway import actions
from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.store import keys

router = problems.router(prefix="/v1/keys", tags=["keys"])

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=20)]


def for_all_authorities(principal: Annotated[Principal, require("administer")]) -> Principal:
    """Keys reach across authorities, so an administrator of one authority may not hand them out."""
    if ALL_AUTHORITIES not in principal.authorities:
        raise Problem(FORBIDDEN, "Keys are managed with an administrator key for all authorities.")
    return principal


router.dependencies.append(Depends(for_all_authorities))


class KeyRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="What the key is for, in words a colleague will understand later")
    roles: list[Code] = Field(
        min_length=1,
        max_length=10,
        description="reader, coordinator, system, commissioner or administrator",
    )
    authorities: list[Code] = Field(
        min_length=1,
        max_length=150,
        description='GSS codes of the authorities the key is for, or `["*"]` for all',
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="When the key ends, with its time zone; without it the key does not end"
    )


class KeyAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    prefix: str = Field(description="How the key begins: enough to recognise it, not to use it")
    name: str
    roles: list[str]
    authorities: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the hour")


class NewKeyAnswer(KeyAnswer):
    key: str = Field(description="The key itself. It is shown this once and kept nowhere")


@router.post("", status_code=201)
def give_key(body: KeyRequest, session: Writing, response: Response) -> NewKeyAnswer:
    """Make a key. Keep the answer: the key in it cannot be shown again, only replaced."""
    key, text = actions.give_key(
        session,
        name=body.name,
        roles=body.roles,
        authorities=body.authorities,
        expires_at=body.expires_at,
        now=datetime.now(UTC),
    )
    response.headers["Location"] = f"/v1/keys/{key.id}"
    response.headers["Cache-Control"] = "no-store"
    return NewKeyAnswer(**KeyAnswer.model_validate(key).model_dump(), key=text)


@router.get("")
def list_keys(
    request: Request, response: Response, session: Reading, after: After = None, limit: Limit = 50
) -> Page[KeyAnswer]:
    """All keys in the order they were made, revoked and expired ones too. None of them can be read back."""
    found, marker = keys.page(session, after=after, limit=limit)
    link_next(request, response, marker)
    return Page(items=[KeyAnswer.model_validate(key) for key in found], next=marker)


@router.get("/{id}")
def one_key(id: str, session: Reading) -> KeyAnswer:
    """What is known of one key."""
    key = keys.found(session, id)
    if key is None:
        raise Problem(NOT_FOUND, "There is no key with this id.")
    return KeyAnswer.model_validate(key)


@router.delete("/{id}", status_code=204)
def revoke_key(id: str, request: Request) -> None:
    """Take a key back for good, within five seconds everywhere.

    No `If-Match` is asked for: what is urgent must not fail because something else changed.
    """
    with db.of(request).writing(act=db.act_of(request)) as session:
        actions.revoke_key(session, id, now=datetime.now(UTC))
    # After the commit: a look-up in between would remember the key as it was.
    identities: Identities = request.app.state.identities
    identities.forget()
