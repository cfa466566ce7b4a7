"""The keys the gateway signs with: published for everyone, rotated by administrators."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import Depends, Request
from hedgerow_kit import db, problems
from hedgerow_kit.paging import Page
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from hedgerow_gateway import actions
from hedgerow_gateway.api.keys import for_all_authorities
from hedgerow_gateway.store.signing import LEAD_SECONDS, Keyring, SigningKey

router = problems.router(tags=["identity"])


class RotationRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at_once: bool = Field(
        default=False,
        description="For a key that leaked: the new one signs now, and nothing that the old ones signed is "
        "believed any longer. Systems have to ask for new access tokens.",
    )


class SigningKeyAnswer(BaseModel):
    id: str = Field(description="The `kid` of what it signs")
    signs_from: datetime | None = Field(description="Nothing for the first key")
    state: Literal["published", "signing", "retired"] = Field(
        description="published: its turn comes; retired: believed until what it signed has run out"
    )


class JwkSet(JSONResponse):
    media_type = "application/jwk-set+json"


@router.get("/.well-known/jwks.json", response_class=JwkSet)
def public_keys(request: Request) -> JwkSet:
    """The public keys by which what the gateway signs is checked (RFC 7517)."""
    keyring: Keyring = request.app.state.keyring
    keyring.refresh()
    headers = {"Cache-Control": f"public, max-age={LEAD_SECONDS // 2}"}
    return JwkSet(keyring.jwks, headers=headers)


@router.get("/v1/signing-keys", dependencies=[Depends(for_all_authorities)])
def list_signing_keys(request: Request) -> Page[SigningKeyAnswer]:
    """The keys that are believed at this moment, oldest first."""
    keyring: Keyring = request.app.state.keyring
    return Page(items=[_answer(key, keyring.key_id) for key in keyring.believed()], next=None)


@router.post("/v1/signing-keys", status_code=201, dependencies=[Depends(for_all_authorities)])
def rotate_signing_key(body: RotationRequest, request: Request) -> SigningKeyAnswer:
    """Make a new signing key. It is published now and signs a minute later; no request fails meanwhile."""
    keyring: Keyring = request.app.state.keyring
    act = db.act_of(request)
    made = actions.rotate_signing_key(db.of(request), keyring, act=act, at_once=body.at_once)
    return _answer(made, keyring.key_id)


def _answer(key: SigningKey, signing: str) -> SigningKeyAnswer:
    now = datetime.now(UTC)
    starts = datetime.fromtimestamp(key.signs_from, UTC) if key.signs_from else None
    if key.signer.key_id == signing:
        state: Literal["published", "signing", "retired"] = "signing"
    else:
        state = "published" if starts is not None and starts > now else "retired"
    return SigningKeyAnswer(id=key.signer.key_id, signs_from=starts, state=state)
