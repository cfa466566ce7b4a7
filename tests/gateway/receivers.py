"""Receivers of webhooks for tests: real servers that note what comes and answer what the test says."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson
from standardwebhooks import Webhook


class Received(NamedTuple):
    """A message as it came, whatever was answered."""

    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> Any:
        return orjson.loads(self.body)

    def verified(self, secret: str) -> Any:
        """The event, checked with the reference library of Standard Webhooks."""
        return Webhook(secret).verify(self.body, dict(self.headers))


class Answer(NamedTuple):
    status: int = 204
    headers: Mapping[str, str] = {}
    seconds: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Whoever is killed while it sends breaks off its connections."""


class Receiver:
    """A receiver on the loopback. `says` gives the answer to each message, and may be changed at any time."""

    def __init__(self) -> None:
        self.says: Callable[[Received], Answer] = lambda _message: Answer()
        self.received: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Whoever sent it was killed in the middle: nothing has arrived.
                    self.close_connection = True
                    return
                message = Received(dict(self.headers), body, time.monotonic())
                receiver.received.append(message)
                answer = receiver.says(message)
                time.sleep(answer.seconds)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.received.append(Received(dict(self.headers), b"", time.monotonic()))
                self.send_error(405)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [message.headers["webhook-id"] for message in self.received]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    made = Receiver()
    try:
        yield made
    finally:
        made.close()
