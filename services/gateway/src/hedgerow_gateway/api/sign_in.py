"""People sign in at the organisation's own identity provider (OpenID Connect, code flow with PKCE)."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import jwt
from fastapi import APIRouter, Query, Request
from hedgerow_kit import db, refusals
from hedgerow_kit.auth import bearer, claims_of, unauthorised
from hedgerow_kit.problems import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNAUTHORISED, UNAVAILABLE, Problem
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from hedgerow_gateway.api import cookies
from hedgerow_gateway.api.credentials import Credentials
from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.api.known import Known
from hedgerow_gateway.api.people import People
from hedgerow_gateway.domain import sessions as shapes
from hedgerow_gateway.domain.keys import digest
from hedgerow_gateway.store import sessions
from hedgerow_gateway.store.signing import Keyring
from hedgerow_gateway.tables import PersonSession
from hedgerow_gateway.upstream.provider import NotBelieved, ProviderDown

log = logging.getLogger(__name__)

# Identity providers add parameters of their own to the way back: unknown ones are not refused here.
router = APIRouter(prefix="/auth", tags=["identity"])
_REFUSALS: dict[int | str, dict[str, Any]] = {
    kind.status: refusals.answer(kind) for kind in (FORBIDDEN, NOT_FOUND, UNAVAILABLE)
}

SIGN_IN_SECONDS = 600
KIND = "sign-in+jwt"
LONGEST_CODE = 4000
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class SignIn:
    """Sends people to the identity provider and takes them in again when they come back.

    What was begun is kept by the browser that began it, in a signed cookie: any gateway can end it, no other
    browser can.
    """

    def __init__(
        self, people: People, keyring: Keyring, *, issuer: str, scope: str, longest: timedelta
    ) -> None:
        self._people = people
        self._keyring = keyring
        self._issuer = issuer
        self._scope = scope
        self._longest = longest
        # One address, never made from what a request says of its host.
        self._redirect_uri = f"{issuer}/auth/callback"

    def begin(self, to: str) -> tuple[str, str]:
        """Where the browser is sent, and what it keeps meanwhile. Raises ProviderDown."""
        begun = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        address = self._people.provider.sign_in_address(
            redirect_uri=self._redirect_uri, scope=self._scope, **begun
        )
        claims = {"iss": self._issuer, "aud": KIND, "sub": "browser", "to": shapes.own_path(to), **begun}
        return address, self._keyring.sign(claims, life_s=SIGN_IN_SECONDS, kind=KIND)

    def end(self, kept: str | None, came: Mapping[str, str]) -> tuple[Known, str]:
        """Who signed in, and where to they go. Raises NotBelieved and ProviderDown."""
        begun = self._begun(kept)
        state, code = came.get("state", ""), came.get("code", "")
        if not hmac.compare_digest(state.encode(), str(begun["state"]).encode()):
            raise NotBelieved
        if not self._people.provider.is_from(came.get("iss")) or not 0 < len(code) <= LONGEST_CODE:
            raise NotBelieved
        claims = self._people.provider.claims_for_code(
            code, redirect_uri=self._redirect_uri, verifier=begun["verifier"], nonce=begun["nonce"]
        )
        known = self._people.of_claims(claims)
        if known is None:
            raise Problem(FORBIDDEN, "You have signed in, but no group of yours may use this platform.")
        return known._replace(ends_at=datetime.now(UTC) + self._longest), str(begun["to"])

    def _begun(self, kept: str | None) -> dict[str, Any]:
        try:
            return claims_of(
                kept or "",
                self._keyring.public_key,
                issuer=self._issuer,
                audience=KIND,
                longest_life_s=SIGN_IN_SECONDS,
                now=datetime.now(UTC).timestamp(),
                kind=KIND,
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise NotBelieved from None


class SessionAnswer(BaseModel):
    subject: str = Field(description="`person:` and what the identity provider calls them")
    roles: list[str]
    authorities: list[str]
    ends_at: datetime | None


def _sign_in(request: Request) -> SignIn:
    made: SignIn | None = request.app.state.sign_in
    if made is None:
        raise Problem(NOT_FOUND, "People cannot sign in here: no identity provider is configured.")
    return made


def _down() -> Problem:
    return Problem(UNAVAILABLE, "The identity provider cannot be asked.", headers={"Retry-After": "10"})


@router.get("/sign-in", status_code=302, response_class=RedirectResponse, responses=_REFUSALS)
async def sign_in(
    request: Request,
    to: Annotated[str, Query(max_length=1000, description="The path to go to afterwards")] = "/",
) -> Response:
    """Send a person's browser to the identity provider."""
    try:
        address, kept = await asyncio.to_thread(_sign_in(request).begin, to)
    except ProviderDown:
        raise _down() from None
    answer = RedirectResponse(address, 302, headers=_PRIVATE)
    answer.headers.append("Set-Cookie", cookies.header(cookies.SIGNING_IN, kept, seconds=SIGN_IN_SECONDS))
    return answer


