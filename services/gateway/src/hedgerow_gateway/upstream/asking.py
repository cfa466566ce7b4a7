"""Requests that are a head and no more, on connections that are kept.

The connections and the parser are aiohttp's; its client, which prepares every request for redirects, cookies,
proxies and defaults, is left out. Nothing of that is wanted here, and it takes longer than all the rest of
what the gateway does for a read.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

# For so long a replica is waited for where another can be asked instead, and where there is none: a machine
# that is short of everything but work has been seen to take seconds for a connection.
CONNECT_SECONDS = 2.0
LAST_CONNECT_SECONDS = 10.0
# Shorter than the apps' own 5 s, so that a connection is dropped here before it is dropped there.
KEEP_ALIVE_SECONDS = 4.0
CHUNK_BYTES = 65_536
LONGEST_HEADER_BYTES = 16_384

WITH_OTHERS = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
LAST = aiohttp.ClientTimeout(total=None, sock_connect=LAST_CONNECT_SECONDS)

Headers = Sequence[tuple[bytes, bytes]]


class Broken(aiohttp.ClientError):
    """The connection broke after a request was begun."""


class Answer:
    """An answer whose head has come. Release it when its body was read, or close it."""

    __slots__ = ("connection", "content", "headers", "raw_headers", "status")

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: "CIMultiDictProxy[str]",
        raw_headers: Headers,
        content: aiohttp.StreamReader,
    ) -> None:
        self.connection = connection
        self.status = status
        self.headers = headers
        self.raw_headers = raw_headers
        self.content = content

    def release(self) -> None:
        """Leave the connection to who comes next, if all of the answer was read."""
        self.connection.release()

    def close(self) -> None:
        self.connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _Way(NamedTuple):
    """To a replica. request: one that stands for all, by which aiohttp knows whither · path: before each"""

    request: ClientRequest
    host: bytes
    path: bytes


class Asking:
    """The kept connections. Make it within the running loop."""

    def __init__(self) -> None:
        self._connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
        self._ways: dict[URL, _Way] = {}

    async def close(self) -> None:
        await self._connector.close()

    async def ask(
        self, base: URL, method: str, target: bytes, headers: Headers, patience: aiohttp.ClientTimeout
    ) -> Answer:
        """Send a head and give the answer once its own has come; it is sent once, whatever happens.

        target: path and query, encoded as they are to be sent. Raises aiohttp's ClientConnectorError or
        ConnectionTimeoutError where nobody was there to hear it, Broken where it may have been heard, and
        ClientPayloadError where what came was not HTTP.
        """
        way = self._ways.get(base)
        if way is None:
            way = self._ways[base] = _way_to(base)
        lines = b"".join([b"%s: %s\r\n" % pair for pair in headers])
        head = b"%s %s%s HTTP/1.1\r\nhost: %s\r\n%s\r\n" % (
            method.encode(),
            way.path,
            target,
            way.host,
            lines,
        )
        # The door lets no line end into a header; if ever it did, it would end here.
        if not head.count(b"\n") == head.count(b"\r") == len(headers) + 3:
            raise ValueError("a line end within a header")
        try:
            connection = await self._connector.connect(way.request, [], patience)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"no connection to {base}") from error
        try:
            return await _sent(connection, method, head)
        except BaseException as error:
            connection.close()
            if isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError):
                raise Broken from error
            if isinstance(error, HttpProcessingError):
                raise aiohttp.ClientPayloadError("not HTTP") from error
            raise


def _way_to(base: URL) -> _Way:
    return _Way(
        ClientRequest("GET", base),
        (base.host_port_subcomponent or "").encode(),
        base.raw_path.rstrip("/").encode(),
    )


async def _sent(connection: Connection, method: str, head: bytes) -> Answer:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        skip_payload=method == "HEAD",
        read_until_eof=True,
        auto_decompress=False,
        read_bufsize=CHUNK_BYTES,
        max_line_size=LONGEST_HEADER_BYTES,
        max_field_size=LONGEST_HEADER_BYTES,
    )
    transport.write(head)
    message, content = await protocol.read()
    while message.code < 200:
        # Only told in advance that the answer will come.
        message, content = await protocol.read()
    return Answer(connection, message.code, message.headers, message.raw_headers, content)
