"""The organisation's own identity provider, as OpenID Connect lets it be asked (Core 1.0, Discovery 1.0)."""

import hmac
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import jwt
import orjson

log = logging.getLogger(__name__)

# Signatures only: with a shared secret, whoever can verify a token could make one.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_FAMILIES = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("Ed",)}
ASK_SECONDS = 10.0
FRESH_SECONDS = 600.0
# Neither a token that names a key nobody knows nor a provider that is down makes us ask more often.
LEAST_SECONDS_BETWEEN = 10.0
LONGEST_ANSWER_BYTES = 1_000_000
# Clocks may differ by this.
LEEWAY_SECONDS = 5


class ProviderDown(Exception):
    """The identity provider could not be asked, or its answer is none."""


class NotBelieved(Exception):
    """What was shown is not a good token of the identity provider for us."""


class _Known(NamedTuple):
    endpoints: Mapping[str, Any]
    keys: Sequence[jwt.PyJWK]
    asked_at: float


class Provider:
    """Asks the identity provider; its document and its keys are kept for a while. Call it in a thread."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._lock = Lock()
        self._known: _Known | None = None
        self._failed_at = -LEAST_SECONDS_BETWEEN

    def sign_in_address(self, *, redirect_uri: str, scope: str, state: str, nonce: str, verifier: str) -> str:
        """Where a person's browser is sent to sign in; comes back to `redirect_uri` with a code."""
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = self._endpoint("authorization_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    def is_from(self, issuer: str | None) -> bool:
        """Whether an answer that names its issuer, or should, comes from this one (RFC 9207)."""
        if issuer is None:
            return not self._current().endpoints.get("authorization_response_iss_parameter_supported")
        return issuer == self.issuer

    def claims_for_code(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> dict[str, Any]:
        """Who signed in, by the code that came back. Raises NotBelieved and ProviderDown."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self._client_id,
        }
        # Left out for a client without a secret: PKCE alone ties the code to us.
        secret = (self._client_id, self._client_secret) if self._client_secret else None
        status, answer = self._ask("POST", self._endpoint("token_endpoint"), data=form, auth=secret)
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            log.warning("no token for a code", extra={"status": status})
            raise NotBelieved
        claims = self.claims(token, audiences=[self._client_id])
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._client_id:
            raise NotBelieved
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise NotBelieved
        return claims

    def claims(self, token: str, *, audiences: Sequence[str]) -> dict[str, Any]:
        """The claims of a good token for one of the audiences. Raises NotBelieved and ProviderDown."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS or "crit" in header:
                raise NotBelieved
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(header.get("kid"), header["alg"]),
                algorithms=[header["alg"]],
                audience=list(audiences),
                issuer=self.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "sub", "iat", "exp"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise NotBelieved from None
        return claims

    def _key(self, key_id: object, algorithm: str) -> jwt.PyJWK:
        found = _named(self._current().keys, key_id, algorithm)
        if found is None:
            found = _named(self._current(longest=LEAST_SECONDS_BETWEEN).keys, key_id, algorithm)
        if found is None:
            raise NotBelieved
        return found

    def _endpoint(self, name: str) -> str:
        address = self._current().endpoints.get(name)
        if not isinstance(address, str) or not address.startswith(("https://", _root(self.issuer))):
            raise ProviderDown
        return address

    def _current(self, *, longest: float = FRESH_SECONDS) -> _Known:
        """What is known of the provider, asked again when it is older than it may be."""
        known = self._known
        if known is not None and self._clock() - known.asked_at < longest:
            return known
        # One asks; meanwhile the others go on with what is known. A provider that hangs holds up nobody else.
        if not self._lock.acquire(blocking=known is None):
            assert known is not None
            return known
        try:
            return self._asked_again(longest)
        finally:
            self._lock.release()

    def _asked_again(self, longest: float) -> _Known:
        known, now = self._known, self._clock()
        if known is not None and now - known.asked_at < longest:
            return known
        try:
            if now - self._failed_at < LEAST_SECONDS_BETWEEN:
                raise ProviderDown
            self._failed_at = now
            self._known = known = self._discovered(now)
            self._failed_at = -LEAST_SECONDS_BETWEEN
        except ProviderDown:
            # What was known is believed on.
            if known is None:
                raise
        return known

    def _discovered(self, now: float) -> _Known:
        status, document = self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or document.get("issuer") != self.issuer:
            raise ProviderDown
        address = document.get("jwks_uri")
        if not isinstance(address, str) or not address.startswith(("https://", _root(self.issuer))):
            raise ProviderDown
        status, keys = self._ask("GET", address)
        if status != 200 or not isinstance(keys.get("keys"), list):
            raise ProviderDown
        return _Known(document, _usable(keys["keys"]), now)

    def _ask(self, method: str, address: str, **options: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json"}
        try:
            with httpx.stream(
                method, address, headers=headers, timeout=ASK_SECONDS, follow_redirects=False, **options
            ) as answer:
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > LONGEST_ANSWER_BYTES:
                        raise ProviderDown
            value = orjson.loads(body) if body else {}
        except (httpx.HTTPError, ValueError) as error:
            log.warning("identity provider cannot be asked", extra={"reason": type(error).__name__})
            raise ProviderDown from None
        return answer.status_code, value if isinstance(value, dict) else {}


def _root(issuer: str) -> str:
    """Scheme, host and port of the issuer: its own endpoints may be without TLS where it is itself."""
    url = httpx.URL(issuer)
    return f"{url.scheme}://{url.netloc.decode()}/"


def _usable(given: Sequence[Any]) -> list[jwt.PyJWK]:
    """The keys that verify signatures; what cannot be read, or is a secret, is left out."""
    usable = []
    for jwk in given:
        if not isinstance(jwk, dict) or jwk.get("kty") == "oct" or jwk.get("use", "sig") != "sig":
            continue
        try:
            usable.append(jwt.PyJWK(jwk))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
    return usable


def _named(keys: Sequence[jwt.PyJWK], key_id: object, algorithm: str) -> jwt.PyJWK | None:
    """The key of an id; without an id, the only one there is. It must be one for the algorithm."""
    found = [key for key in keys if key.key_id == key_id] if key_id is not None else list(keys)
    if len(found) != 1 or algorithm[:2] not in _FAMILIES.get(found[0].key_type or "", ()):
        return None
    return found[0]
