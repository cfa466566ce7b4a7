"""What a browser sends along by itself: the session of a person, and what that alone may do."""

from hedgerow_kit.problems import FORBIDDEN, Problem
from starlette.requests import cookie_parser
from starlette.types import Scope

from hedgerow_gateway.domain import sessions

# The prefix makes browsers refuse it from other hosts, without TLS, or for a part of the paths.
SESSION = "__Host-hedgerow"
SIGNING_IN = "__Host-hedgerow-sign-in"
PROOF = b"x-csrf-protection"
_SAFE = ("GET", "HEAD", "OPTIONS")


def session_of(scope: Scope) -> str | None:
    """The session that a request carries by cookie; not looked at where there is an Authorization header."""
    names = [name for name, _ in scope["headers"]]
    if b"cookie" not in names or b"authorization" in names:
        return None
    shown = value_of(scope, SESSION)
    return shown if shown is not None and sessions.is_one(shown) else None


def value_of(scope: Scope, name: str) -> str | None:
    headers = [value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"]
    return cookie_parser("; ".join(headers)).get(name)


def check_meant(scope: Scope) -> None:
    """Refuse a change that some other page may have made the browser ask for.

    A page of another origin cannot send this header without being allowed to, and is never allowed to.
    """
    if scope["method"] in _SAFE or session_of(scope) is None:
        return
    if not any(name == PROOF and value for name, value in scope["headers"]):
        raise Problem(
            FORBIDDEN,
            "A session by cookie may only read. To change something, send X-CSRF-Protection: 1.",
        )


def header(name: str, value: str, *, seconds: int) -> str:
    """A Set-Cookie header; `seconds=0` takes the cookie away."""
    return f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
