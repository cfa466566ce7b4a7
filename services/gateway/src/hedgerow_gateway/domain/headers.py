"""Which headers cross the gateway. Requests by a list of what may pass, answers by a list of what may not."""

from collections.abc import Iterable, Sequence

from hedgerow_gateway.domain.variants import as_apps_know

Headers = Sequence[tuple[bytes, bytes]]

# Whatever a caller invents about who they are or where they come from is simply not on this list.
REQUEST_HEADERS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"content-digest",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"prefer",
        b"range",
        b"user-agent",
    }
)

_TAGS = frozenset({b"if-match", b"if-none-match", b"if-range"})

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# The gateway's own server writes these; an app has no session with a caller.
ANSWER_HEADERS_KEPT_BACK = HOP_BY_HOP | {
    b"server",
    b"date",
    b"set-cookie",
    b"x-content-type-options",
    b"x-powered-by",
}


def _named_in_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


def for_app(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The request headers an app may see; names are lower case, as ASGI gives them.

    >>> for_app([(b"accept", b"text/csv"), (b"x-forwarded-for", b"1.2.3.4"), (b"authorization", b"Bearer x")])
    [(b'accept', b'text/csv')]
    """
    named = _named_in_connection(headers)
    return [
        (name, as_apps_know(value) if name in _TAGS else value)
        for name, value in headers
        if name in REQUEST_HEADERS and name not in named
    ]


def for_caller(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The answer's headers a caller may see, names lower case.

    >>> for_caller([(b"ETag", b'"1"'), (b"Connection", b"x-a"), (b"X-A", b"1"), (b"Server", b"app")])
    [(b'etag', b'"1"')]
    """
    lowered = [(name.lower(), value) for name, value in headers]
    named = _named_in_connection(lowered)
    return [pair for pair in lowered if pair[0] not in ANSWER_HEADERS_KEPT_BACK and pair[0] not in named]
