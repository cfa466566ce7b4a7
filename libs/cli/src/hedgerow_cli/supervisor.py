"""Runs the apps as child processes: starts them, restarts one that crashes, leaves none behind.

Each child reads standard input from a pipe whose other end only this process holds. However this process
dies, the kernel closes the pipe and the child ends itself; that is the kit's half of the bargain.
"""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from hedgerow_cli.errors import AppFailed, CannotStart, DatabaseUnusable

END_WITH_STDIN = "HEDGEROW_END_WITH_STDIN"
LARGEST_LOG = 20_000_000
LAST_WORDS_WITHIN = 20_000
LONGEST_WORDS = 300
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# An app that ran this long before it crashed starts again with the first pause.
STEADY_SECONDS = 60.0
POLL_SECONDS = 0.1
GRACE_SECONDS = 15.0
PREPARING = "preparing its database"

Say = Callable[[str], None]


@dataclass(frozen=True)
class App:
    """One app as it is to be run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    host: str
    port: int
    log: Path
    database: str
    migrates_first: bool = True

    @property
    def address(self) -> str:
        """Where the app listens, as another program on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host


def python_app(name: str) -> list[str]:
    """The command of an app in this Python, kept from picking up modules of the current directory."""
    return [sys.executable, "-P", "-m", f"hedgerow_{name}"]


