"""`/hsds/`: which standard is spoken here."""

from typing import Annotated

from fastapi import Request, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from pydantic import BaseModel

from hedgerow_registry.api.hsds.answers import record

router = problems.router()

VERSION = "HSDS-UK-3.0"
PROFILE = "https://docs.openreferraluk.org/en/latest/"
# Where the operator has not said under which address the platform is reached: the standard's own document.
STANDARD = "https://docs.openreferraluk.org/en/latest/openapi30.json"


class FeedRoot(BaseModel):
    """The version of the standard, its profile, and the document that describes this API."""

    version: str
    profile: str
    openapi_url: str


@router.get("/hsds/", response_model=FeedRoot)
@router.get("/hsds", include_in_schema=False)
def read_root(request: Request, principal: Annotated[Principal, require("open")]) -> Response:
    """Which standard is spoken here: HSDS 3.1 in the profile Open Referral UK 3.0."""
    public = request.app.state.public_url
    address = STANDARD if public is None else f"{public.rstrip('/')}/openapi.json"
    return record(FeedRoot(version=VERSION, profile=PROFILE, openapi_url=address).model_dump())
