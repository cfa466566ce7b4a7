"""The registry's change feed as a real HTTP server: it keeps the contract and nothing else."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.network.world import Records


class RegistryStandin:
    """Entities with their present state, and the log of what changed."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self.state: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[int] = []
        self.down = False
        self.delay_seconds = 0.0
        self.broken = False
        # Another one after a restore; an older registry does not say which.
        self.history = 0
        self.says_which = True

    def put(self, *records: tuple[str, str, dict[str, Any]]) -> int:
        for kind, id, data in records:
            self.state[kind, id] = data
            self.log.append((kind, id))
        return len(self.log)

    def delete(self, kind: str, id: str) -> int:
        del self.state[kind, id]
        self.log.append((kind, id))
        return len(self.log)

    def restore(self, records: Records) -> None:
        """As a backup does: another, shorter history."""
        self.history += 1
        self.log.clear()
        self.state.clear()
        self.put(*records)

    def page(self, after: int, limit: int) -> dict[str, Any]:
        items = []
        for seq in range(after + 1, min(after + limit, len(self.log)) + 1):
            kind, id = self.log[seq - 1]
            data = self.state.get((kind, id))
            items.append(
                {
                    "specversion": "1.0",
                    "id": str(seq),
                    "source": "/registry",
                    "type": f"hedgerow.{kind}.{'deleted' if data is None else 'updated'}",
                    "subject": id,
                    "time": "2026-01-15T12:00:00Z",
                    "data": data,
                }
            )
        more = bool(items) and after + limit < len(self.log)
        following = items[-1]["id"] if more else None
        told = {"items": items, "next": following, "last": len(self.log)}
        which = {"epoch": f"epoch {self.history}", "mark": f"mark {self.history}"}
        return told | (which if self.says_which else {})


@contextmanager
def serving(standin: RegistryStandin, port: int = 0) -> Iterator[str]:
    """The stand-in at an address, which is given."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            time.sleep(standin.delay_seconds)
            if standin.down:
                self._answer(503, b'{"title": "Not available at the moment"}')
            elif self.headers.get("Authorization") != "Bearer network-key":
                self._answer(401, b"{}")
            elif address.path != "/v1/changes" or standin.broken:
                self._answer(200, b'{"items": [{"id": "first"}]}')
            elif query.get("mark") not in (None, f"mark {standin.history}"):
                self._answer(409, b'{"title": "Another history"}')
            else:
                standin.asked.append(int(query["after"]))
                page = standin.page(int(query["after"]), int(query.get("limit", "500")))
                self._answer(200, json.dumps(page).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
