"""`hedgerow up`: the whole platform with one command, and its answers for the place it holds."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import orjson
import typer

from hedgerow_cli import demonstration, preflight, summary
from hedgerow_cli.client import Client, connect
from hedgerow_cli.errors import CommandError
from hedgerow_cli.settings import ADDRESS_FILE, KEY_FILE, Settings
from hedgerow_cli.supervisor import PREPARING, App, Supervisor, python_app
from hedgerow_cli.terminal import err, out, plain, progress, say

IDENTITY_KEYS_FILE = "gateway/identity.jwks.json"
CAUGHT_UP_SECONDS = 600.0
WATCH_SECONDS = 0.5


class Ended(KeyboardInterrupt):
    """Somebody wants the platform to stop: Ctrl-C, SIGTERM or a closed terminal."""


def up(
    context: typer.Context,
    port: Annotated[
        int,
        typer.Option(envvar="HEDGEROW_PORT", help="Where the API listens; 0 for any free port."),
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(envvar="HEDGEROW_HOST", help="The address the API listens on."),
    ] = "127.0.0.1",
    empty: Annotated[
        bool, typer.Option("--empty", help="Do not load the fictional locality at first start.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Load this place at first start instead of the fictional one."
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            envvar="HEDGEROW_METRICS_PORT",
            min=1,
            max=65_532,
            help="Where the gateway answers Prometheus on this machine; the other apps at the three ports"
            " after it. None does unless this is given.",
        ),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="How many seconds the apps may take until they are ready.")
    ] = 120,
) -> None:
    """Start the platform, at first start with a fictional locality, and show its gaps. Ctrl-C stops it."""
    settings: Settings = context.obj
    started = time.monotonic()
    preflight.check_python()
    preflight.prepare_data_dir(settings.data_dir)
    with preflight.locked(settings.data_dir):
        preflight.check_restored(settings.data_dir)
        port = preflight.check_port(host, port)
        databases = preflight.database_urls(settings.data_dir, os.environ)
        for name, url in databases.items():
            preflight.check_database(name, url)
        schemas = preflight.schemas(databases)
        before = preflight.migrated(settings.data_dir)
        apps = [
            # An app brings its database up to date as it starts; what may take long goes first.
            replace(app, migrates_first=before.get(app.name) != schemas[app.name])
            for app in plan(
                settings.data_dir, host, port, databases, preflight.free_ports(3, start=os.getpid() * 7)
            )
        ]
        if metrics_port is not None:
            apps = _telling(apps, metrics_port)
        supervisor = Supervisor(apps, say=_note)
        with _ended_by_signals(supervisor):
            try:
                with supervisor:
                    _bring_up(supervisor, settings, apps, patience)
                    (settings.data_dir / preflight.MIGRATED_FILE).write_bytes(orjson.dumps(schemas) + b"\n")
                    _say_ready(settings, apps, started)
                    here = _own(settings, apps)
                    with connect(here) as client:
                        if not empty:
                            _demonstrate(client, here, manifest)
                        _wait_until_caught_up(client, here)
                        _show(client, here, started)
                    _watch(supervisor)
            except Ended:
                say("Stopped.", quiet=settings.quiet)
            finally:
                with suppress(OSError):
                    (settings.data_dir / ADDRESS_FILE).unlink()


def plan(
    data_dir: Path, host: str, port: int, databases: Mapping[str, str], ports: Sequence[int]
) -> list[App]:
    """How each app is to be run: its database, its port, where it finds the others."""
    folder = data_dir.resolve()
    placed = dict(zip(("registry", "network", "outcomes"), ports, strict=True))
    keys = {"HEDGEROW_IDENTITY_KEYS": str(folder / IDENTITY_KEYS_FILE)}
    inside = (
        "127.0.0.1" if host in ("0.0.0.0", "127.0.0.1", "localhost") else "[::1]" if host == "::" else host
    )
    own: dict[str, dict[str, str]] = {
        "registry": keys,
        **{
            name: {
                **keys,
                f"HEDGEROW_{name.upper()}_GATEWAY_URL": f"http://{inside}:{port}",
                f"HEDGEROW_{name.upper()}_KEY_FILE": str(folder / f"{name}.key"),
            }
            for name in ("network", "outcomes")
        },
        "gateway": {
            "HEDGEROW_GATEWAY_DATA_DIR": str(folder),
            **{
                f"HEDGEROW_GATEWAY_{name.upper()}_URL": f"http://127.0.0.1:{chosen}"
                for name, chosen in placed.items()
            },
        },
    }
    made = []
    for name, environment in own.items():
        at_host, at_port = (host, port) if name == "gateway" else ("127.0.0.1", placed[name])
        prefix = f"HEDGEROW_{name.upper()}"
        made.append(
            App(
                name=name,
                command=python_app(name),
                environment={
                    **environment,
                    f"{prefix}_DATABASE_URL": databases[name],
                    f"{prefix}_HOST": at_host,
                    f"{prefix}_PORT": str(at_port),
                },
                host=at_host,
                port=at_port,
                log=folder / "logs" / f"{name}.log",
                database=preflight.without_password(databases[name]),
            )
        )
    return made


def _telling(apps: Sequence[App], first_port: int) -> list[App]:
    """The apps, each told where to answer Prometheus: the gateway first."""
    ordered = sorted(apps, key=lambda app: preflight.TELLING.index(app.name))
    return [
        replace(
            app,
            environment={
                **app.environment,
                "HEDGEROW_METRICS_PORT": str(preflight.check_port("127.0.0.1", first_port + place)),
            },
        )
        for place, app in enumerate(ordered)
    ]


@contextmanager
def _ended_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """The first signal ends the platform in order; a second Ctrl-C kills it."""
    ending = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise Ended
        if number == signal.SIGINT:
            supervisor.kill()
            os._exit(130)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        # `nohup` has the hang-up ignored on purpose.
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def _note(line: str) -> None:
    err().print(f"[yellow]{plain(line)}[/]", soft_wrap=True)


def _bring_up(supervisor: Supervisor, settings: Settings, apps: Sequence[App], patience: float) -> None:
    said = {app.name: "" for app in apps}
    with progress(quiet=settings.quiet, counts=True) as bars:
        task = bars.add_task("Starting", total=len(apps))

        def tell(stages: dict[str, str]) -> None:
            if stages == said:
                return
            said.update(stages)
            preparing = [name for name, stage in stages.items() if stage == PREPARING]
            waiting = [name for name, stage in stages.items() if stage != "ready"]
            bars.update(
                task,
                completed=len(stages) - len(waiting),
                description=f"Preparing databases: {', '.join(preparing)}"
                if preparing
                else f"Starting: {', '.join(waiting)}"
                if waiting
                else "Started",
            )

        if not err().is_terminal:
            say(f"Starting {', '.join(said)}.", quiet=settings.quiet)
        supervisor.wait_until_ready(patience, tell=tell)


def _own(settings: Settings, apps: Sequence[App]) -> Settings:
    """The settings to reach the platform just started, whatever --url and --key-file say of another."""
    gateway = next(app for app in apps if app.name == "gateway")
    return Settings(
        data_dir=settings.data_dir,
        given_url=f"http://{gateway.address}:{gateway.port}",
        given_key_file=settings.data_dir / KEY_FILE,
        json=settings.json,
        quiet=settings.quiet,
    )


def _say_ready(settings: Settings, apps: Sequence[App], started: float) -> None:
    here = _own(settings, apps)
    written = {"url": here.url, "pid": os.getpid()}
    (settings.data_dir / ADDRESS_FILE).write_bytes(orjson.dumps(written) + b"\n")
    say(f"Ready at {here.url} after {time.monotonic() - started:.1f} s.", quiet=settings.quiet)


def _demonstrate(client: Client, settings: Settings, manifest: Path | None) -> None:
    if demonstration.loaded(settings.data_dir) is not None:
        return
    chosen = manifest or demonstration.manifest()
    if chosen is None:
        say("The examples do not come with this installation: starting empty.", quiet=settings.quiet)
        return
    try:
        demonstration.load(client, settings, chosen)
    except CommandError as error:
        said = str(error).rstrip(".")
        _note(f"{chosen} is not loaded: {said}. The next start tries again; --empty leaves it out.")


def _wait_until_caught_up(client: Client, settings: Settings) -> None:
    """Wait until the network has read the registry's change feed to its end."""
    with progress(quiet=settings.quiet, counts=True) as bars:
        task = bars.add_task("The network reads the registry", total=None)

        def tell(seen: int, last: int) -> None:
            bars.update(task, completed=seen, total=last)

        if not caught_up(client, tell, seconds=CAUGHT_UP_SECONDS):
            _note("The network has not caught up with the registry yet: its answers are of an earlier state.")


