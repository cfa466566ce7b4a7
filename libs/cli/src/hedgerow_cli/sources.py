"""What is sent in an import: a file, an address or standard input, streamed as it is."""

import sys
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Protocol, TypeGuard
from urllib.parse import urlsplit

from hedgerow_cli.errors import NothingToSend
from hedgerow_cli.settings import reason

CHUNK = 256 * 1024
KEPT_IN_MEMORY = 16_000_000
GZIP_MAGIC = b"\x1f\x8b"

MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "geojson": "application/geo+json",
    "parquet": "application/vnd.apache.parquet",
}
SUFFIXES = {**MEDIA_TYPES, "txt": "text/csv", "jsonl": "application/x-ndjson"}


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class Source:
    """An open stream with its media type; `chunks()` reads it and tells `moved` how many bytes have gone.

    What cannot be read a second time, a pipe or a download, is kept while it is read, on disk if it is long.
    """

    def __init__(
        self,
        stream: _Readable,
        *,
        name: str,
        media_type: str,
        size: int | None,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        self.stream = stream
        self.name = name
        self.media_type = media_type
        self.size = size
        self.moved = moved
        # None: the stream itself can be read again.
        self._kept = None if _rereads(stream) else SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115
        self._start = stream.tell() if _rereads(stream) else 0
        self.gzipped = next(self._pieces(), b"").startswith(GZIP_MAGIC)

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they are, from the first one each time: gzip stays gzip."""
        sent = 0
        for chunk in self._pieces():
            yield chunk
            sent += len(chunk)
            if self.moved:
                self.moved(sent)

    def _pieces(self) -> Iterator[bytes]:
        if _rereads(self.stream):
            self.stream.seek(self._start)
        if self._kept is not None:
            self._kept.seek(0)
            while chunk := self._kept.read(CHUNK):
                yield chunk
        while chunk := _read(self.stream, CHUNK, self.name):
            if self._kept is not None:
                self._kept.write(chunk)
            yield chunk

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            self._kept.close()
        self.stream.close()


def _rereads(stream: _Readable) -> TypeGuard[BufferedReader]:
    return isinstance(stream, BufferedReader) and stream.seekable()


def open_source(where: str, *, type_: str | None = None) -> Source:
    """Open a file, an http(s) address or `-`; raises NothingToSend."""
    if where == "-":
        return Source(
            # A stream of its own, so that standard input is left open.
            open(sys.stdin.fileno(), "rb", closefd=False),
            name=name_of(where),
            media_type=media_type("", type_, said_as=name_of(where)),
            size=None,
        )
    if is_address(where):
        return _open_address(where, type_)
    path = Path(where)
    try:
        stream = path.open("rb")
        size = path.stat().st_size
    except OSError as unreadable:
        raise NothingToSend(f"{where} cannot be read ({reason(unreadable)}): check the path.") from unreadable
    try:
        return Source(stream, name=name_of(where), media_type=media_type(path.name, type_), size=size)
    except BaseException:
        stream.close()
        raise


def media_type(name: str, given: str | None, *, said_as: str | None = None, offered: str = "") -> str:
    """The media type: as given (a short name or in full), else offered by a server, else by the extension.

    >>> media_type("areas.csv.gz", None)
    'text/csv'
    """
    if given:
        if "/" in given:
            return given
        if given in MEDIA_TYPES:
            return MEDIA_TYPES[given]
        raise NothingToSend(
            f"{given} is no type: use --type {', '.join(MEDIA_TYPES)}, or a media type in full."
        )
    if said := says_type(name):
        return said
    plain = offered.split(";", 1)[0].strip().lower()
    if plain in MEDIA_TYPES.values():
        return plain
    raise NothingToSend(
        f"The extension of {said_as or name or 'the address'} does not say what it holds:"
        f" add --type {', '.join(MEDIA_TYPES)}."
    )


def says_type(name: str) -> str | None:
    """The media type that a name's extension says, if it says one."""
    suffixes = [suffix.lstrip(".").lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes[-1:] == ["gz"]:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def is_address(where: str) -> bool:
    """Whether it is an http(s) address, not a file."""
    return urlsplit(where).scheme in ("http", "https")


def name_of(where: str) -> str:
    """What to call a source in what is said about it."""
    return "standard input" if where == "-" else where if is_address(where) else Path(where).name


class _Address:
    """A download read in pieces."""

    def __init__(self, where: str) -> None:
        import httpx

        self.client = httpx.Client(follow_redirects=True, timeout=httpx.Timeout(60.0, connect=10.0))
        try:
            request = self.client.build_request("GET", where, headers={"Accept-Encoding": "identity"})
            self.response = self.client.send(request, stream=True)
            if not self.response.is_success:
                raise NothingToSend(f"{where} answered {self.response.status_code}: check the address.")
        except (httpx.HTTPError, httpx.InvalidURL) as unreachable:
            self.client.close()
            raise NothingToSend(
                f"{where} cannot be fetched ({reason(unreachable)}): check the address and the connection."
            ) from unreachable
        except BaseException:
            self.client.close()
            raise
        # Raw bytes: a server that compresses all the same sends gzip on, which the platform reads as it is.
        self.pieces = self.response.iter_raw(CHUNK)

    def read(self, size: int = -1, /) -> bytes:
        import httpx

        try:
            return next(self.pieces, b"")
        except httpx.HTTPError as broken:
            raise OSError(reason(broken)) from broken

    def close(self) -> None:
        self.response.close()
        self.client.close()


def _open_address(where: str, type_: str | None) -> Source:
    address = _Address(where)
    try:
        length = address.response.headers.get("content-length", "")
        return Source(
            address,
            name=where,
            media_type=media_type(
                urlsplit(where).path,
                type_,
                said_as=where,
                offered=address.response.headers.get("content-type", ""),
            ),
            size=int(length) if length.isdigit() else None,
        )
    except BaseException:
        address.close()
        raise


def _read(stream: _Readable, size: int, name: str) -> bytes:
    try:
        return stream.read(size)
    except OSError as broken:
        raise NothingToSend(f"{name} cannot be read to its end ({reason(broken)}): try again.") from broken
