"""Talking to the platform's one API: answers, pages, uploads; problems become one clear line."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from hedgerow_cli.errors import AnswerIsAnError, CutOff, NoKey, NotReachable
from hedgerow_cli.settings import Settings, reason

if TYPE_CHECKING:
    import httpx

LARGEST_PAGE = 1000
ANSWER_SECONDS = 120.0
# A large workbook begins to arrive when all its rows have been read.
STREAM_SECONDS = 600.0
CHUNK = 256 * 1024
TOO_MANY = 429
BUSY = 503
# A quota is one of a minute.
LONGEST_WAIT = 65
IDEMPOTENCY_KEY = "Idempotency-Key"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Parameters = Mapping[str, str | int | float | Sequence[str] | None]
Pieces = Callable[[], Iterator[bytes]]


class Problem(AnswerIsAnError):
    """The platform answered with problem+json."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__(sentence(status, problem))


@dataclass(frozen=True)
class Answer:
    """One answer: its bytes as they came and what they say."""

    content: bytes
    status: int = 200

    @property
    def body(self) -> Any:
        """The JSON the answer holds."""
        return orjson.loads(self.content)


def sentence(status: int, problem: Mapping[str, Any]) -> str:
    """A problem as one line: detail (or title), then each error it does not say, with its place."""
    said = str(problem.get("detail") or problem.get("title") or f"The platform answered {status}").strip()
    parts = []
    for error in problem.get("errors") or []:
        if isinstance(error, Mapping):
            where = error.get("parameter") or error.get("pointer") or error.get("column")
            part = f"{where}: {error.get('reason')}" if where else str(error.get("reason"))
            # A problem without words of its own says its first error as its detail.
            if part.rstrip(".") not in said:
                parts.append(part)
    if parts:
        said = f"{said.rstrip('.')} – {'; '.join(parts)}"
    return said if said.endswith((".", "!", "?")) else said + "."