@router.get("/callback", status_code=303, response_class=RedirectResponse, responses=_REFUSALS)
async def callback(request: Request) -> Response:
    """Where the identity provider sends a person back to: the session begins here."""
    kept = cookies.value_of(request.scope, cookies.SIGNING_IN)
    came = dict(request.query_params)
    if len(came) != len(request.query_params.multi_items()):
        raise Problem(BAD_REQUEST, "A parameter is there more than once.")
    try:
        known, to = await asyncio.to_thread(_sign_in(request).end, kept, came)
    except ProviderDown:
        raise _down() from None
    except NotBelieved:
        raise Problem(FORBIDDEN, "This sign-in was not completed. Begin again at /auth/sign-in.") from None
    secret = await asyncio.to_thread(_begin_session, request, known)
    answer = RedirectResponse(to, 303, headers=_PRIVATE)
    seconds = int((known.ends_at - datetime.now(UTC)).total_seconds()) if known.ends_at else 0
    answer.headers.append("Set-Cookie", cookies.header(cookies.SESSION, secret, seconds=seconds))
    answer.headers.append("Set-Cookie", cookies.header(cookies.SIGNING_IN, "", seconds=0))
    return answer


def _begin_session(request: Request, known: Known) -> str:
    assert known.ends_at is not None
    secret = shapes.forge(secrets.token_urlsafe)
    row = PersonSession(
        sha256=digest(secret),
        subject=known.principal.subject,
        roles=sorted(known.principal.roles),
        authorities=sorted(known.principal.authorities),
        created_at=datetime.now(UTC),
        ends_at=known.ends_at,
    )
    before = cookies.session_of(request.scope)
    with db.of(request).writing() as session:
        if before is not None:
            sessions.end(session, digest(before))
        sessions.add(session, row)
    return secret


@router.post("/sign-out", status_code=303, response_class=RedirectResponse)
async def sign_out(request: Request) -> Response:
    """End the session, here at once and at every gateway within five seconds."""
    secret = cookies.session_of(request.scope)
    if secret is not None:
        await asyncio.to_thread(_end_session, request, secret)
        identities: Identities = request.app.state.identities
        identities.forget()
    answer = RedirectResponse("/", 303, headers=_PRIVATE)
    answer.headers.append("Set-Cookie", cookies.header(cookies.SESSION, "", seconds=0))
    return answer


def _end_session(request: Request, secret: str) -> None:
    with db.of(request).writing() as session:
        sessions.end(session, digest(secret))


@router.get("/session", responses={401: refusals.answer(UNAUTHORISED)})
def session(request: Request, response: Response) -> SessionAnswer:
    """Who is signed in, for pages: 401 where nobody is."""
    credentials: Credentials = request.app.state.credentials
    known = credentials.known(bearer(request.scope.get("hedgerow.authorization")))
    if known is None:
        raise unauthorised()
    response.headers.update(_PRIVATE)
    who = known.principal
    return SessionAnswer(
        subject=who.subject,
        roles=sorted(who.roles),
        authorities=sorted(who.authorities),
        ends_at=known.ends_at,
    )
