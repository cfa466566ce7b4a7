"""A stand-in for the platform's imports: a real HTTP server that accounts for every row it is sent."""

import csv
import gzip
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PROBLEM = "application/problem+json"


@dataclass
class Sent:
    kind: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> bytes:
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    @property
    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text.decode())))

    @property
    def features(self) -> list[dict[str, Any]]:
        return list(json.loads(self.text)["features"])


@dataclass
class Imports:
    """What was sent, and how to answer: `refused` kinds get that problem, `lost` rows are forgotten, `busy`
    files are to be sent later."""

    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    busy: int = 0
    running: int = 0
    closed: bool = False
    known: set[str] = field(default_factory=set)
    receipts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def of(self, kind: str) -> list[dict[str, str]]:
        """All rows sent as a kind."""
        return [row for sent in self.sent if sent.kind == kind for row in sent.rows]

    def take(self, sent: Sent) -> tuple[int, dict[str, Any]]:
        self.sent.append(sent)
        if self.busy:
            self.busy -= 1
            return 429, {"title": "Too many requests", "status": 429}
        if sent.kind in self.refused:
            return 422, {"title": "Unprocessable", "status": 422, "detail": self.refused[sent.kind]}
        records = sent.rows if sent.headers["content-type"] == "text/csv" else self._json(sent)
        counts = {"accepted": 0, "changed": 0, "unchanged": 0, "quarantined": 0}
        bad = []
        for record in records:
            content = sent.kind + json.dumps(record, sort_keys=True)
            if record.get("_reason"):
                counts["quarantined"] += 1
                line = int(record["_line"])
                bad.append(
                    {"line": line, "column": record["_column"], "reason": record["_reason"], "records": 1}
                )
            else:
                counts["unchanged" if content in self.known else "accepted"] += 1
                self.known.add(content)
        counts["accepted"] -= self.lost
        name = f"registry-{len(self.sent)}"
        self.receipts[name] = bad
        status = "running" if self.running else "completed"
        where = f"/v1/imports/{name}/receipts"
        return 200, {"id": name, "kind": sent.kind, "status": status, "counts": counts, "receipts": where}

    def look(self, path: str) -> tuple[int, dict[str, Any]]:
        name = path.split("/")[3]
        if path.endswith("/receipts"):
            return 200, {"items": self.receipts[name], "next": None}
        self.running -= 1
        sent = self.sent.pop(int(name.removeprefix("registry-")) - 1)
        return self.take(sent)

    @staticmethod
    def _json(sent: Sent) -> list[dict[str, Any]]:
        found = json.loads(sent.text)
        return list(found if isinstance(found, list) else found.get("features") or found["contents"])


@contextmanager
def importing() -> Iterator[Imports]:
    imports = Imports()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if imports.closed:
                self.close_connection = True
                return
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = Sent(parts.path.rpartition("/")[2], dict(parse_qsl(parts.query)), headers, self._body())
            self._answer(lambda: imports.take(sent))

        def do_GET(self) -> None:
            self._answer(lambda: imports.look(urlsplit(self.path).path))

        def _answer(self, make: Callable[[], tuple[int, dict[str, Any]]]) -> None:
            status, answer = make()
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status == 200 else PROBLEM)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    imports.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield imports
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
