"""Identities for tests, signed as the gateway signs them."""

from hedgerow_kit import auth

SIGNER = auth.Signer(auth.new_private_key())


def identity(
    audience: str, *, role: str = "administrator", authorities: tuple[str, ...] = ("*",)
) -> dict[str, str]:
    """The Authorization header of a caller of one app."""
    principal = auth.Principal("tester", frozenset({role}), frozenset(authorities))
    return {"Authorization": f"Bearer {SIGNER.token(principal, audience=audience)}"}