def caught_up(client: Client, tell: Callable[[int, int], None], *, seconds: float) -> bool:
    """Whether the network's projection reaches, in time, the registry state of now."""
    wanted = int(client.get("/v1/changes", limit=1).body["last"])
    deadline = time.monotonic() + seconds
    pause = 0.05
    while True:
        seen = int(client.get("/v1/projection").body["registry_seq"])
        tell(min(seen, wanted), wanted)
        if seen >= wanted:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _show(client: Client, settings: Settings, started: float) -> None:
    place = demonstration.loaded(settings.data_dir)
    try:
        options = "" if settings.data_dir == Path("var") else f" --data-dir {settings.data_dir}"
        summary.show(client, place, options=options)
    except CommandError as error:
        _note(f"The summary cannot be shown: {error}")
    console = out()
    console.print()
    console.print(f"API        {settings.url}/v1")
    console.print(f"Documents  {settings.url}/docs")
    console.print(f"Your key   {settings.key_file}")
    console.print(f"Logs       {settings.data_dir / 'logs'}")
    console.print()
    console.file.flush()
    say(f"Up after {time.monotonic() - started:.1f} s. Ctrl-C stops everything.", quiet=settings.quiet)


def _watch(supervisor: Supervisor) -> None:
    while True:
        time.sleep(WATCH_SECONDS)
        supervisor.raise_failure()
