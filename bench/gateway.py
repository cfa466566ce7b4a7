"""The gateway's hop: a small uncached GET through it, against the same route called directly.

Real processes on real sockets: a plain FastAPI app, the gateway before it, and a generator of load here. Each
is held to a core where the system allows. With two cores the generator shares one, the same one for both
figures of a pair.

The ratio is taken from the processor time that the app and the gateway spend on a request, the least of
several rounds, because by the clock it swings with whatever else the machine does; by the clock it is shown
beside it.
On one core the two times add up, on two the longer one counts.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import uvloop

from bench.report import Row

CONNECTIONS = 32
SECONDS = 2.0
ROUNDS = 4
PATH = "/v1/areas"
BODY: dict[str, object] = {
    "items": [{"code": f"E0500{number:04}", "name": f"Ward {number}"} for number in range(20)],
    "next": None,
}


def rows() -> Iterator[Row]:
    """Throughput kept, with the gateway beside the app on one core and on a core of its own."""
    available = cores()
    apart = available[2] if len(available) > 2 else available[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        app, app_process = stack.enter_context(served("bench.gateway"))
        gateway, gateway_process, key = stack.enter_context(gateway_before(app, folder))
        for where, bar, gateway_core, load_core in (
            ("sharing a core with the app", 0.35, available[0], available[1 % len(available)]),
            ("on its own core", 0.6, available[1 % len(available)], apart),
        ):
            hold(app_process.pid, available[0])
            hold(gateway_process.pid, gateway_core)
            with holding_this(load_core):
                request = request_of(PATH, key)
                direct, through = pair(
                    app, gateway, app_process.pid, gateway_process.pid, directly=request, through=request
                )
            hop = (
                through.app + through.gateway
                if gateway_core == available[0]
                else max(through.app, through.gateway)
            )
            ratio = direct.app / hop
            yield Row(
                f"gateway hop, uncached GET, {where}",
                f"{through.rate:,.0f} req/s; {through.app * 1e6:.0f} µs in the app, "
                f"{through.gateway * 1e6:.0f} µs in the gateway",
                f"called directly: {direct.rate:,.0f} req/s; {direct.app * 1e6:.0f} µs in the app",
                f"{ratio:.2f} × ({through.rate / direct.rate:.2f} × by the clock)",
                f">= {bar} ×",
                ratio >= bar,
            )


class Cost(NamedTuple):
    """Requests a second, and seconds of processor time a request takes in each process."""

    rate: float
    app: float
    gateway: float

    def better(self, other: "Cost | None") -> "Cost":
        if other is None:
            return self
        return Cost(max(self.rate, other.rate), min(self.app, other.app), min(self.gateway, other.gateway))


def pair(
    app_port: int, gateway_port: int, app_pid: int, gateway_pid: int, *, directly: bytes, through: bytes
) -> tuple[Cost, Cost]:
    """The best of several turns of each, taken in turns, so that a noisy minute strikes both.

    directly, through: the request that is sent to the app, and to the gateway.
    """

    def cost(port: int, request: bytes) -> Cost:
        app, gateway = processor_seconds(app_pid), processor_seconds(gateway_pid)
        answered, seconds = uvloop.run(load(port, request))
        return Cost(
            answered / seconds,
            (processor_seconds(app_pid) - app) / answered,
            (processor_seconds(gateway_pid) - gateway) / answered,
        )

    of_app = of_gateway = None
    for _ in range(ROUNDS):
        of_app = cost(app_port, directly).better(of_app)
        of_gateway = cost(gateway_port, through).better(of_gateway)
    assert of_app is not None
    assert of_gateway is not None
    return of_app, of_gateway


def request_of(path: str, key: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {key}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def load(port: int, request: bytes) -> tuple[int, float]:
    """Requests answered, and in how many seconds, over connections that are kept open."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + SECONDS
    callers = [
        (await loop.create_connection(lambda: _Caller(loop, request, ends), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    started = loop.time()
    async with asyncio.timeout(SECONDS + 10):
        await asyncio.gather(*(caller.done for caller in callers))
    return sum(caller.answered for caller in callers), loop.time() - started


class _Caller(asyncio.Protocol):
    """Asks, reads the answer to its end, asks again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, request: bytes, ends: float) -> None:
        self.answered = 0
        self.done: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._request = request
        self._ends = ends
        self._got = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 304")):
            self._finish(RuntimeError(head[:100].decode("latin-1")))
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self._got = b""
        self.answered += 1
        if self._loop.time() >= self._ends:
            self._finish(None)
        else:
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or RuntimeError("the connection was closed"))

    def _finish(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
            self._transport.close()


@contextmanager
def started(
    command: list[str], port: int, environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, env=os.environ | environment, stdin=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"{command[2]} did not start") from None
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def served(module: str, *arguments: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A bench module's own app in a process: its port, and the process."""
    port = free_port()
    with started([sys.executable, "-m", module, str(port), *arguments], port, {}) as process:
        yield port, process


@contextmanager
def gateway_before(app: int, folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]", str]]:
    """A gateway that takes what listens at a port for the registry: its port, its process, a key."""
    port = free_port()
    environment = {
        "HEDGEROW_GATEWAY_DATA_DIR": str(folder),
        "HEDGEROW_GATEWAY_PORT": str(port),
        "HEDGEROW_GATEWAY_REGISTRY_URL": f"http://127.0.0.1:{app}",
        "HEDGEROW_LOG_LEVEL": "ERROR",
        # One caller that does what thousands do: it is counted as they are, and has as much.
        "HEDGEROW_GATEWAY_READS_PER_MINUTE": "100000000",
    }
    with started([sys.executable, "-m", "hedgerow_gateway", "serve"], port, environment) as process:
        yield port, process, (folder / "admin.key").read_text().strip()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def hold(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})


@contextmanager
def holding_this(core: int) -> Iterator[None]:
    before = set(cores())
    hold(0, core)
    try:
        yield
    finally:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, before)


def _serve_app(port: int) -> None:
    """The app that is called: one route, nothing else."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get(PATH)
    async def areas() -> dict[str, object]:
        return BODY

    uvicorn.run(app, port=port, http="httptools", loop="uvloop", log_level="error", access_log=False)


if __name__ == "__main__":
    _serve_app(int(sys.argv[1]))
