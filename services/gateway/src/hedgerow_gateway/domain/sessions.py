"""Sessions of people: how the secret in the cookie looks, and where a browser may be sent back to."""

import re
from collections.abc import Callable

_SHAPE = re.compile(r"session_[0-9A-Za-z_-]{43}")
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,999}")


def forge(random_text: Callable[[int], str]) -> str:
    """A new secret from the given source of randomness (`secrets.token_urlsafe`)."""
    return f"session_{random_text(32)}"


def is_one(text: str) -> bool:
    """Whether a text is shaped like the secret of a session."""
    return _SHAPE.fullmatch(text) is not None


def own_path(wanted: str) -> str:
    """The path to go back to: the one wanted if it is one of this address, otherwise the start.

    >>> own_path("/v1/areas?limit=1"), own_path("//evil.example/"), own_path("https://evil.example/")
    ('/v1/areas?limit=1', '/', '/')
    """
    return wanted if _PATH.fullmatch(wanted) else "/"
