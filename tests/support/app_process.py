"""An app as a process of its own, called over real HTTP."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.support.identity import SIGNER, identity
from tests.support.platform import free_port, wait_until_good


class AppProcess:
    """A running app: its name, its address, its process."""

    def __init__(self, app: str, url: str, process: "subprocess.Popen[bytes]") -> None:
        self._app = app
        self._url = url
        self.process = process

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer that must be good; raises httpx.TransportError if the app dies meanwhile."""
        headers = identity(self._app) | options.pop("headers", {})
        answer = httpx.request(method, self._url + path, headers=headers, **{"timeout": 60, **options})
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params)

    def send(self, kind: str, file: Path, **options: str) -> Any:
        """Import a CSV file, however long it is."""
        with file.open("rb") as body:
            return self.request(
                "POST",
                f"/v1/imports/{kind}",
                content=iter(lambda: body.read(1 << 20), b""),
                params=options,
                headers={"Content-Type": "text/csv"},
                timeout=3600,
            )

    def memory_mb(self, name: str) -> float:
        """`VmRSS` (now) or `VmHWM` (the most there was) of the process; Linux only."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"no {name} here")


@contextmanager
def app_process(
    app: str,
    database_url: str,
    *,
    keys: Path | None = None,
    port: int | None = None,
    up: str = "/readyz",
    **settings: object,
) -> Iterator[AppProcess]:
    """`python -m hedgerow_<app> serve`, ended at the end if it is still there.

    keys: the public keys it believes, the tests' own unless said · port: a free one unless said ·
    up: what answers once it is waited for no more; network is ready only when it has read the registry
    """
    prefix = f"HEDGEROW_{app.upper()}_"
    with tempfile.TemporaryDirectory() as folder:
        if keys is None:
            keys = Path(folder) / "keys.json"
            keys.write_bytes(orjson.dumps(SIGNER.jwks))
        port = port or free_port()
        named = {f"{prefix}{name.upper()}": str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", f"hedgerow_{app}", "serve"],
            env={
                **os.environ,
                **named,
                f"{prefix}DATABASE_URL": database_url,
                f"{prefix}PORT": str(port),
                "HEDGEROW_IDENTITY_KEYS": str(keys),
                "HEDGEROW_LOG_LEVEL": "WARNING",
            },
        )
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_good(url + up, process, 180)
            yield AppProcess(app, url, process)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(30)
