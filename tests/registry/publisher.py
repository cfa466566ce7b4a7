"""A publisher of a feed that a test makes up: a real HTTP server on the loopback, and pages to serve."""

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import orjson


class Answer(NamedTuple):
    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    delay_s: float = 0.0
    missing: int = 0
    """So many bytes are promised and never sent."""


Answering = Callable[[str, dict[str, str]], Answer]


class Publisher:
    """A real HTTP server on the loopback that answers as a test says, and counts what it was asked."""

    def __init__(self, answering: Answering, *, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        # One dictionary of headers for each address asked for.
        self.headers: list[dict[str, str]] = []
        self.answering = answering
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append(self.path)
                publisher.headers.append({name.lower(): value for name, value in self.headers.items()})
                split = urlsplit(self.path)
                query = {name: found[-1] for name, found in parse_qs(split.query).items()}
                answer = publisher.answering(split.path, query)
                time.sleep(answer.delay_s)
                body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
                status = answer.status
                tag = answer.headers.get("ETag")
                if tag is not None and self.headers.get("If-None-Match") == tag:
                    status, body = 304, b""
                self.send_response(status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + answer.missing))
                self.end_headers()
                self.wfile.write(body)
                if answer.missing:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'http' if tls is None else 'https'}://{self.host}/api/services"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


Publish = Callable[[Answering], Publisher]


def full(number: int) -> dict[str, Any]:
    return {"id": f"s{number}", "name": f"Service {number}", "status": "active", "contacts": []}


def shallow(number: int) -> dict[str, Any]:
    return {"id": f"s{number}", "name": f"Service {number}", "status": "active"}


def page(numbers: range, number: int, pages: int, total: int, **other: Any) -> dict[str, Any]:
    """A page object of 3.x."""
    return {
        "total_items": total,
        "total_pages": pages,
        "page_number": number,
        "size": len(numbers),
        "first_page": number == 1,
        "last_page": number == pages,
        "empty": not numbers,
        "contents": [full(one) for one in numbers],
        **other,
    }


def paged(of: dict[int, Any]) -> Answering:
    """Pages by their number; another number is not found."""

    def answer(_path: str, query: dict[str, str]) -> Answer:
        found = of.get(int(query.get("page", min(of))))
        return Answer({"error": "no"}, 404) if found is None else Answer(found)

    return answer


class Directory:
    """A directory that answers as the standard says, and whose services a test adds, changes and takes away.

    by_change: it understands `modified_after` · tagged: its pages have entity tags · page_size: services on
    a page · says_totals: its pages say how many there are · has_details: each service has an address.
    """

    def __init__(
        self,
        services: int,
        *,
        page_size: int = 3,
        by_change: bool = False,
        tagged: bool = False,
        says_totals: bool = True,
        has_details: bool = True,
    ) -> None:
        self.services = {f"s{number:06}": _named(number) for number in range(services)}
        self.modified: dict[str, str] = {}
        self.page_size = page_size
        self.by_change = by_change
        self.tagged = tagged
        self.says_totals = says_totals
        self.has_details = has_details
        # What comes before the ordinary answer, if a test says so: by path and query.
        self.before: Callable[[str, dict[str, str]], Answer | None] = lambda _path, _query: None

    def __call__(self, path: str, query: dict[str, str]) -> Answer:
        first = self.before(path, query)
        if first is not None:
            return first
        own_id = path.rpartition("/services/")[2]
        if "/services/" in path:
            found = self.services.get(own_id) if self.has_details else None
            return Answer({}, 404) if found is None else Answer(found)
        return self._page(query)

    def _page(self, query: dict[str, str]) -> Answer:
        listed = [self.services[id] for id in sorted(self.services)]
        if self.by_change and (since := query.get("modified_after")) is not None:
            listed = [one for one in listed if self.modified.get(one["id"], "2000") >= since]
        number = int(query.get("page", 1))
        pages = max(1, -(-len(listed) // self.page_size))
        if number > pages:
            return Answer({}, 404)
        start = (number - 1) * self.page_size
        told = page(range(0), number, pages, len(listed), contents=listed[start : start + self.page_size])
        body = orjson.dumps(told if self.says_totals else {"contents": told["contents"]})
        headers = {"ETag": f'"{sha256(body).hexdigest()[:16]}"'} if self.tagged else {}
        return Answer(body, headers=headers)


def _named(number: int) -> dict[str, Any]:
    return full(number) | {"id": f"s{number:06}", "organization": {"id": f"o{number % 7}", "name": "Body"}}
