"""Forged, stale and misdirected identities: none is believed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hedgerow_kit import auth
from hedgerow_kit.problems import Problem

from tests.support import forgeries
from tests.support.forgeries import RSA, Forgery, b64

NOW = 1_800_000_000
PEM = auth.new_private_key()
SIGNER = auth.Signer(PEM, clock=lambda: NOW)
KEY = serialization.load_pem_private_key(PEM, password=None)
assert isinstance(KEY, Ed25519PrivateKey)
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


def signed(**changes: Any) -> str:
    """A token with a good signature over changed claims; `...` leaves one out."""
    claims = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return forgeries.signed(KEY, {"alg": "EdDSA", "kid": SIGNER.key_id, "typ": "JWT"}, claims)


ATTACKS: dict[str, Forgery] = forgeries.forgeries(KEY, SIGNER.key_id, GOOD) | {
    "roles missing": signed(roles=...),
    "roles a text": signed(roles="administrator"),
    "roles of numbers": signed(roles=[1]),
    "authorities missing": signed(authorities=...),
    "authorities a text": signed(authorities="*"),
    "authorities an object": signed(authorities={"*": True}),
    "an access token": SIGNER.sign(GOOD, life_s=300, kind="at+jwt"),
}
WHOLE = SIGNER.token(auth.Principal("key:1", frozenset({"reader"}), frozenset({"*"})), audience="registry")


def verifier(**options: Any) -> auth.Verifier:
    return auth.Verifier(SIGNER.jwks, audience="registry", clock=lambda: NOW, **options)


def test_the_token_that_the_attacks_are_made_from_is_good() -> None:
    assert verifier().principal(WHOLE).subject == "key:1"
    assert verifier().principal(signed()).roles == {"reader"}


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


def test_a_key_that_was_taken_out_is_believed_for_seconds_only(tmp_path: Path) -> None:
    path = tmp_path / "identity.jwks.json"
    path.write_text(json.dumps(SIGNER.jwks))
    now = NOW
    checking = auth.Verifier(path, audience="registry", clock=lambda: now)
    checking.principal(WHOLE)
    path.write_text(json.dumps(auth.Signer(auth.new_private_key()).jwks))
    now += auth.KEYS_SECONDS
    with pytest.raises(Problem):
        checking.principal(WHOLE)


def test_a_key_file_out_of_reach_for_a_moment_shuts_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "identity.jwks.json"
    path.write_text(json.dumps(SIGNER.jwks))
    now = NOW
    checking = auth.Verifier(path, audience="registry", clock=lambda: now)
    checking.principal(WHOLE)
    path.unlink()
    now += auth.KEYS_SECONDS
    assert checking.principal(WHOLE).subject == "key:1"


def test_a_symmetric_or_foreign_key_in_the_key_file_is_not_used() -> None:
    secret = {"kty": "oct", "k": b64(b"secret" * 6), "kid": "s", "alg": "HS256"}
    foreign = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "r"}
    for extra in (secret, foreign):
        try:
            checking = auth.Verifier(
                {"keys": [*SIGNER.jwks["keys"], extra]}, audience="registry", clock=lambda: NOW
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        with pytest.raises(Problem):
            checking.principal(jwt.encode(GOOD, b"secret" * 6, "HS256", headers={"kid": extra["kid"]}))


@pytest.mark.parametrize(
    ("permission", "told", "roles"),
    [
        ("read", "read", "reader or coordinator or system or commissioner or administrator"),
        ("design", "save designs", "coordinator or system or commissioner or administrator"),
        ("write", "import and write", "system or commissioner or administrator"),
        ("money", "see and settle money", "commissioner or administrator"),
        ("administer", "administer", "administrator"),
    ],
)
def test_who_may_not_is_told_in_a_sentence_and_by_which_roles_one_may(
    permission: str, told: str, roles: str
) -> None:
    guard = auth.require(permission).dependency
    with pytest.raises(Problem) as refused:
        asyncio.run(guard(auth.Principal("nobody", frozenset(), frozenset())))
    assert refused.value.detail == (
        f"This needs the permission to {told}, which your key does not carry:"
        f" ask for a key of the role {roles}."
    )
