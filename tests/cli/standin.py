"""A small real app for tests of the supervisor: health routes, an end with standard input, faults on demand.

Run as `standin.py migrate` and `standin.py serve`; `standin.py supervise FOLDER` is a supervisor of two.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hedgerow_cli.supervisor import App, Supervisor


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/crash":
            os._exit(7)
        ready = not Path(os.environ.get("STANDIN_NOT_READY", "/nowhere")).exists()
        body = b'{"status": "ready"}' if ready else b'{"detail": "database: is not migrated"}'
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return


def end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def serve() -> None:
    if os.environ.get("STANDIN_FAULT") == "dies":
        sys.exit("the thing it needs is not there")
    if os.environ.get("STANDIN_FAULT") == "ignores SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.environ.get("HEDGEROW_END_WITH_STDIN") == "1":
        threading.Thread(target=end_with_stdin, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["STANDIN_PORT"])), Answers).serve_forever()


def migrate() -> None:
    if os.environ.get("STANDIN_FAULT") == "cannot migrate":
        sys.exit("sqlalchemy.exc.DatabaseError: file is not a database")


def app(name: str, folder: Path, port: int, **environment: str) -> App:
    return App(
        name=name,
        command=[sys.executable, __file__],
        environment={"STANDIN_PORT": str(port), **environment},
        host="127.0.0.1",
        port=port,
        log=folder / f"{name}.log",
        database=f"{folder / name}.db",
    )


def supervise(folder: Path, ports: list[int]) -> None:
    apps = [app(name, folder, port) for name, port in zip(("gateway", "registry"), ports, strict=True)]
    with Supervisor(apps, say=print) as supervisor:
        supervisor.wait_until_ready(30, tell=lambda _stages: None)
        print(json.dumps(supervisor.process_ids()), flush=True)
        time.sleep(600)


if __name__ == "__main__":
    if sys.argv[1] == "supervise":
        supervise(Path(sys.argv[2]), [int(port) for port in sys.argv[3:]])
    else:
        {"serve": serve, "migrate": migrate}[sys.argv[1]]()
