"""OAuth 2.0 for systems: a key is shown once and an access token comes back (RFC 6749, 4.4)."""

import asyncio
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request
from hedgerow_kit import problems
from hedgerow_kit.auth import PERMISSIONS
from hedgerow_kit.db import Database
from hedgerow_kit.problems import Problem
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from hedgerow_gateway.api.access_tokens import AccessTokens, granted
from hedgerow_gateway.api.credentials import Credentials
from hedgerow_gateway.api.limits import Attempts
from hedgerow_gateway.domain.grants import Grant
from hedgerow_gateway.domain.keys import HeldKey, digest, identifier_of, is_good
from hedgerow_gateway.store import keys

router = problems.router(tags=["identity"])

LONGEST_FORM = 16_384
# Nobody may keep a token, nor an answer that says why there is none.
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Refused(Exception):
    """No token is given: an error of RFC 6749, 5.2."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self._content = {"error": error, "error_description": description}
        self._status = status
        self._headers = headers or {}

    def response(self) -> Response:
        return JSONResponse(self._content, self._status, {**_NOT_KEPT, **self._headers})


class Client(NamedTuple):
    """Who asks for a token, by what it sent."""

    id: str
    secret: str


class TokenEndpoint:
    """Gives access tokens to systems that show their key."""

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        credentials: Credentials,
        attempts: Attempts,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._credentials = credentials
        self._attempts = attempts
        self._now = now

    async def answer(self, form: dict[str, str], authorization: str | None, address: str) -> dict[str, Any]:
        """The access token for what was sent, or `Refused`.

        address: for whom an attempt that fails is counted
        """
        client = _client(form, authorization)
        if "grant_type" not in form:
            raise Refused("invalid_request", "grant_type is missing.")
        if form["grant_type"] != "client_credentials":
            raise Refused("unsupported_grant_type", "The grant that is given here is client_credentials.")
        presented = digest(f"{client.id} {client.secret}")
        try:
            key = await self._attempts.judge(
                address, presented, partial(asyncio.to_thread, self._known, client)
            )
        except Problem as refusal:
            raise Refused(
                "temporarily_unavailable", refusal.detail, status=429, headers=dict(refusal.headers or {})
            ) from None
        if key is None:
            raise _unknown_client()
        grant = granted(key, form.get("scope", ""))
        if grant is None:
            raise Refused("invalid_scope", "The scope asks for something that the key does not carry.")
        return await asyncio.to_thread(self._given, key, grant)

    def _given(self, key: HeldKey, grant: Grant) -> dict[str, Any]:
        now = self._now()
        token, life_s = self._tokens.give(key, grant, now=now)
        self._credentials.note_use(key.id, now)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": life_s,
            "scope": grant.scope,
        }

    def _known(self, client: Client) -> HeldKey | None:
        """The key that a client is, if what it shows is that key and good."""
        if identifier_of(client.secret) != client.id:
            return None
        with self._database.reading() as session:
            key = keys.held(session, client.id)
        return key if key is not None and is_good(key, digest(client.secret), now=self._now()) else None


class TokenForm(BaseModel):
    grant_type: Literal["client_credentials"]
    scope: str | None = Field(
        default=None,
        description="Less than the key may do: names of roles and `authority:<GSS code>`, spaces between",
    )
    client_id: str | None = Field(default=None, description="The key's id, unless sent by HTTP Basic")
    client_secret: str | None = Field(default=None, description="The key itself, unless sent by HTTP Basic")


class TokenAnswer(BaseModel):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Field(description="Seconds")]
    scope: str = Field(description="What the token is good for")


class TokenError(BaseModel):
    error: str
    error_description: str


class Metadata(BaseModel):
    """RFC 8414."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    scopes_supported: list[str]
    service_documentation: str


@router.post(
    "/oauth/token",
    response_model=TokenAnswer,
    responses={
        400: {"model": TokenError, "description": "The request is not one for a token"},
        401: {"model": TokenError, "description": "The client is not known"},
        429: {"model": TokenError, "description": "Too many failed attempts"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": TokenForm.model_json_schema()}},
        }
    },
)
async def token(request: Request) -> Response:
    """Exchange an API key for an access token: the key's id is the client's id, the key itself the secret.

    Both by HTTP Basic or both in the form. The token is good for fifteen minutes at most.
    """
    endpoint: TokenEndpoint = request.app.state.token_endpoint
    try:
        form = await _form(request)
        authorization = request.scope.get("hedgerow.authorization")
        answer = await endpoint.answer(form, authorization, request.scope["hedgerow.address"])
    except Refused as refused:
        return refused.response()
    return JSONResponse(answer, headers=_NOT_KEPT)


@router.get("/.well-known/oauth-authorization-server")
def metadata(request: Request) -> Metadata:
    """Where tokens are given and how to ask for them, for OAuth libraries (RFC 8414)."""
    issuer: str = request.app.state.issuer
    return Metadata(
        issuer=issuer,
        token_endpoint=f"{issuer}/oauth/token",
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        grant_types_supported=["client_credentials"],
        response_types_supported=[],
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
        scopes_supported=sorted(set(PERMISSIONS) - {"open", "follower"}),
        service_documentation=f"{issuer}/docs",
    )


async def _form(request: Request) -> dict[str, str]:
    """The parameters of a form, each there at most once; empty ones count as left out."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused("invalid_request", "Send application/x-www-form-urlencoded.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            raise Refused("invalid_request", "The form is too long.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise Refused("invalid_request", "The form is not well-formed.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refused("invalid_request", "A parameter is there more than once.")
    return {name: value for name, value in pairs if value}


def _client(form: dict[str, str], authorization: str | None) -> Client:
    by_form = Client(form.get("client_id", ""), form.get("client_secret", ""))
    if authorization is None:
        if not all(by_form):
            raise _unknown_client()
        return by_form
    by_header = _from_basic(authorization)
    if by_form.secret or by_form.id not in ("", by_header.id):
        raise Refused("invalid_request", "Say who asks once: by HTTP Basic or in the form.")
    return by_header


def _from_basic(authorization: str) -> Client:
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        identifier, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise _unknown_client() from None
    if not (identifier and colon):
        raise _unknown_client()
    return Client(unquote_plus(identifier), unquote_plus(secret))


def _unknown_client() -> Refused:
    return Refused(
        "invalid_client",
        "Send the key's id as the client's id and the key as its secret.",
        status=401,
        headers={"WWW-Authenticate": 'Basic realm="hedgerow"'},
    )
