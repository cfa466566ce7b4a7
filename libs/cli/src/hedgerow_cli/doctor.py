"""`hedgerow doctor`: what is wrong here, and what to do about it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import orjson
import typer

from hedgerow_cli import doctor_databases, preflight
from hedgerow_cli.client import Client, connect
from hedgerow_cli.errors import AlreadyRunning, AnswerIsAnError, CommandError
from hedgerow_cli.findings import Finding
from hedgerow_cli.settings import KEY_FILE, Settings
from hedgerow_cli.terminal import out, plain, print_raw

SECRETS = (KEY_FILE, "network.key", "outcomes.key", "gateway/signing.key", "gateway/webhooks.key")
LARGEST_CLOCK_DIFFERENCE_SECONDS = 60
# An import says now and then how far it is; one that has not for so long hangs, or its app died.
IMPORT_SILENCE = timedelta(minutes=10)
FOLLOWING_SILENCE = timedelta(minutes=5)
MOST_READ = 5_000
APPS = ("gateway", "network", "outcomes", "registry")


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
    if (settings.data_dir / preflight.RESTORING_FILE).exists():
        yield _of("restore", lambda: preflight.check_restored(settings.data_dir), "ended well")
    urls = preflight.database_urls(settings.data_dir, os.environ)
    yield doctor_databases.of_room(settings.data_dir, urls)
    for app, url in urls.items():
        yield from doctor_databases.of_database(app, url)
    yield from _secrets(settings.data_dir)
    yield _clock(settings.data_dir)
    yield from _platform(settings, running=_runs(settings.data_dir))


def _of(check: str, work: Callable[[], object], well: str) -> Finding:
    try:
        work()
    except CommandError as error:
        return Finding(check, "wrong", str(error))
    return Finding(check, "ok", well)


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
    try:
        with connect(settings) as client:
            client.get("/v1/areas", limit=1)
            yield Finding("your key", "ok", f"the platform accepts the one in {settings.key_file}")
            looks = {
                "imports": _imports,
                "following": _following,
                "webhooks": _webhooks,
                "retention": _retention,
            }
            for check, look in looks.items():
                try:
                    yield from look(client)
                except CommandError as refused:
                    yield Finding(check, "note", f"cannot be looked at with this key: {refused}")
    except CommandError as refused:
        yield Finding("your key", "wrong", str(refused))


def _imports(client: Client) -> Iterator[Finding]:
    now = datetime.now(UTC)
    running = [item for item in client.items("/v1/imports", limit=MOST_READ) if item["status"] == "running"]
    hanging = [item for item in running if now - datetime.fromisoformat(item["touched_at"]) > IMPORT_SILENCE]
    for item in hanging:
        app = item["id"].partition("-")[0]
        yield Finding(
            "imports",
            "wrong",
            f"{item['id']} ({item['kind']}) has said nothing since {item['touched_at'][:19]}: restart {app},"
            " then send the file again; nothing is doubled.",
        )
    if not hanging:
        yield Finding("imports", "ok", f"{len(running)} under way, none hangs")


def _following(client: Client) -> Iterator[Finding]:
    seen = client.get("/v1/projection").body
    behind = int(client.get("/v1/changes", limit=1).body["last"]) - int(seen["position"])
    heard = seen["heard_at"] and datetime.fromisoformat(seen["heard_at"])
    if seen["trouble"]:
        yield Finding("following", "wrong", f"network cannot read the registry: {seen['trouble']}")
    elif heard is None or datetime.now(UTC) - heard > FOLLOWING_SILENCE:
        yield Finding(
            "following",
            "wrong",
            f"network has not heard of the registry since {seen['heard_at'] or 'its start'}: is network.key"
            " good, and does HEDGEROW_NETWORK_GATEWAY_URL lead to the gateway? Then restart network.",
        )
    elif behind > 0:
        yield Finding("following", "note", f"network is {behind:,} changes behind: wait, and look again.")
    else:
        yield Finding("following", "ok", "network has read all that the registry holds")


def _retention(client: Client) -> Iterator[Finding]:
    found = [client.get(f"/v1/retention/{app}").body for app in APPS]
    well = True
    for one in found:
        overdue = [kept["name"] for kept in one["kept"] if kept["overdue"]]
        if not one["look_seconds"]:
            well = False
            yield Finding(
                "retention",
                "note",
                f"{one['app']} removes nothing by itself: HEDGEROW_RETENTION_SECONDS is 0 there.",
            )
        elif overdue:
            well = False
            yield Finding(
                "retention",
                "wrong",
                f"{one['app']} still holds {', '.join(overdue)} that should have gone a day ago: look for"
                ' "removal" in its log, then restart it.',
            )
    if well:
        days = {kept["name"]: kept["days"] for one in found for kept in one["kept"]}
        said = ", ".join(f"{name} {'for good' if day is None else day}" for name, day in days.items())
        yield Finding("retention", "ok", f"nothing is older than it may be (days: {said})")


def _webhooks(client: Client) -> Iterator[Finding]:
    found = client.items("/v1/webhooks", limit=MOST_READ)
    unwell = 0
    for webhook in found:
        name = quote(webhook["id"], safe="")
        health = client.get(f"/v1/webhooks/{name}/health").body
        dead = health["deliveries"]["dead"]
        if not webhook["enabled"]:
            said = f"is switched off ({webhook['disabled_reason'] or 'by hand'})"
            todo = f"mend its receiver, then PUT /v1/webhooks/{name} with enabled"
        elif dead:
            said = f"has {dead:,} events that could not be delivered"
            todo = f"mend its receiver, then POST /v1/webhooks/{name}/replay"
        elif health["failing_since"]:
            said = f"has taken nothing since {health['failing_since'][:19]}"
            todo = "mend its receiver; what waits is sent by itself"
        else:
            continue
        unwell += 1
        yield Finding("webhooks", "note", f"{webhook['id']} {said}: {todo}.")
    if not unwell:
        yield Finding("webhooks", "ok", f"{len(found)}, all well")
