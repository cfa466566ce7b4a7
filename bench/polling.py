"""A cached GET through the gateway, against a plain route that returns ready bytes, called directly.

The app tells its state from a real database, and the gateway asks for it before every answer it gives: as in
use. The figures are made as those of `bench.gateway` are.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson

from bench.gateway import BODY, PATH, cores, gateway_before, hold, holding_this, pair, request_of, served
from bench.report import Row

BAR = 2.0
TAG = '"0123456789abcdef0123456789abcdef"'


def rows() -> Iterator[Row]:
    """Throughput of answers from memory, with a body and without."""
    available = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        app, app_process = stack.enter_context(served("bench.polling", f"sqlite:///{folder / 'app.db'}"))
        gateway, gateway_process, key = stack.enter_context(gateway_before(app, folder))
        hold(app_process.pid, available[0])
        plain = request_of(PATH, key)
        for where, gateway_core in (
            ("all on one core", available[0]),
            ("the gateway on its own core", available[1 % len(available)]),
        ):
            hold(gateway_process.pid, gateway_core)
            for what, through in (
                ("200", plain),
                ("200 in gzip", request_of(PATH, key, "Accept-Encoding: gzip")),
                ("304", request_of(PATH, key, f"If-None-Match: {TAG}")),
            ):
                with holding_this(available[0]):
                    direct, cached = pair(
                        app, gateway, app_process.pid, gateway_process.pid, directly=plain, through=through
                    )
                ratio = direct.app / (cached.app + cached.gateway)
                yield Row(
                    f"cached GET through the gateway, {what}, {where}",
                    f"{cached.rate:,.0f} req/s; {cached.gateway * 1e6:.0f} µs in the gateway, "
                    f"{cached.app * 1e6:.0f} µs in the app for its state",
                    f"ready bytes called directly: {direct.rate:,.0f} req/s; {direct.app * 1e6:.0f} µs",
                    f"{ratio:.2f} × ({cached.rate / direct.rate:.2f} × by the clock)",
                    f">= {BAR} ×",
                    ratio >= BAR,
                )


def _serve_app(port: int, database_url: str) -> None:
    """The app that is called: one route of ready bytes, and its state."""
    import uvicorn
    from fastapi import FastAPI, Response
    from hedgerow_kit.db import Database
    from hedgerow_kit.state import TellState

    app = FastAPI()
    ready = orjson.dumps(BODY)

    @app.get(PATH)
    async def areas() -> Response:
        return Response(ready, media_type="application/json", headers={"ETag": TAG})

    uvicorn.run(
        TellState(app, Database(database_url)),
        port=port,
        http="httptools",
        loop="uvloop",
        log_level="error",
        access_log=False,
    )


if __name__ == "__main__":
    _serve_app(int(sys.argv[1]), sys.argv[2])
