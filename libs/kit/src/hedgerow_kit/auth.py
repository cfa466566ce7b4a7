"""Who asks: a short-lived identity signed by the gateway, verified by every app.

The identity is a JWT signed with Ed25519. Its audience is one app, it lives for five minutes at most, and its
claims are the whole of what an app knows about the caller: `sub`, `roles`, `authorities`.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Depends, Request
from jwt.algorithms import OKPAlgorithm

from hedgerow_kit.problems import FORBIDDEN, UNAUTHORISED, Problem

ISSUER = "hedgerow-gateway"
LONGEST_LIFE_S = 300
LONGEST_TOKEN = 4096
ALL_AUTHORITIES = "*"
# A key that was taken out of the key file is believed this long at the most.
KEYS_SECONDS = 5

# Where a request keeps the principal that was verified for it.
_KNOWN = "hedgerow.principal"

PERMISSIONS: dict[str, frozenset[str]] = {
    # Whoever comes without a key: only what is published for everyone.
    "open": frozenset({"open"}),
    "reader": frozenset({"open", "read"}),
    "coordinator": frozenset({"open", "read", "design"}),
    "system": frozenset({"open", "read", "design", "write"}),
    "commissioner": frozenset({"open", "read", "design", "write", "money"}),
    # An app that follows another: sees all of it, and changes nothing.
    "follower": frozenset({"open", "read", "money"}),
    "administrator": frozenset({"open", "read", "design", "write", "money", "administer"}),
}

# What each permission allows, as a refusal says it.
_TOLD = {
    "open": "read what is open to all",
    "read": "read",
    "design": "save designs",
    "write": "import and write",
    "money": "see and settle money",
    "administer": "administer",
}
# Roles that nobody is given a key of.
_NOT_GIVEN = ("open", "follower")


@dataclass(frozen=True)
class Principal:
    """Who asks, with what roles, for which authorities (`*`: all)."""

    subject: str
    roles: frozenset[str]
    authorities: frozenset[str]

    def may(self, permission: str) -> bool:
        return any(permission in PERMISSIONS.get(role, frozenset()) for role in self.roles)

    @property
    def acts_for_all(self) -> bool:
        return ALL_AUTHORITIES in self.authorities

    @property
    def stamp(self) -> str | None:
        """The authority that what it hands in belongs to, unless it says which; None for who acts for all.

        Of one that acts for several it is all of them together: who acts for only some of them has no claim
        to what came for the others.
        """
        return None if self.acts_for_all else "+".join(sorted(self.authorities))

    @property
    def codes(self) -> frozenset[str]:
        """What stands on the rows that are its own: its authorities, and all of them together (its stamp)."""
        return self.authorities | {self.stamp or ""} - {""}

    def owns(self, authority_code: str | None) -> bool:
        """Whether a row of this authority is its own to change; everybody's only by who acts for all."""
        return self.acts_for_all or authority_code in self.codes

    def within(self, authority_code: str | None) -> bool:
        """Whether a row of this authority is in reach; a row of no authority is in everybody's."""
        return authority_code is None or self.owns(authority_code)


def new_private_key() -> bytes:
    """A new Ed25519 private key, PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Signer:
    """Signs identities with the gateway's private key."""

    def __init__(self, private_key_pem: bytes, *, clock: Callable[[], float] = time.time) -> None:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the signing key is not an Ed25519 key")
        self._key = key
        self._clock = clock
        public = key.public_key()
        self.key_id = public.public_bytes_raw().hex()[:16]
        self.jwks: dict[str, Any] = {
            "keys": [
                OKPAlgorithm.to_jwk(public, as_dict=True) | {"kid": self.key_id, "alg": "EdDSA", "use": "sig"}
            ]
        }

    def token(self, principal: Principal, *, audience: str, life_s: int = LONGEST_LIFE_S) -> str:
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": principal.subject,
            "roles": sorted(principal.roles),
            "authorities": sorted(principal.authorities),
        }
        return self.sign(claims, life_s=life_s)

    def sign(self, claims: Mapping[str, Any], *, life_s: int, kind: str = "JWT") -> str:
        """A token of the claims that is good from now for so long; kind: its `typ`."""
        now = int(self._clock())
        times = {"iat": now, "nbf": now, "exp": now + life_s}
        return jwt.encode(
            {**claims, **times}, self._key, algorithm="EdDSA", headers={"kid": self.key_id, "typ": kind}
        )


