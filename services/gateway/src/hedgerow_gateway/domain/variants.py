"""One answer in several encodings: which is asked for, and how their entity tags relate (RFC 9110)."""

import re
from functools import lru_cache

IDENTITY, GZIP, ZSTD = "identity", "gzip", "zstd"
# What is asked for as much as another is given in this order.
_PREFERRED = (ZSTD, GZIP, IDENTITY)
_OUR_ENDING = re.compile(rb"-(?:gzip|zstd)(?=\")")


@lru_cache(maxsize=256)
def encoding_for(accept_encoding: bytes) -> str:
    """The encoding that an Accept-Encoding header likes best of those there are.

    >>> [encoding_for(header) for header in (b"gzip, deflate", b"gzip, zstd", b"", b"br", b"zstd;q=0, *")]
    ['gzip', 'zstd', 'identity', 'identity', 'gzip']
    """
    liked: dict[str, float] = {}
    for said in accept_encoding.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in said.split(";"))
        liked[name] = _weight(parameters)
    anything = liked.get("*", 0.0)
    # Uncompressed is fine unless it is ruled out; it is not preferred for that.
    weights = {GZIP: anything, ZSTD: anything, IDENTITY: 0.0001} | liked
    return max(_PREFERRED, key=lambda encoding: weights[encoding])


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def tag_of(tag: bytes, encoding: str) -> bytes:
    """The strong entity tag of an answer in an encoding: every encoding has its own.

    >>> tag_of(b'"a1"', GZIP)
    b'"a1-gzip"'
    """
    return tag if encoding == IDENTITY else tag[:-1] + b"-" + encoding.encode() + b'"'


def as_apps_know(tags: bytes) -> bytes:
    """Entity tags as the apps gave them, whatever encoding the caller has read.

    >>> as_apps_know(b'"a1-gzip", "b2"')
    b'"a1", "b2"'
    """
    return _OUR_ENDING.sub(b"", tags)


def names(tags: bytes, tag: bytes) -> bytes | None:
    """The tag among those in If-None-Match that stands for this answer in whatever encoding.

    >>> names(b'"b2", W/"a1-gzip"', b'"a1"')
    b'"a1-gzip"'
    >>> names(b'"b2"', b'"a1"') is None
    True
    """
    for named in tags.split(b","):
        named = named.strip().removeprefix(b"W/")
        if named == b"*":
            return tag
        if as_apps_know(named) == tag:
            return named
    return None
