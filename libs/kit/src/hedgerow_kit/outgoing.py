"""Requests to addresses that callers give: an HTTP transport that reaches public addresses only.

Such an address must not become a way into the network this app stands in. Checking the address's
text is not enough: a name may resolve to a private address, a redirect may lead to one, and a name may
resolve differently a second later. So the check is made where the connection is opened, on the very address
it is opened to.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

# All of IPv6 that is given out for the internet (IANA, "Internet Protocol Version 6 Address Space").
# What lies outside is local, multicast, unassigned, or carries an IPv4 address for a translator to reach.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

# Special-purpose ranges (IANA's two registries, RFC 6890) that `ipaddress` takes for global, in some version
# of Python at least, and one address that is special in practice.
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in (
        "192.0.0.0/24",  # IETF protocol assignments: .9, .10 anycast; .192 Oracle's metadata
        "192.31.196.0/24",  # AS112: anycast: the nearest answers, maybe inside our network
        "192.52.193.0/24",  # AMT relays: anycast
        "192.88.99.0/24",  # 6to4 relays: anycast, deprecated (RFC 7526)
        "192.175.48.0/24",  # AS112, delegated directly: anycast
        "168.63.129.16/32",  # Azure's own services, at a public number, to be had in each virtual machine
        "2001::/23",  # IETF protocol assignments: Teredo carries an IPv4 address, AMT and AS112 are anycast
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",  # AS112, delegated directly: anycast
        "3fff::/20",  # documentation (RFC 9637)
    )
)

# The errors of httpcore are named after classes; whoever reads why a pull failed is told what happened.
_WORDS = (
    (httpcore.ConnectTimeout, "no connection within the time limit"),
    (httpcore.TimeoutException, "no answer within the time limit"),
    (httpcore.ConnectError, "no connection could be made"),
    (httpcore.ProtocolError, "the answer broke off or is not HTTP"),
    (httpcore.NetworkError, "the connection broke off"),
)


class HostRefused(Exception):
    """The address is not public, and its host is not among those the operator allows."""


def is_public(address: str) -> bool:
    """Whether an IP address may be reached on a caller's word.

    Not public: what IANA keeps for a special purpose, whoever says otherwise, multicast and unassigned ones.

    >>> is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("8.8.8.8")
    (False, False, True)
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found not in _GLOBAL_UNICAST:
            return False
    if found.is_multicast or found.is_reserved or any(found in block for block in _SPECIAL):
        return False
    return found.is_global


def _words(error: Exception) -> str:
    return next((words for kind, words in _WORDS if isinstance(error, kind)), type(error).__name__)


# When what is under way in this context has to be over, on the monotonic clock.
_ends: ContextVar[float | None] = ContextVar("ends", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Give requests within the block so long as a whole: a timeout alone begins anew with every byte.

    The look-up of a name is not interrupted.
    """
    before = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(before)


def _left(timeout: float | None, over: type[Exception]) -> float | None:
    ends = _ends.get()
    if ends is None:
        return timeout
    left = ends - time.monotonic()
    if left <= 0:
        raise over
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _PublicOnly(httpcore.SyncBackend):
    """Opens connections to vetted addresses."""

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        self._allowed = allowed_hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception = httpcore.ConnectError("the host has no address")
        for address in self._vetted(host, port):
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(super().connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise HostRefused

    def _vetted(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the host name is not known") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        name = host.lower()
        if name in self._allowed or f"{name}:{port}" in self._allowed:
            return addresses
        if not all(is_public(address) for address in addresses):
            raise HostRefused
        return addresses


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_stream()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx.TransportError(_words(error)) from None

    def close(self) -> None:
        self._response.close()


class PublicTransport(httpx.BaseTransport):
    """A transport for httpx whose connections go to public addresses, or to hosts the operator allows.

    trusted: which certificates are; read anew where not given, which takes longer than many a request
    """

    def __init__(
        self, *, allowed_hosts: frozenset[str] = frozenset(), trusted: ssl.SSLContext | None = None
    ) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted or httpx.create_ssl_context(),
            max_connections=4,
            network_backend=_PublicOnly(allowed_hosts),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = self._pool.handle_request(sent)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            # What is wrong with a certificate stands in what caused the error; the pool raises it anew
            # "from None", which leaves that in the context only.
            raise httpx.TransportError(_words(error)) from (error.__cause__ or error.__context__)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()
