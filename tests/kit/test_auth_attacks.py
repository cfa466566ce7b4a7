"""Forged, stale and misdirected identities: none is believed."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hedgerow_kit import auth
from hedgerow_kit.problems import Problem

NOW = 1_800_000_000
PEM = auth.new_private_key()
SIGNER = auth.Signer(PEM, clock=lambda: NOW)
KEY = serialization.load_pem_private_key(PEM, password=None)
PUBLIC_PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
PUBLIC_RAW = KEY.public_key().public_bytes_raw()  # type: ignore[union-attr]
GOOD: dict[str, Any] = {
    "iss": auth.ISSUER,
    "aud": "registry",
    "sub": "key:1",
    "roles": ["reader"],
    "authorities": ["*"],
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 300,
}


def b64(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(header: dict[str, Any] | bytes | None = None, claims: Any = None, key: Any = KEY) -> str:
    """A token with a good Ed25519 signature over whatever the header and claims say."""
    head = b64(header if header is not None else {"alg": "EdDSA", "kid": SIGNER.key_id, "typ": "JWT"})
    body = b64(claims if claims is not None else GOOD)
    return f"{head}.{body}.{b64(key.sign(f'{head}.{body}'.encode()))}"


def with_header(**changes: Any) -> str:
    header = {"alg": "EdDSA", "kid": SIGNER.key_id, "typ": "JWT"} | changes
    return signed({name: value for name, value in header.items() if value is not ...})


def with_claims(**changes: Any) -> str:
    return signed(claims={name: value for name, value in (GOOD | changes).items() if value is not ...})


def by(algorithm: str, key: Any, **header: Any) -> str:
    """A token of another algorithm, made by hand where the library would refuse to."""
    head = b64({"alg": algorithm, "kid": SIGNER.key_id, "typ": "JWT"} | header)
    message = f"{head}.{b64(GOOD)}".encode()
    if algorithm.startswith("HS"):
        import hashlib
        import hmac

        signature = hmac.new(key, message, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    else:
        signature = key(message)
    return f"{message.decode()}.{b64(signature)}"


OTHER = Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
EMBEDDED = jwt.algorithms.OKPAlgorithm.to_jwk(OTHER.public_key(), as_dict=True)
WHOLE = SIGNER.token(auth.Principal("key:1", frozenset({"reader"}), frozenset({"*"})), audience="registry")
HEAD, BODY, SIGNATURE = WHOLE.split(".")

ATTACKS: dict[str, Callable[[], str] | str] = {
    # No signature, or one that nobody asked for.
    "alg none": f"{b64({'alg': 'none', 'kid': SIGNER.key_id})}.{BODY}.",
    "alg None": f"{b64({'alg': 'None', 'kid': SIGNER.key_id})}.{BODY}.",
    "alg NONE with a signature": f"{b64({'alg': 'NONE', 'kid': SIGNER.key_id})}.{BODY}.{SIGNATURE}",
    "alg empty": with_header(alg=""),
    "alg missing": with_header(alg=...),
    "alg null": with_header(alg=None),
    "alg a list": with_header(alg=["EdDSA"]),
    "alg in lower case": with_header(alg="eddsa"),
    "alg Ed448": with_header(alg="Ed448"),
    "signature left out": f"{HEAD}.{BODY}.",
    "signature of zeros": f"{HEAD}.{BODY}.{b64(bytes(64))}",
    "signature cut short": f"{HEAD}.{BODY}.{SIGNATURE[:-4]}",
    "signature made longer": f"{HEAD}.{BODY}.{SIGNATURE}AAAA",
    "signature of other claims": f"{HEAD}.{b64(GOOD | {'roles': ['administrator']})}.{SIGNATURE}",
    "header of another token": f"{b64({'alg': 'EdDSA', 'kid': SIGNER.key_id})}.{BODY}.{SIGNATURE}",
    # A public key taken for a secret, another kind of key.
    "HS256 with the public PEM": lambda: by("HS256", PUBLIC_PEM),
    "HS256 with the public bytes": lambda: by("HS256", PUBLIC_RAW),
    "HS256 with the published x": lambda: by("HS256", SIGNER.jwks["keys"][0]["x"].encode()),
    "HS384 with the public PEM": lambda: by("HS384", PUBLIC_PEM),
    "HS512 with the public PEM": lambda: by("HS512", PUBLIC_PEM),
    "HS256 with nothing": lambda: by("HS256", b""),
    "HS256 with the key id": lambda: by("HS256", SIGNER.key_id.encode()),
    "RS256": lambda: by("RS256", lambda message: RSA.sign(message, _pkcs1(), hashes.SHA256())),
    "ES256": lambda: by("ES256", lambda message: EC.sign(message, ec.ECDSA(hashes.SHA256()))),
    "another Ed25519 key": lambda: signed(key=OTHER),
    # Headers that would have us fetch or believe a key.
    "kid of nobody": with_header(kid="0000000000000000"),
    "kid missing": with_header(kid=...),
    "kid empty": with_header(kid=""),
    "kid null": with_header(kid=None),
    "kid a number": with_header(kid=1),
    "kid a list": with_header(kid=[SIGNER.key_id]),
    "kid a path": lambda: signed({"alg": "EdDSA", "kid": "../../../../dev/null"}, key=OTHER),
    "kid an absolute path": lambda: signed({"alg": "EdDSA", "kid": "/etc/hostname"}, key=OTHER),
    "kid an address": lambda: signed({"alg": "EdDSA", "kid": "http://127.0.0.1:1/key"}, key=OTHER),
    "kid SQL": with_header(kid="x' UNION SELECT 'key"),
    "kid a command": with_header(kid="key|id"),
    "kid with NUL": with_header(kid=f"{SIGNER.key_id}\x00"),
    "jku": lambda: signed({"alg": "EdDSA", "kid": "x", "jku": "http://127.0.0.1:1/jwks.json"}, key=OTHER),
    "jku beside a good signature": with_header(jku="http://127.0.0.1:1/jwks.json"),
    "jwk embedded": lambda: signed({"alg": "EdDSA", "kid": SIGNER.key_id, "jwk": EMBEDDED}, key=OTHER),
    "x5u": with_header(x5u="http://127.0.0.1:1/cert"),
    "x5c": with_header(x5c=["MIIB"]),
    "crit": with_header(crit=["exp"], exp=NOW + 10_000),
    "b64 false": with_header(b64=False, crit=["b64"]),
    "zip": with_header(zip="DEF"),
    "cty nested": with_header(cty="JWT"),
    # Times.
    "expired": with_claims(iat=NOW - 600, nbf=NOW - 600, exp=NOW - 300),
    "expired this second": with_claims(iat=NOW - 300, nbf=NOW - 300, exp=NOW),
    "not yet valid": with_claims(nbf=NOW + 60),
    "issued in the future": with_claims(iat=NOW + 60, exp=NOW + 300),
    "valid for too long": with_claims(exp=NOW + 301),
    "valid for ever": with_claims(exp=2**62),
    "exp missing": with_claims(exp=...),
    "iat missing": with_claims(iat=...),
    "nbf missing": with_claims(nbf=...),
    "exp null": with_claims(exp=None),
    "exp a text": with_claims(exp=str(NOW + 300)),
    "exp a fraction": with_claims(exp=NOW + 299.5),
    "exp true": with_claims(exp=True),
    "exp infinite": lambda: signed(claims=json.dumps(GOOD).replace(str(NOW + 300), "1e999").encode()),
    "exp NaN": lambda: signed(claims=json.dumps(GOOD).replace(str(NOW + 300), "NaN").encode()),
    "exp negative": with_claims(exp=-1),
    # Somebody else's.
    "for another app": with_claims(aud="outcomes"),
    "for several apps": with_claims(aud=["registry", "outcomes"]),
    "for a list of one app": with_claims(aud=["registry"]),
    "for nobody": with_claims(aud=...),
    "for null": with_claims(aud=None),
    "for all": with_claims(aud="*"),
    "for the app in capitals": with_claims(aud="REGISTRY"),
    "from another issuer": with_claims(iss="evil"),
    "from no issuer": with_claims(iss=...),
    "from a list of issuers": with_claims(iss=[auth.ISSUER]),
    "from the issuer with a space": with_claims(iss=f"{auth.ISSUER} "),
    # Claims that are not what they should be.
    "sub missing": with_claims(sub=...),
    "roles missing": with_claims(roles=...),
    "roles a text": with_claims(roles="administrator"),
    "roles of numbers": with_claims(roles=[1]),
    "authorities missing": with_claims(authorities=...),
    "authorities a text": with_claims(authorities="*"),
    "authorities an object": with_claims(authorities={"*": True}),
    "claims a list": lambda: signed(claims=b"[]"),
    "claims a text": lambda: signed(claims=b'"x"'),
    "claims empty": lambda: signed(claims=b""),
    "claims that are no JSON": lambda: signed(claims=b"{"),
    "claims nested deep": lambda: signed(claims=b"[" * 1000 + b"]" * 1000),
    # Not a token at all.
    "empty": "",
    "dots": "..",
    "one part": HEAD,
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{WHOLE}.{SIGNATURE}",
    "five parts, as if encrypted": f"{HEAD}.{BODY}.{SIGNATURE}.{BODY}.{SIGNATURE}",
    "padding": f"{HEAD}=.{BODY}=.{SIGNATURE}=",
    "a space within": f"{HEAD}. {BODY}.{SIGNATURE}",
    "a line feed behind": f"{WHOLE}\n",
    "NUL behind": f"{WHOLE}\x00",
    "beyond ASCII": f"{HEAD}.{BODY}.{SIGNATURE}é",
    "a lone surrogate": f"{HEAD}.{BODY}.{SIGNATURE}\ud800",
    "full-width dots": WHOLE.replace(".", "．"),
    "a header that is no JSON": f"{b64(b'{')}.{BODY}.{SIGNATURE}",
    "a header that is a list": f"{b64(b'[]')}.{BODY}.{SIGNATURE}",
    "a header nested deep": f"{b64(b'[' * 1000)}.{BODY}.{SIGNATURE}",
    "oversize by claims": lambda: with_claims(padding="x" * 5000),
    "oversize by a megabyte": "a" * 1_000_000,
    "JSON serialisation": json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
}


def _pkcs1() -> Any:
    from cryptography.hazmat.primitives.asymmetric import padding

    return padding.PKCS1v15()


def verifier(**options: Any) -> auth.Verifier:
    return auth.Verifier(SIGNER.jwks, audience="registry", clock=lambda: NOW, **options)


def test_the_token_that_the_attacks_are_made_from_is_good() -> None:
    assert verifier().principal(WHOLE).subject == "key:1"
    assert verifier().principal(signed()).roles == {"reader"}
    assert verifier().principal(with_claims()).authorities == {"*"}


def test_there_are_attacks_enough() -> None:
    assert len(ATTACKS) >= 60


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_identity_is_refused_without_saying_why(attack: str) -> None:
    made = ATTACKS[attack]
    with pytest.raises(Problem) as refused:
        verifier().principal(made if isinstance(made, str) else made())
    assert refused.value.kind.status == 401
    assert refused.value.detail == auth.unauthorised().detail


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused_with_the_keys_in_a_file_too(attack: str, tmp_path: Path) -> None:
    path = tmp_path / "identity.jwks.json"
    path.write_text(json.dumps(SIGNER.jwks))
    made = ATTACKS[attack]
    with pytest.raises(Problem):
        auth.Verifier(path, audience="registry", clock=lambda: NOW).principal(
            made if isinstance(made, str) else made()
        )


def test_a_key_file_that_is_missing_or_broken_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "identity.jwks.json"
    with pytest.raises(Problem):
        auth.Verifier(path, audience="registry", clock=lambda: NOW).principal(WHOLE)
    for content in ("", "{", "[]", "{}", '{"keys": 5}', '{"keys": [{}]}', '{"keys": [{"kty": "RSA"}]}'):
        path.write_text(content)
        with pytest.raises(Problem):
            auth.Verifier(path, audience="registry", clock=lambda: NOW).principal(WHOLE)


def test_a_key_that_was_replaced_is_believed_no_longer_and_the_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "identity.jwks.json"
    path.write_text(json.dumps(SIGNER.jwks))
    checking = auth.Verifier(path, audience="registry", clock=lambda: NOW)
    checking.principal(WHOLE)
    successor = auth.Signer(auth.new_private_key(), clock=lambda: NOW)
    path.write_text(json.dumps(successor.jwks) + "\n")
    principal = auth.Principal("key:2", frozenset({"reader"}), frozenset({"*"}))
    assert checking.principal(successor.token(principal, audience="registry")).subject == "key:2"
    with pytest.raises(Problem):
        checking.principal(WHOLE)


def test_a_symmetric_or_foreign_key_in_the_key_file_is_not_used() -> None:
    secret = {"kty": "oct", "k": b64(b"secret"), "kid": "s", "alg": "HS256"}
    foreign = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "r"}
    for extra in (secret, foreign):
        try:
            checking = auth.Verifier(
                {"keys": [*SIGNER.jwks["keys"], extra]}, audience="registry", clock=lambda: NOW
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        with pytest.raises(Problem):
            checking.principal(by("HS256", b"secret", kid=extra["kid"]))