class Supervisor:
    """The running apps. Use as a context manager: leaving it stops them all."""

    def __init__(self, apps: Sequence[App], *, say: Say) -> None:
        self._apps = {app.name: app for app in apps}
        self._say = say
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stages: dict[str, str] = dict.fromkeys(self._apps, "waiting")
        self._failures: dict[str, CannotStart] = {}
        self._log_starts: dict[str, int] = {}
        self._threads = [
            threading.Thread(target=self._look_after, args=(app,), name=f"hedgerow-{app.name}", daemon=True)
            for app in apps
        ]

    def __enter__(self) -> "Supervisor":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stop()

    @property
    def stages(self) -> dict[str, str]:
        """What each app is at: waiting, preparing its database, starting, ready, restarting, stopped."""
        return dict(self._stages)

    def process_ids(self) -> dict[str, int]:
        """The process of each running app."""
        with self._guard:
            return {name: process.pid for name, process in self._running.items()}

    def wait_until_ready(self, seconds: float, *, tell: Callable[[dict[str, str]], None]) -> None:
        """Wait until every app answers that it is ready; raises AppFailed or DatabaseUnusable.

        `seconds` run from when the last database is prepared: a large one takes its time.
        """
        deadline = time.monotonic() + seconds
        reasons: dict[str, str] = {}
        while True:
            self.raise_failure()
            for name, app in self._apps.items():
                if self._stages[name] == "starting":
                    wrong = not_ready(app)
                    if wrong is None:
                        self._stages[name] = "ready"
                    else:
                        reasons[name] = wrong
            tell(self.stages)
            waiting = [name for name, stage in self._stages.items() if stage != "ready"]
            if not waiting:
                return
            if PREPARING in self._stages.values():
                deadline = time.monotonic() + seconds
            if time.monotonic() > deadline:
                name = waiting[0]
                raise AppFailed(
                    f"{name} is not ready after {seconds:.0f} s ({reasons.get(name, self._stages[name])}):"
                    f" see {self._apps[name].log}."
                )
            time.sleep(POLL_SECONDS)

    def raise_failure(self) -> None:
        """Raise what keeps an app from running at all, if anything does."""
        for failure in list(self._failures.values()):
            raise failure

    def _look_after(self, app: App) -> None:
        try:
            if app.migrates_first:
                self._migrate(app)
            self._serve(app)
        except CannotStart as failure:
            self._failures[app.name] = failure
        except OSError as failure:
            self._failures[app.name] = AppFailed(f"{app.name} cannot be started: {failure}.")

    def _migrate(self, app: App) -> None:
        self._stages[app.name] = PREPARING
        process = self._spawn(app, "migrate")
        if process is not None and (code := _ended(process)) != 0 and not self._stopping.is_set():
            raise DatabaseUnusable(
                f"{app.name} could not prepare its database {app.database}"
                f" ({self._said(app) or _how(code)}): see {app.log}."
            )

    def _serve(self, app: App) -> None:
        pause = FIRST_PAUSE_SECONDS
        self._stages[app.name] = "starting"
        while True:
            started = time.monotonic()
            process = self._spawn(app, "serve")
            if process is None:
                return
            code = _ended(process)
            if self._stopping.is_set():
                return
            was, self._stages[app.name] = self._stages[app.name], "stopped"
            if was == "starting":
                raise AppFailed(
                    f"{app.name} stopped while starting ({_how(code)};"
                    f" {self._said(app) or 'it said nothing'}): see {app.log}."
                )
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._say(f"{app.name} stopped ({_how(code)}): starting it again in {pause:g} s; see {app.log}.")
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            self._stages[app.name] = "restarting"

    def _spawn(self, app: App, what: str) -> "subprocess.Popen[bytes] | None":
        with self._guard:
            if self._stopping.is_set():
                return None
            with _log(app.log) as log:
                self._log_starts[app.name] = log.tell()
                process = subprocess.Popen(
                    [*app.command, what],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **app.environment, END_WITH_STDIN: "1"},
                    # Ctrl-C is for the supervisor, which then stops the apps in order.
                    start_new_session=True,
                )
            self._running[app.name] = process
            return process

    def _said(self, app: App) -> str:
        return last_words(app.log, since=self._log_starts.get(app.name, 0))

    def stop(self) -> None:
        """Stop the gateway, then the others; what does not end in time is killed."""
        with self._guard:
            self._stopping.set()
            running = dict(self._running)
        gateway = {name: process for name, process in running.items() if name == "gateway"}
        others = {name: process for name, process in running.items() if name != "gateway"}
        for group in (gateway, others):
            for process in group.values():
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + GRACE_SECONDS
            for name, process in group.items():
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self._say(f"{name} did not stop in {GRACE_SECONDS:g} s and is killed.")
        self.kill()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(GRACE_SECONDS)

    def kill(self) -> None:
        """End at once whatever still runs, with all it started."""
        self._stopping.set()
        for process in list(self._running.values()):
            if process.poll() is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                _ended(process)


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the process to end, let go of its standard input, and give its exit code."""
    code = process.wait()
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
    return code


def not_ready(app: App) -> str | None:
    """What the app says it lacks, or None once it is ready."""
    connection = http.client.HTTPConnection(app.address.strip("[]"), app.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            return None
        with suppress(ValueError, AttributeError):
            said = orjson.loads(body)
            return str(said.get("detail") or said.get("title") or answer.status)
        return f"it answers {answer.status}"
    except (OSError, http.client.HTTPException) as silent:
        return f"it does not answer: {silent}"
    finally:
        connection.close()


def last_words(log: Path, since: int = 0) -> str:
    """What an app said before it stopped, from `since` in its log on: its last error, else its last line."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(since, log.stat().st_size - LAST_WORDS_WITHIN))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    last = ""
    for line in reversed(lines):
        words, bad = _words(line)
        if bad:
            return words
        last = last or words
    return last


def _words(line: str) -> tuple[str, bool]:
    """The message of a log line, shortened, and whether it speaks of trouble; a plain line always does."""
    # An indented line goes on with the one before; SQLAlchemy ends with a pointer to its own documentation.
    if not line.strip() or line[0].isspace() or line.startswith("(Background on this error"):
        return "", False
    try:
        entry = orjson.loads(line)
        message, level = str(entry["message"]), entry.get("level")
    except (ValueError, KeyError, TypeError):
        return line[:LONGEST_WORDS].rstrip("."), True
    return " ".join(message.split())[:LONGEST_WORDS].rstrip("."), level in ("error", "critical")


def _how(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _log(path: Path) -> BinaryIO:
    """The app's log, opened to add to; one that has grown large is set aside once."""
    with suppress(OSError):
        if path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".log.old"))
    return path.open("ab")
