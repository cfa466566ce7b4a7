"""The receiver that the how-to page shows, run as it stands there."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from hedgerow_gateway.domain import signing

from tests.gateway.eventful import subscribe
from tests.gateway.servers import gateway, wait_until
from tests.support.platform import ROOT, free_port

PAGE = ROOT / "docs" / "how-to" / "receive-webhooks.md"


def code() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


@contextmanager
def receiver(folder: Path, secret: str, port: int) -> Iterator[None]:
    settings = {"WEBHOOK_SECRET": secret, "PORT": str(port), "INBOX": str(folder / "inbox.db")}
    with (folder / "receiver.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-c", code()], env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            wait_until(lambda: answers(port))
            yield
        finally:
            running.kill()
            running.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def inbox(folder: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(folder / "inbox.db") as held:
        return held.execute("SELECT id, type FROM inbox").fetchall()


def test_the_receiver_of_the_page_takes_what_is_signed_once_and_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    hosts = frozenset({f"127.0.0.1:{port}"})
    with gateway(tmp_path, events=True, event_seconds=0.05, webhook_hosts=hosts) as made:
        hook = subscribe(made.client, f"http://127.0.0.1:{port}/", types=["hedgerow.breach.*"])
        with receiver(tmp_path, hook["secret"], port):
            pinged = made.client.post(f"/v1/webhooks/{hook['id']}/ping")
            place = pinged.headers["location"]
            wait_until(lambda: made.client.get(place).json()["status"] == "delivered")
            assert inbox(tmp_path) == [(pinged.json()["event_id"], "hedgerow.ping")]
            made.client.post(f"{place}/replay")
            wait_until(lambda: made.client.get(place).json()["status"] == "delivered")
            assert len(inbox(tmp_path)) == 1
            other = signing.secret_of(b"another key", hook["id"], "salt")
            forged = signing.headers([other], id="x", at=datetime.now(UTC), body="{}")
            refused = httpx.post(f"http://127.0.0.1:{port}/", content=b"{}", headers=forged)
            assert refused.status_code == 400
            assert len(inbox(tmp_path)) == 1
