"""`hedgerow doctor`: what is wrong here, and what to do about it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import orjson
import typer

from hedgerow_cli import preflight
from hedgerow_cli.errors import AlreadyRunning, AnswerIsAnError, CommandError
from hedgerow_cli.settings import KEY_FILE, Settings
from hedgerow_cli.terminal import out, plain, print_raw

SECRETS = (KEY_FILE, "network.key", "outcomes.key", "gateway/signing.key")
LARGEST_CLOCK_DIFFERENCE_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """One check and what it found."""

    check: str
    state: Literal["ok", "wrong", "note"]
    said: str


def doctor(context: typer.Context) -> None:
    """Check Python, packages, data directory, databases, keys, clock, port and every app."""
    settings: Settings = context.obj
    findings = []
    marks = {"ok": "[green]ok   [/]", "wrong": "[bold red]wrong[/]", "note": "[yellow]note [/]"}
    for finding in examine(settings):
        findings.append(finding)
        if not settings.json:
            out().print(f"{marks[finding.state]}  {finding.check}: {plain(finding.said)}", soft_wrap=True)
    if settings.json:
        print_raw(orjson.dumps([asdict(finding) for finding in findings]))
    wrong = [finding.check for finding in findings if finding.state == "wrong"]
    if wrong:
        raise AnswerIsAnError(
            f"{len(wrong)} of {len(findings)} checks found something wrong: {', '.join(wrong)}."
        )


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check in turn."""
    yield _of("Python and packages", preflight.check_python, "suitable")
    if not settings.data_dir.exists():
        yield Finding(
            "data directory",
            "note",
            f"{settings.data_dir} is not there yet: `hedgerow up` makes it at first start.",
        )
        yield from _platform(settings, running=False)
        return
    yield _of(
        "data directory",
        lambda: preflight.prepare_data_dir(settings.data_dir),
        f"{settings.data_dir} can be written",
    )
    for app, url in preflight.database_urls(settings.data_dir, os.environ).items():
        yield _database(app, url)
    yield from _secrets(settings.data_dir)
    yield _clock(settings.data_dir)
    yield from _platform(settings, running=_runs(settings.data_dir))


def _of(check: str, work: Callable[[], object], well: str) -> Finding:
    try:
        work()
    except CommandError as error:
        return Finding(check, "wrong", str(error))
    return Finding(check, "ok", well)


def _database(app: str, url: str) -> Finding:
    file = preflight.sqlite_file(url)
    shown = preflight.without_password(url)
    if file is None:
        return Finding(f"database of {app}", "ok", f"{shown}, looked at by the app itself")
    if not file.exists():
        return Finding(f"database of {app}", "note", f"{shown} is not there yet: `hedgerow up` makes it.")
    return _of(
        f"database of {app}", lambda: preflight.check_database(app, url, thorough=True), f"{shown} is whole"
    )


def _secrets(data_dir: Path) -> Iterator[Finding]:
    for name in SECRETS:
        path = data_dir / name
        if not path.exists():
            continue
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding(
                f"key {name}", "wrong", f"others can read it (mode {mode:04o}): run chmod 600 {path}"
            )
        else:
            yield Finding(f"key {name}", "ok", "only its owner can read it")


def _clock(data_dir: Path) -> Finding:
    newest = max((path.stat().st_mtime for path in data_dir.glob("*/*")), default=0.0)
    behind = newest - time.time()
    if behind > LARGEST_CLOCK_DIFFERENCE_SECONDS:
        return Finding(
            "clock",
            "wrong",
            f"it runs {behind:.0f} s behind the newest file in {data_dir}: set the clock right.",
        )
    return Finding("clock", "ok", "not behind the files here")


def _runs(data_dir: Path) -> bool:
    try:
        with preflight.locked(data_dir):
            return False
    except AlreadyRunning:
        return True
    except CommandError:
        return False


def _platform(settings: Settings, *, running: bool) -> Iterator[Finding]:
    import httpx

    try:
        with httpx.Client(base_url=settings.url, timeout=10, trust_env=False) as http:
            answer = http.get("/readyz")
    except (httpx.HTTPError, httpx.InvalidURL):
        if running or settings.given_url:
            yield Finding(
                "platform",
                "wrong",
                f"nothing answers at {settings.url}: look at {settings.data_dir / 'logs'}, or give --url.",
            )
            return
        yield Finding("platform", "note", "it is not running: start it with `hedgerow up`.")
        port = httpx.URL(settings.url).port or 80
        yield _of("port", lambda: preflight.check_port("127.0.0.1", port), f"{port} is free")
        return
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        yield Finding(
            "platform",
            "wrong",
            f"what answers at {settings.url} is not Hedgerow: give --url, or free the port.",
        )
        return
    if answer.is_success:
        yield Finding("platform", "ok", f"every app is ready at {settings.url}")
    else:
        detail = said.get("detail") or said.get("title") or answer.status_code
        yield Finding("platform", "wrong", f"{detail}: look at {settings.data_dir / 'logs'}.")
    sent = answer.headers.get("date")
    if sent:
        apart = abs(parsedate_to_datetime(sent).timestamp() - time.time())
        if apart > LARGEST_CLOCK_DIFFERENCE_SECONDS:
            yield Finding(
                "platform's clock", "wrong", f"it is {apart:.0f} s from the one here: set both right."
            )
    yield from _key(settings)


def _key(settings: Settings) -> Iterator[Finding]:
    from hedgerow_cli.client import connect

    def ask() -> None:
        with connect(settings) as client:
            client.get("/v1/areas", limit=1)

    yield _of("your key", ask, f"the platform accepts the one in {settings.key_file}")
