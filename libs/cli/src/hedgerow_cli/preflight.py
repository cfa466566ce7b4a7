"""What must hold before the platform can start: Python, packages, data directory, port, databases."""

import errno
import fcntl
import json
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hedgerow_cli.errors import AlreadyRunning, DatabaseUnusable, DataDirUnusable, PortTaken, UnsuitablePython
from hedgerow_cli.settings import ADDRESS_FILE, reason

APPS = ("registry", "network", "outcomes", "gateway")
# The order of their ports for Prometheus.
TELLING = ("gateway", "registry", "network", "outcomes")
OLDEST_PYTHON = (3, 11)
LOCK_FILE = "up.lock"
MIGRATED_FILE = "migrated.json"
RESTORING_FILE = "restoring.json"

# The apps' own ports are taken from below the range that outgoing connections are given theirs from
# (32768 upwards on Linux), so that none of those can slip in between choosing a port and listening on it.
APP_PORTS = range(20_000, 32_000)


def check_python(version_info: tuple[int, ...] = tuple(sys.version_info[:2])) -> None:
    """Raise UnsuitablePython if this Python is too old or an app is not installed in it."""
    if version_info < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        running = ".".join(map(str, version_info))
        raise UnsuitablePython(
            f"Hedgerow needs Python {needed} or later, this is {running}:"
            " make the environment anew with `make setup`."
        )
    for app in APPS:
        try:
            version(f"hedgerow-{app}")
        except PackageNotFoundError:
            raise UnsuitablePython(
                f"The package hedgerow-{app} is not installed in {sys.prefix}: run `make setup`."
            ) from None


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data directory and show that files can be written in it; raises DataDirUnusable."""
    try:
        for folder in (data_dir, *(data_dir / name for name in ("logs", *APPS))):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".probe"
            probe.write_text("", encoding="utf-8")
            probe.unlink()
    except OSError as refused:
        raise DataDirUnusable(
            f"The data directory {data_dir} cannot be written ({reason(refused)}):"
            " mend its rights, or choose another with --data-dir."
        ) from refused


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this process alone; raises AlreadyRunning.

    The lock is the kernel's: it ends with the process, however that ends.
    """
    path = data_dir / LOCK_FILE
    try:
        handle = path.open("a+", encoding="utf-8")
    except OSError as refused:
        raise DataDirUnusable(
            f"The lock file {path} cannot be written ({reason(refused)}):"
            " mend its rights, or choose another directory with --data-dir."
        ) from refused
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip()
            raise AlreadyRunning(
                f"Another `hedgerow up`{f' (process {holder})' if holder.isdigit() else ''} already runs on"
                f" {data_dir}{_at(data_dir)}: use that one, stop it, or choose another --data-dir."
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                handle.truncate(0)


def _at(data_dir: Path) -> str:
    try:
        return f" at {json.loads((data_dir / ADDRESS_FILE).read_text(encoding='utf-8'))['url']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def check_restored(data_dir: Path) -> None:
    """Raise DatabaseUnusable if a restore broke off here: some databases may be of then, some of before."""
    path = data_dir / RESTORING_FILE
    try:
        source = json.loads(path.read_text(encoding="utf-8"))["source"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        source = "the backup"
    raise DatabaseUnusable(
        "A restore broke off, and the databases do not belong together:"
        f" run `hedgerow restore {source} --force` again. To start all the same, delete {path}."
    )


def check_port(host: str, port: int) -> int:
    """The port, if it can be listened on (0: any free one); raises PortTaken."""
    try:
        with _listening(host, port) as listener:
            free: int = listener.getsockname()[1]
            return free
    except OSError as refused:
        if refused.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} is taken by another program: stop that, or choose another port with --port."
            ) from refused
        raise PortTaken(
            f"Cannot listen on {host} port {port} ({reason(refused)}): choose another with --host or --port."
        ) from refused
    except OverflowError:
        raise PortTaken(f"{port} is no port: choose one from 1 to 65535 with --port.") from None


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        # As the server does: a port that only waits for old connections to fade is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
        yield listener


def free_ports(count: int, *, start: int) -> list[int]:
    """Free loopback ports for the apps, looked for from `start` on within APP_PORTS."""
    found: list[int] = []
    for step in range(len(APP_PORTS)):
        if len(found) == count:
            break
        port = APP_PORTS[(start + step) % len(APP_PORTS)]
        with suppress(OSError), _listening("127.0.0.1", port):
            found.append(port)
    if len(found) < count:
        raise PortTaken("No free loopback ports are left for the apps: stop other programs first.")
    return found


def database_urls(data_dir: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Each app's database: as its environment variable says, or the file for it in HEDGEROW_SECRETS_DIR; else
    a SQLite file in the data directory.
    """
    return {
        app: _said(f"HEDGEROW_{app.upper()}_DATABASE_URL", environment)
        or f"sqlite:///{data_dir.resolve() / app / app}.db"
        for app in APPS
    }


def owner_urls(environment: Mapping[str, str]) -> dict[str, str]:
    """The databases as their owners connect, for the apps that work as a role that owns nothing."""
    said = {app: _said(f"HEDGEROW_{app.upper()}_MIGRATION_DATABASE_URL", environment) for app in APPS}
    return {app: url for app, url in said.items() if url}


def _said(name: str, environment: Mapping[str, str]) -> str | None:
    """A setting as the apps read it: from the environment, else from a file of its name in small letters."""
    if name in environment:
        return environment[name]
    folder = environment.get("HEDGEROW_SECRETS_DIR")
    try:
        return (Path(folder) / name.lower()).read_text(encoding="utf-8").strip() if folder else None
    except OSError:
        return None


def schemas(databases: Mapping[str, str]) -> dict[str, list[str]]:
    """Each app's database and the migrations that its code brings, to see whether there is anything new."""
    found = {}
    for app, url in databases.items():
        spec = find_spec(f"hedgerow_{app}")
        folders = (spec.submodule_search_locations if spec else None) or []
        versions = {
            path.name for folder in folders for path in Path(folder).glob("migrations/versions/[0-9]*.py")
        }
        found[app] = [without_password(url), *sorted(versions)]
    return found


def migrated(data_dir: Path) -> dict[str, list[str]]:
    """The schemas that were brought up to date at the last start."""
    try:
        written = json.loads((data_dir / MIGRATED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) else {}


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for any other database."""
    parts = urlsplit(url)
    if parts.scheme.split("+")[0] != "sqlite" or not parts.path[1:] or parts.path == "/:memory:":
        return None
    return Path(unquote(parts.path[1:]))


def without_password(url: str) -> str:
    """A database's address as it may be shown."""
    file = sqlite_file(url)
    if file is not None:
        return str(file)
    parts = urlsplit(url)
    if not parts.scheme:
        return url
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def check_database(app: str, url: str, *, thorough: bool = False) -> None:
    """Raise DatabaseUnusable if the SQLite file is there and is broken; quick unless thorough.

    Anything but a SQLite file is left to the app itself.
    """
    file = sqlite_file(url)
    if file is None or not file.exists():
        return
    try:
        if thorough:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            connection.close()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        else:
            connection = sqlite3.connect(file)
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if not os.access(file, os.W_OK):
                    raise sqlite3.OperationalError("attempt to write a readonly database")
            finally:
                connection.close()
    except sqlite3.Error as broken:
        raise DatabaseUnusable(
            f"The database of {app}, {file}, is broken ({reason(broken)}):"
            " put a good copy in its place, or move it away to start empty."
        ) from broken
