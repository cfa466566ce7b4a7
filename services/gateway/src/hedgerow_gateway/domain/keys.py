"""API keys: how one looks, what is kept of it, when it is good."""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

_SHAPE = re.compile(r"hedgerow_([0-9a-f]{16})_([0-9A-Za-z_-]{43})")
_SECRET_BYTES_SHOWN = 4


class NewKey(NamedTuple):
    """A key at the one moment its secret is known."""

    id: str
    text: str
    prefix: str
    hash: str


class HeldKey(NamedTuple):
    """What the gateway knows of a key: enough to say whether it is good and what it may do."""

    id: str
    hash: str
    roles: tuple[str, ...]
    authorities: tuple[str, ...]
    expires_at: datetime | None
    revoked_at: datetime | None


def forge(random_hex: Callable[[int], str], random_text: Callable[[int], str]) -> NewKey:
    """A new key from the given sources of randomness (`secrets.token_hex`, `secrets.token_urlsafe`)."""
    identifier, secret = random_hex(8), random_text(32)
    text = f"hedgerow_{identifier}_{secret}"
    return NewKey(identifier, text, f"hedgerow_{identifier}_{secret[:_SECRET_BYTES_SHOWN]}", digest(text))


def identifier_of(text: str) -> str | None:
    """The id inside a key's text, or `None` when it is not shaped like a key at all.

    >>> identifier_of("hedgerow_0123456789abcdef_" + "a" * 43)
    '0123456789abcdef'
    >>> identifier_of("hedgerow_0123456789abcdef_short") is None
    True
    """
    shaped = _SHAPE.fullmatch(text)
    return shaped.group(1) if shaped else None


def digest(text: str) -> str:
    """What is stored. A plain SHA-256: the secret holds 256 random bits, there is nothing to guess slowly."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_good(key: HeldKey, presented_hash: str, *, now: datetime) -> bool:
    """Whether the presented key is this one and still holds; compared in constant time."""
    return hmac.compare_digest(key.hash, presented_hash) and not is_over(
        key.expires_at, key.revoked_at, now=now
    )


def is_over(expires_at: datetime | None, revoked_at: datetime | None, *, now: datetime) -> bool:
    """Whether a key has been revoked or has run out; it runs out at the stated moment, not after it."""
    return revoked_at is not None or (expires_at is not None and expires_at <= now)
