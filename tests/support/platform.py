"""A whole platform for tests: how it is called, and one as its users start it, by `hedgerow up`."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import orjson

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("hedgerow")


class InTurn(httpx.BaseTransport):
    """Sends each request to another of the addresses than the one before, as a load balancer may."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._turns = cycle([httpx.URL(url) for url in urls])
        self._transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        address = next(self._turns)
        request.url = request.url.copy_with(host=address.host, port=address.port)
        return self._transport.handle_request(request)

    def close(self) -> None:
        self._transport.close()


class Platform:
    """A running platform: its gateways' addresses, its administrator, its command."""

    def __init__(self, urls: Sequence[str], data_dir: Path) -> None:
        self.data_dir = data_dir
        self._urls = tuple(urls)
        self._turns = cycle(urls)
        key = (data_dir / "admin.key").read_text().strip()
        self.client = self.caller({"Authorization": f"Bearer {key}"})

    @property
    def url(self) -> str:
        """The address of a gateway, each time the next one's."""
        return next(self._turns)

    def caller(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        """A client whose requests go to all gateways in turn; without headers it is a stranger's."""
        return httpx.Client(
            base_url=self._urls[0], transport=InTurn(self._urls), headers=headers, timeout=120
        )

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of an answer that must be good."""
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()

    def items(self, path: str, **params: Any) -> list[Any]:
        """All items of a list, page after page."""
        found: list[Any] = []
        while True:
            page = self.get(path, **params)
            found += page["items"]
            if page["next"] is None:
                return found
            params["after"] = page["next"]

    def send(
        self, kind: str, body: bytes | str, media_type: str = "text/csv", **params: Any
    ) -> httpx.Response:
        """Import a file."""
        content = body if isinstance(body, bytes) else body.encode()
        return self.client.post(
            f"/v1/imports/{kind}", content=content, params=params, headers={"Content-Type": media_type}
        )

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command against this platform."""
        # `hedgerow up` writes down where it is; where there are several, somebody says which.
        named = {"HEDGEROW_URL": self.url} if len(self._urls) > 1 else {}
        return subprocess.run(
            [COMMAND, "--data-dir", str(self.data_dir), *arguments],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, "COLUMNS": "160", **named},
        )

    def command_json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return orjson.loads(done.stdout)

    def wait_for_network(self) -> int:
        """Wait until network has read all that the registry holds; gives the registry's sequence."""
        last = int(self.get("/v1/changes", after=0, limit=1)["last"])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.get("/v1/projection")["position"] >= last:
                return last
            time.sleep(0.1)
        raise AssertionError("network did not catch up with the registry")


class LocalPlatform(Platform):
    """One that `hedgerow up` runs."""

    def __init__(self, url: str, data_dir: Path, process: "subprocess.Popen[bytes]") -> None:
        super().__init__([url], data_dir)
        self.process = process

    def said(self) -> str:
        """All that `hedgerow up` printed."""
        return self.data_dir.with_suffix(".log").read_text()

    def wait_until_loaded(self) -> None:
        """Wait until the first start has loaded what it loads and says so."""
        deadline = time.monotonic() + 120
        while "Ctrl-C stops everything" not in self.said():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def platform(
    data_dir: Path,
    *arguments: str,
    databases: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> Iterator[LocalPlatform]:
    """`hedgerow up` on a data directory; databases: app to URL, SQLite where none is named."""
    port = free_port()
    named = {f"HEDGEROW_{app.upper()}_DATABASE_URL": url for app, url in (databases or {}).items()}
    log = data_dir.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [COMMAND, "--data-dir", str(data_dir), "up", "--port", str(port), *arguments],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **named, **(environment or {})},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_good(f"{url}/readyz", process, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()}") from None
        made = LocalPlatform(url, data_dir, process)
        try:
            yield made
        finally:
            made.client.close()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)


def wait_until_good(address: str, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Wait until an address answers 200; AssertionError with the last answer if it never does.

    One client for all questions: each new one reads all certificates of the machine, and takes the time from
    those who are waited for.
    """
    said = "nothing"
    deadline = time.monotonic() + seconds
    with httpx.Client(timeout=5, trust_env=False) as client:
        while time.monotonic() < deadline:
            assert process.poll() is None, f"the process of {address} ended with {process.returncode}"
            try:
                answer = client.get(address)
                if answer.status_code == 200:
                    return
                said = answer.text
            except httpx.HTTPError as error:
                said = repr(error)
            time.sleep(0.1)
    raise AssertionError(f"{address} was not good after {seconds} s: {said}")
