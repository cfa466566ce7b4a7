"""Access tokens of systems (RFC 9068): signed by the gateway for its own door, and for nowhere else."""

import secrets
from datetime import datetime
from typing import NamedTuple

import jwt
from hedgerow_kit.auth import PERMISSIONS, claims_of

from hedgerow_gateway.domain.grants import Grant, TooWide, narrowed
from hedgerow_gateway.domain.keys import HeldKey
from hedgerow_gateway.store.signing import Keyring

AUDIENCE = "hedgerow"
KIND = "at+jwt"
LIFE_S = 15 * 60


class AccessToken(NamedTuple):
    """What a good access token says: which key it was given for, for how much of it, until when."""

    key_id: str
    scope: str
    ends_at: float


class AccessTokens:
    """Gives access tokens out and knows them again."""

    def __init__(self, keyring: Keyring, issuer: str) -> None:
        self._keyring = keyring
        self._issuer = issuer

    def give(self, key: HeldKey, grant: Grant, *, now: datetime) -> tuple[str, int]:
        """A token for a part of what a key may do, and for how many seconds it is good."""
        left = int((key.expires_at - now).total_seconds()) if key.expires_at else LIFE_S
        life_s = max(1, min(LIFE_S, left))
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": f"key:{key.id}",
            "client_id": key.id,
            "scope": grant.scope,
            "jti": secrets.token_hex(16),
        }
        return self._keyring.sign(claims, life_s=life_s, kind=KIND), life_s

    def read(self, token: str, *, now: datetime) -> AccessToken | None:
        """What a token says if it is one of ours and good; otherwise nothing."""
        try:
            claims = claims_of(
                token,
                self._keyring.public_key,
                issuer=self._issuer,
                audience=AUDIENCE,
                longest_life_s=LIFE_S,
                now=now.timestamp(),
                kind=KIND,
            )
            key_id, scope = claims["client_id"], claims["scope"]
            if not (isinstance(key_id, str) and isinstance(scope, str)):
                return None
            return AccessToken(key_id, scope, float(claims["exp"]))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            return None


def granted(key: HeldKey, scope: str) -> Grant | None:
    """The part of a key that a scope asks for; nothing if it asks for more."""
    try:
        return narrowed(Grant(key.roles, key.authorities), scope, PERMISSIONS)
    except TooWide:
        return None
