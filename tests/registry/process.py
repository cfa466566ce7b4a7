"""The registry as a process of its own, called over real HTTP."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.support.identity import SIGNER, identity
from tests.support.platform import free_port


class RegistryProcess:
    """A running app: its address, its process."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        self._url = url
        self.process = process

    def request(self, method: str, path: str, **options: Any) -> Any:
        answer = httpx.request(
            method, f"{self._url}{path}", headers=identity("registry"), timeout=60, **options
        )
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params)

    def memory_mb(self, name: str) -> float:
        """`VmRSS` (now) or `VmHWM` (the most there was) of the process; Linux only."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"no {name} here")


@contextmanager
def registry_process(database_url: str, **settings: object) -> Iterator[RegistryProcess]:
    """`python -m hedgerow_registry serve`, ended at the end if it is still there."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        keys.write_bytes(orjson.dumps(SIGNER.jwks))
        port = free_port()
        named = {f"HEDGEROW_REGISTRY_{name.upper()}": str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "hedgerow_registry", "serve"],
            env={
                **os.environ,
                **named,
                "HEDGEROW_REGISTRY_DATABASE_URL": database_url,
                "HEDGEROW_REGISTRY_PORT": str(port),
                "HEDGEROW_IDENTITY_KEYS": str(keys),
                "HEDGEROW_LOG_LEVEL": "WARNING",
            },
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(url, process)
            yield RegistryProcess(url, process)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(30)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the registry did not start (exit code {process.poll()})")