def claims_of(
    token: str,
    key_of: Callable[[str], Ed25519PublicKey],
    *,
    issuer: str,
    audience: str,
    longest_life_s: int,
    now: float,
    kind: str = "JWT",
) -> dict[str, Any]:
    """The claims of a token that the gateway has signed.

    key_of: the public key of an id, or KeyError. Raises PyJWTError, ValueError, TypeError or KeyError for
    everything that is not exactly such a token.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise ValueError("not a token of ours")
    header = jwt.get_unverified_header(token)
    if header.get("alg") != "EdDSA" or set(header) - {"alg", "kid", "typ"}:
        raise ValueError("not a header of ours")
    if not isinstance(header["kid"], str) or header.get("typ", "JWT") != kind:
        raise TypeError("no key named, or another kind of token")
    claims: dict[str, Any] = jwt.decode(
        token,
        key_of(header["kid"]),
        algorithms=["EdDSA"],
        audience=audience,
        issuer=issuer,
        options={
            "require": ["iss", "aud", "sub", "iat", "nbf", "exp"],
            # Times are checked below, against the clock that was handed in.
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        },
    )
    times = [claims[name] for name in ("iat", "nbf", "exp")]
    if not all(type(moment) is int for moment in times) or not isinstance(claims["aud"], str):
        raise ValueError("times are whole seconds and the audience is one")
    issued, not_before, expires = times
    if not (not_before <= now + 5 and issued <= now + 5 and now < expires <= issued + longest_life_s):
        raise ValueError("not valid now")
    return claims


class Verifier:
    """Verifies identities for one app against the gateway's public keys.

    The key file is read again when it has changed: looked at every few seconds, and at once when a token
    names a key that is not known yet.
    """

    def __init__(
        self, keys: Path | dict[str, Any], *, audience: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = keys if isinstance(keys, Path) else None
        self._keys = {} if isinstance(keys, Path) else public_keys(keys)
        self._read_at = -1
        self._looked_at = clock()
        self._audience = audience
        self._clock = clock
        self._lock = Lock()

    def principal(self, token: str) -> Principal:
        """The principal of a token, or a 401 problem that does not say what was wrong with it."""
        try:
            claims = claims_of(
                token,
                self._key,
                issuer=ISSUER,
                audience=self._audience,
                longest_life_s=LONGEST_LIFE_S,
                now=self._clock(),
            )
            return Principal(str(claims["sub"]), _strings(claims["roles"]), _strings(claims["authorities"]))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise unauthorised() from None

    def _key(self, key_id: str) -> Ed25519PublicKey:
        if self._path is not None and (
            key_id not in self._keys or abs(self._clock() - self._looked_at) >= KEYS_SECONDS
        ):
            self._reread(self._path)
        return self._keys[key_id]

    def _reread(self, path: Path) -> None:
        with self._lock:
            self._looked_at = self._clock()
            try:
                changed_at = path.stat().st_mtime_ns
                if changed_at != self._read_at:
                    self._keys = public_keys(json.loads(path.read_bytes()))
                    self._read_at = changed_at
            except OSError:
                # Not there yet, or out of reach for a moment: what is known stays known.
                return


def _strings(claim: object) -> frozenset[str]:
    if not isinstance(claim, list) or not all(isinstance(item, str) for item in claim):
        raise TypeError("a list of strings is expected")
    return frozenset(claim)


def public_keys(jwks: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a key set, by id."""
    made = {}
    for jwk in jwks["keys"]:
        key = OKPAlgorithm.from_jwk(jwk)
        if isinstance(key, Ed25519PublicKey):
            made[jwk["kid"]] = key
    return made


def unauthorised() -> Problem:
    return Problem(
        UNAUTHORISED,
        "Send a valid key in the Authorization header: Bearer <key>.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def bearer(authorization: str | None) -> str:
    """The token of an Authorization header."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorised()
    return token.strip()


def known(request: Request) -> Principal | None:
    """The caller of a request, once it was verified."""
    principal: Principal | None = request.scope.get(_KNOWN)
    return principal


async def _principal(request: Request) -> Principal:
    principal = known(request)
    if principal is None:
        verifier: Verifier = request.app.state.verifier
        principal = verifier.principal(bearer(request.headers.get("authorization")))
        request.scope[_KNOWN] = principal
    return principal


# A strict route asks this before it looks at anything else.
_principal.identifies = True  # type: ignore[attr-defined]


def require(permission: str) -> Any:
    """A dependency that gives the caller, or refuses one without the permission."""
    roles: Iterable[frozenset[str]] = PERMISSIONS.values()
    assert any(permission in granted for granted in roles), permission

    async def allowed(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        if not principal.may(permission):
            roles = [role for role, granted in PERMISSIONS.items() if permission in granted]
            given = " or ".join(role for role in roles if role not in _NOT_GIVEN)
            raise Problem(
                FORBIDDEN,
                f"This needs the permission to {_TOLD[permission]}, which your key does not carry:"
                f" ask for a key of the role {given}.",
            )
        return principal

    allowed.permission = permission  # type: ignore[attr-defined]
    return Depends(allowed)
