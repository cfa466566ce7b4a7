"""Real servers for the gateway's tests, each in a thread of this process."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from hedgerow_gateway import actions
from hedgerow_gateway.api.door import Door
from hedgerow_gateway.api.wire import StrictProtocol
from hedgerow_gateway.domain.routes import RouteTable
from hedgerow_gateway.main import create_app
from hedgerow_gateway.settings import Settings
from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from hedgerow_outcomes.main import create_app as outcomes_app
from hedgerow_outcomes.settings import Settings as OutcomesSettings
from hedgerow_registry.main import create_app as registry_app
from hedgerow_registry.settings import Settings as RegistrySettings

from tests.support.databases import Databases

PATIENCE_S = 20.0


@contextmanager
def serving(app: Any, *, strict: bool = False, keep_alive_seconds: int = 5) -> Iterator[str]:
    """The address of an app that is served for real."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=StrictProtocol if strict else "httptools",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=keep_alive_seconds,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    assert server.started
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=PATIENCE_S)


def wait_until(holds: Callable[[], bool], *, seconds: float = PATIENCE_S) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not come to hold in time"
        time.sleep(0.01)


def nobody_there() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@dataclass
class Gateway:
    """A running gateway with its administrator key."""

    url: str
    key: str
    data_dir: Path
    client: httpx.Client = field(repr=False)
    door: Door = field(repr=False)
    database: Database = field(repr=False)

    @property
    def place(self) -> tuple[str, int]:
        address = httpx.URL(self.url)
        return address.host, address.port or 80

    def stranger(self) -> httpx.Client:
        """A client without a key."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)


@contextmanager
def gateway(
    data_dir: Path, *, database_url: str | None = None, table: RouteTable | None = None, **settings: Any
) -> Iterator[Gateway]:
    """A gateway on its own data directory; apps that are not given are not there."""
    missing = {f"{app}_url": nobody_there() for app in ("registry", "network", "outcomes")}
    # Whoever tests events says so: following the apps would be among the requests that a test counts.
    wired = Settings(data_dir=data_dir, database_url=database_url, **({"events": False} | missing | settings))
    wired.own_dir.mkdir(parents=True, exist_ok=True)
    database = Database(wired.database)
    with ExitStack() as stack:
        stack.callback(database.dispose)
        migrations.upgrade(database, "hedgerow_gateway")
        signer = actions.prepare(database, data_dir, now=datetime.now(UTC))
        door = create_app(wired, database, signer, table=table)
        url = stack.enter_context(serving(door, strict=True, keep_alive_seconds=wired.keep_alive_seconds))
        # A second gateway on one database has no administrator key of its own.
        key = (data_dir / "admin.key").read_text().strip() if (data_dir / "admin.key").exists() else ""
        client = stack.enter_context(
            httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=PATIENCE_S,
                trust_env=False,
            )
        )
        yield Gateway(url, key, data_dir, client, door, database)


@contextmanager
def real_apps(made_databases: Databases, data_dir: Path) -> Iterator[dict[str, str]]:
    """The addresses of a registry and of outcomes, as settings of a gateway on this data directory."""
    keys = actions.load_keyring(data_dir).published
    with ExitStack() as stack:
        addresses = {}
        for name, settings, create in (
            ("registry", RegistrySettings, registry_app),
            ("outcomes", OutcomesSettings, outcomes_app),
        ):
            database = Database(made_databases.migrated(f"hedgerow_{name}"))
            stack.callback(database.dispose)
            app = create(settings(HEDGEROW_IDENTITY_KEYS=keys, pulls=False), database)
            addresses[f"{name}_url"] = stack.enter_context(serving(app))
        yield addresses


class App:
    """An app behind the gateway that notes what reaches it and answers what its test says.

    The path's last word says how: `/v1/areas/<word>`.
    state: what it tells of its state; None = it does not
    """

    def __init__(self) -> None:
        self.state: str | None = None
        self.seen: list[dict[str, Any]] = []
        self.received_bytes = 0
        self.left = threading.Event()
        self.answers: dict[str, Callable[[dict[str, Any], Any, Any], Any]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/state":
            await reply(send, 200 if self.state else 404, (self.state or "").encode())
            return
        self.seen.append(
            {
                "method": scope["method"],
                "path": scope["raw_path"].decode(),
                "query": scope["query_string"].decode(),
                "headers": [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]],
            }
        )
        answer = self.answers.get(scope["path"].rpartition("/")[2], self.echo)
        await answer(scope, receive, send)

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await reply(send, 200, body or b"{}")

    @property
    def last(self) -> dict[str, Any]:
        return self.seen[-1]


async def reply(send: Any, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    default = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*(headers or default)]})
    await send({"type": "http.response.body", "body": body})


async def wait_for_disconnect(receive: Any, seconds: float = PATIENCE_S) -> bool:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        return False
    return True


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request's head and then does with the connection what the test says."""
    heads: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def handle(connection: socket.socket) -> None:
        try:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = connection.recv(65_536)
                    if not part:
                        return
                    head += part
                heads.append(head)
                answer(connection)
        except OSError:
            return
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_ones.append(connection)
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heads
    finally:
        listening.close()
        for connection in open_ones:
            connection.close()
