"""Forged, stale and misdirected tokens, made from a good one."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Forgery = Callable[[], str] | str

ELSEWHERE = "http://127.0.0.1:1/jwks.json"
OTHER = Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def b64(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(key: Any, header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes) -> str:
    """A token with a good Ed25519 signature over whatever the header and claims say."""
    message = f"{b64(header)}.{b64(claims)}"
    return f"{message}.{b64(key.sign(message.encode()))}"


def hmac_signed(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A token signed with what is no secret."""
    message = f"{b64(header)}.{b64(claims)}"
    digest = hmac.new(secret, message.encode(), f"sha{header['alg'][2:]}").digest()
    return f"{message}.{b64(digest)}"


def forgeries(
    key: Ed25519PrivateKey, key_id: str, good: dict[str, Any], *, kind: str = "JWT"
) -> dict[str, Forgery]:
    """Attacks by name: each must be refused where a token of the `good` claims signed with `key` is taken."""
    now, life_s = good["iat"], good["exp"] - good["iat"]
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    public_raw = key.public_key().public_bytes_raw()
    embedded = jwt.algorithms.OKPAlgorithm.to_jwk(OTHER.public_key(), as_dict=True)

    def forged(header: dict[str, Any] | bytes | None = None, claims: Any = None, by_key: Any = key) -> str:
        typical = {"alg": "EdDSA", "kid": key_id, "typ": kind}
        return signed(by_key, typical if header is None else header, good if claims is None else claims)

    def with_header(**changes: Any) -> str:
        header = {"alg": "EdDSA", "kid": key_id, "typ": kind} | changes
        return forged({name: value for name, value in header.items() if value is not ...})

    def with_claims(**changes: Any) -> str:
        return forged(claims={name: value for name, value in (good | changes).items() if value is not ...})

    def by(algorithm: str, key: Any) -> str:
        """A token of another algorithm, made by hand where the library would refuse to."""
        header = {"alg": algorithm, "kid": key_id, "typ": kind}
        if algorithm.startswith("HS"):
            return hmac_signed(header, good, key)
        message = f"{b64(header)}.{b64(good)}"
        return f"{message}.{b64(key(message.encode()))}"

    whole = forged()
    head, body, signature = whole.split(".")
    made: dict[str, Forgery] = {
        # No signature, or one that nobody asked for.
        "alg none": f"{b64({'alg': 'none', 'kid': key_id})}.{body}.",
        "alg None": f"{b64({'alg': 'None', 'kid': key_id})}.{body}.",
        "alg NONE with a signature": f"{b64({'alg': 'NONE', 'kid': key_id})}.{body}.{signature}",
        "alg empty": with_header(alg=""),
        "alg missing": with_header(alg=...),
        "alg null": with_header(alg=None),
        "alg a list": with_header(alg=["EdDSA"]),
        "alg in lower case": with_header(alg="eddsa"),
        "alg Ed448": with_header(alg="Ed448"),
        "signature left out": f"{head}.{body}.",
        "signature of zeros": f"{head}.{body}.{b64(bytes(64))}",
        "signature cut short": f"{head}.{body}.{signature[:-4]}",
        "signature made longer": f"{head}.{body}.{signature}AAAA",
        "signature of other claims": f"{head}.{b64(good | {'roles': ['administrator']})}.{signature}",
        "header of another token": f"{b64({'alg': 'EdDSA', 'kid': key_id})}.{body}.{signature}",
        # A public key taken for a secret, another kind of key.
        "HS256 with the public PEM": lambda: by("HS256", public_pem),
        "HS256 with the public bytes": lambda: by("HS256", public_raw),
        "HS256 with the published x": lambda: by("HS256", b64(public_raw).encode()),
        "HS384 with the public PEM": lambda: by("HS384", public_pem),
        "HS512 with the public PEM": lambda: by("HS512", public_pem),
        "HS256 with nothing": lambda: by("HS256", b""),
        "HS256 with the key id": lambda: by("HS256", key_id.encode()),
        "RS256": lambda: by("RS256", lambda message: RSA.sign(message, padding.PKCS1v15(), hashes.SHA256())),
        "ES256": lambda: by("ES256", lambda message: EC.sign(message, ec.ECDSA(hashes.SHA256()))),
        "another Ed25519 key": lambda: forged(by_key=OTHER),
        # Headers that would have us fetch or believe a key.
        "kid of nobody": with_header(kid="0000000000000000"),
        "kid missing": with_header(kid=...),
        "kid empty": with_header(kid=""),
        "kid null": with_header(kid=None),
        "kid a number": with_header(kid=1),
        "kid a list": with_header(kid=[key_id]),
        "kid a path": lambda: forged({"alg": "EdDSA", "kid": "../../../../dev/null"}, by_key=OTHER),
        "kid an absolute path": lambda: forged({"alg": "EdDSA", "kid": "/etc/hostname"}, by_key=OTHER),
        "kid an address": lambda: forged({"alg": "EdDSA", "kid": "http://127.0.0.1:1/key"}, by_key=OTHER),
        "kid SQL": with_header(kid="x' UNION SELECT 'key"),
        "kid a command": with_header(kid="key|id"),
        "kid with NUL": with_header(kid=f"{key_id}\x00"),
        "jku": lambda: forged({"alg": "EdDSA", "kid": "x", "jku": ELSEWHERE}, by_key=OTHER),
        "jku beside a good signature": with_header(jku=ELSEWHERE),
        "jwk embedded": lambda: forged({"alg": "EdDSA", "kid": key_id, "jwk": embedded}, by_key=OTHER),
        "x5u": with_header(x5u="http://127.0.0.1:1/cert"),
        "x5c": with_header(x5c=["MIIB"]),
        "crit": with_header(crit=["exp"], exp=now + 10_000),
        "b64 false": with_header(b64=False, crit=["b64"]),
        "zip": with_header(zip="DEF"),
        "cty nested": with_header(cty="JWT"),
        # Times.
        "expired": with_claims(iat=now - 2 * life_s, nbf=now - 2 * life_s, exp=now - life_s),
        "expired this second": with_claims(iat=now - life_s, nbf=now - life_s, exp=now),
        "not yet valid": with_claims(nbf=now + 60),
        "issued in the future": with_claims(iat=now + 60, exp=now + life_s),
        "valid for too long": with_claims(exp=now + life_s + 1),
        "valid for ever": with_claims(exp=2**62),
        "exp missing": with_claims(exp=...),
        "iat missing": with_claims(iat=...),
        "nbf missing": with_claims(nbf=...),
        "exp null": with_claims(exp=None),
        "exp a text": with_claims(exp=str(now + life_s)),
        "exp a fraction": with_claims(exp=now + life_s - 0.5),
        "exp true": with_claims(exp=True),
        "exp infinite": lambda: forged(claims=json.dumps(good).replace(str(now + life_s), "1e999").encode()),
        "exp NaN": lambda: forged(claims=json.dumps(good).replace(str(now + life_s), "NaN").encode()),
        "exp negative": with_claims(exp=-1),
        # Somebody else's.
        "for another app": with_claims(aud="outcomes"),
        "for several apps": with_claims(aud=[good["aud"], "outcomes"]),
        "for a list of one app": with_claims(aud=[good["aud"]]),
        "for nobody": with_claims(aud=...),
        "for null": with_claims(aud=None),
        "for all": with_claims(aud="*"),
        "for the app in capitals": with_claims(aud=good["aud"].upper()),
        "from another issuer": with_claims(iss="evil"),
        "from no issuer": with_claims(iss=...),
        "from a list of issuers": with_claims(iss=[good["iss"]]),
        "from the issuer with a space": with_claims(iss=f"{good['iss']} "),
        # Claims that are not what they should be.
        "sub missing": with_claims(sub=...),
        "claims a list": lambda: forged(claims=b"[]"),
        "claims a text": lambda: forged(claims=b'"x"'),
        "claims empty": lambda: forged(claims=b""),
        "claims that are no JSON": lambda: forged(claims=b"{"),
        "claims nested deep": lambda: forged(claims=b"[" * 1000 + b"]" * 1000),
        # Not a token at all.
        "empty": "",
        "dots": "..",
        "one part": head,
        "two parts": f"{head}.{body}",
        "four parts": f"{whole}.{signature}",
        "five parts, as if encrypted": f"{head}.{body}.{signature}.{body}.{signature}",
        "padding": f"{head}=.{body}=.{signature}=",
        "a space within": f"{head}. {body}.{signature}",
        "a line feed behind": f"{whole}\n",
        "NUL behind": f"{whole}\x00",
        "beyond ASCII": f"{head}.{body}.{signature}é",
        "a lone surrogate": f"{head}.{body}.{signature}\ud800",
        "full-width dots": whole.replace(".", "．"),
        "a header that is no JSON": f"{b64(b'{')}.{body}.{signature}",
        "a header that is a list": f"{b64(b'[]')}.{body}.{signature}",
        "a header nested deep": f"{b64(b'[' * 1000)}.{body}.{signature}",
        "oversize by claims": lambda: with_claims(padding="x" * 5000),
        "oversize by a megabyte": "a" * 1_000_000,
        "JSON serialisation": json.dumps({"protected": head, "payload": body, "signature": signature}),
    }
    return made