class Client:
    """A connection to the gateway with the caller's key."""

    def __init__(self, url: str, key: str | None, *, key_file: object = "the key file") -> None:
        import httpx

        if urlsplit(url).scheme not in ("http", "https"):
            raise NotReachable(f"{url} is no address: give --url as http://host:port.")
        self.url = url
        self.key_file = key_file
        headers = {"Accept": "application/json", "User-Agent": "hedgerow-cli"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self.http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=5.0),
            # A proxy of the environment is for the world outside, not for the platform on this machine.
            trust_env=urlsplit(url).hostname not in LOOPBACK,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def get(self, path: str, **parameters: str | int | float | None) -> Answer:
        """Read one answer."""
        return self.send("GET", path, parameters=parameters)

    def post(self, path: str, body: object) -> Answer:
        """Send a JSON body."""
        return self.send(
            "POST", path, content=orjson.dumps(body), headers={"Content-Type": "application/json"}
        )

    def delete(self, path: str, *, etag: str | None = None) -> Answer:
        """Delete what is at the path; `etag` says which state of it is meant."""
        return self.send("DELETE", path, headers={"If-Match": etag} if etag else {})

    def pages(
        self,
        path: str,
        parameters: Parameters | None = None,
        *,
        limit: int | None = None,
        length: str = "limit",
    ) -> Iterator[Answer]:
        """Read a list page by page along `next`, from `after` on; stops once `limit` items were read.

        length: the parameter that says how long a page is.
        """
        read = 0
        after: Any = (parameters or {}).get("after")
        while True:
            size = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit - read)
            answer = self.send("GET", path, parameters={**(parameters or {}), length: size, "after": after})
            yield answer
            body = answer.body
            read += len(body["items"])
            after = body.get("next")
            if after is None or (limit is not None and read >= limit):
                return

    def items(
        self, path: str, parameters: Parameters | None = None, *, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """All items of a list."""
        return [item for page in self.pages(path, parameters, limit=limit) for item in page.body["items"]]

    def upload(
        self, kind: str, pieces: Pieces, parameters: Parameters, *, media_type: str, gzipped: bool
    ) -> Answer:
        """Stream a file to `POST /v1/imports/{kind}`; answers with the import.

        pieces: gives the file from its first byte, each time it is called
        """
        import httpx

        # Under one key whatever is sent a second time is taken in once.
        headers = {"Content-Type": media_type, IDEMPOTENCY_KEY: str(uuid4())}
        if gzipped:
            headers["Content-Encoding"] = "gzip"
        return self.send(
            "POST",
            f"/v1/imports/{kind}",
            parameters=parameters,
            content=pieces,
            headers=headers,
            timeout=httpx.Timeout(None, connect=5.0),
        )

    def ask_to_pull(self, kind: str, parameters: Parameters) -> Answer:
        """Have the platform read the feed at the parameter `url` itself."""
        import httpx

        return self.send(
            "POST",
            f"/v1/imports/{kind}",
            parameters=parameters,
            headers={"Content-Type": "application/json"},
            timeout=httpx.Timeout(None, connect=5.0),
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        content: bytes | Pieces | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: "httpx.Timeout | None" = None,
    ) -> Answer:
        """Send one request, once more after a wait if told to; raises Problem, NoKey or NotReachable."""
        return self._checked(
            self._answered(
                lambda: self._request(
                    method, path, parameters, content=content, headers=headers, timeout=timeout
                )
            )
        )

    def stream(
        self, path: str, parameters: Parameters | None = None, *, seconds: float = STREAM_SECONDS
    ) -> Iterator[bytes]:
        """One answer piece by piece, to its end; raises CutOff if not all of it came.

        seconds: how long to wait for the next piece
        """
        import httpx

        waiting = httpx.Timeout(seconds, connect=5.0)
        # The format is named in the address, where it is to be another than the answer's own.
        response = self._answered(
            lambda: self._request("GET", path, parameters, headers={"Accept": "*/*"}, timeout=waiting),
            stream=True,
        )
        try:
            if not response.is_success:
                response.read()
                self._checked(response)
            if not {"content-length", "transfer-encoding"} & response.headers.keys():
                raise CutOff(
                    f"{self.url} does not say where its answer ends: ask the gateway without a proxy."
                )
            yield from response.iter_bytes(CHUNK)
        except httpx.HTTPError as broken:
            raise CutOff(f"{self.url} broke off in the middle ({reason(broken)}): ask again.") from broken
        finally:
            response.close()

    def _request(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        *,
        content: bytes | Pieces | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: "httpx.Timeout | None" = None,
    ) -> "httpx.Request":
        asked = {name: value for name, value in (parameters or {}).items() if value is not None}
        request = self.http.build_request(
            method,
            path,
            params=asked,
            content=content() if callable(content) else content,
            headers=dict(headers or {}),
        )
        if timeout is not None:
            request.extensions["timeout"] = timeout.as_dict()
        return request

    def _answered(self, request: "Callable[[], httpx.Request]", *, stream: bool = False) -> "httpx.Response":
        import httpx

        try:
            response = self.http.send(request(), stream=stream)
            if _is_to_be_asked_again(response):
                response.close()
                time.sleep(_seconds_to_wait(response))
                response = self.http.send(request(), stream=stream)
        except httpx.ConnectError as refused:
            raise NotReachable(
                f"No platform answers at {self.url}: start it with `hedgerow up`, or give --url."
            ) from refused
        except httpx.TimeoutException as late:
            raise NotReachable(
                f"{self.url} did not answer in time: look at its logs, or run `hedgerow doctor`."
            ) from late
        except httpx.HTTPError as broken:
            raise NotReachable(
                f"The connection to {self.url} broke ({reason(broken)}): run `hedgerow doctor`."
            ) from broken
        return response

    def _checked(self, response: "httpx.Response") -> Answer:
        if response.is_success:
            return Answer(response.content, response.status_code)
        try:
            problem = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            problem = None
        if not isinstance(problem, dict) or "json" not in response.headers.get("content-type", ""):
            raise NotReachable(
                f"{self.url} answered {response.status_code} but not as Hedgerow does:"
                " is another program at this address? Give the right one with --url."
            )
        if response.status_code == 401:
            raise NoKey(
                f"The platform at {self.url} refused the key in {self.key_file}:"
                " name the right file with --key-file."
            )
        raise Problem(response.status_code, problem)


def _is_to_be_asked_again(response: "httpx.Response") -> bool:
    """Whether nothing was done, or would be done twice, and there will be room again."""
    if response.status_code == TOO_MANY:
        return True
    harmless = response.request.method == "GET" or IDEMPOTENCY_KEY in response.request.headers
    return harmless and response.status_code == BUSY and "retry-after" in response.headers


def _seconds_to_wait(response: "httpx.Response") -> int:
    asked = response.headers.get("retry-after", "")
    return min(int(asked), LONGEST_WAIT) if asked.isdecimal() else 1


def connect(settings: Settings) -> Client:
    """A client for the settings of the command line."""
    return Client(settings.url, settings.key(), key_file=settings.key_file)
