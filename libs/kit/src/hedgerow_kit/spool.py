"""An upload on disk: received as a stream, decompressed on the way, never held in memory."""

import hashlib
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO

from starlette.requests import ClientDisconnect, Request

from hedgerow_kit.problems import BAD_REQUEST, TOO_LARGE, UNPROCESSABLE, UNSUPPORTED_MEDIA, Problem

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A received body: where it lies, how many bytes it has unpacked, its media type without parameters,
    and the SHA-256 of what it has unpacked.
    """

    path: Path
    size: int
    media_type: str
    sha256: str = ""


@asynccontextmanager
async def received(request: Request, *, limit_bytes: int) -> AsyncIterator[Upload]:
    """The request's body as a file, removed afterwards.

    Raises a problem when the body is longer than `limit_bytes` unpacked (413), is in another encoding than
    gzip (415), or is not whole (422).
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Problem(UNSUPPORTED_MEDIA, "Content-Encoding may be gzip or absent.")
    with tempfile.NamedTemporaryFile(prefix="hedgerow-upload-") as file:
        sink = _Sink(file, limit_bytes)
        unpack = _Gunzip(sink) if encoding == "gzip" else sink
        try:
            async for piece in request.stream():
                unpack.take(piece)
        except ClientDisconnect:
            raise Problem(BAD_REQUEST, "The body ended before it was whole.") from None
        unpack.end()
        file.flush()
        kind = media_type(request.headers.get("content-type"))
        yield Upload(Path(file.name), sink.size, kind, sink.seen.hexdigest())


def media_type(header: str | None) -> str:
    """The media type of a Content-Type header, lower case, without parameters; empty if absent."""
    if not header:
        return ""
    message = Message()
    message["content-type"] = header
    return message.get_content_type()


class _Sink:
    def __init__(self, file: IO[bytes], limit_bytes: int) -> None:
        self._file = file
        self._limit = limit_bytes
        self.size = 0
        self.seen = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._limit:
            raise Problem(TOO_LARGE, f"More than {self._limit:,} bytes. Send it in parts.")
        self.seen.update(piece)
        self._file.write(piece)

    def end(self) -> None:
        pass


class _Gunzip:
    """Unpacks gzip, several members in a row too, a bounded piece at a time."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def take(self, piece: bytes) -> None:
        while piece:
            self._begun = True
            try:
                self._sink.take(self._member.decompress(piece, _PIECE))
            except zlib.error:
                raise _not_gzip() from None
            if self._member.eof:
                piece = self._member.unused_data
                self._member = zlib.decompressobj(_GZIP)
                self._begun = False
            else:
                piece = self._member.unconsumed_tail

    def end(self) -> None:
        if self._begun:
            raise _not_gzip()


def _not_gzip() -> Problem:
    return Problem(
        UNPROCESSABLE, "The gzip stream is damaged or cut off. Nothing was taken in: send it again."
    )
