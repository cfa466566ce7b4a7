import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import postgres
from tests.support.databases import DIALECTS, Databases, databases

# One commit gets one verdict: the same examples in each run, however long a busy machine takes over one.
# `make test-slow` tries others.
settings.register_profile(
    "exploring", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("repeatable", settings.get_profile("exploring"), derandomize=True)
settings.load_profile("repeatable")

_stop: Any = None


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL once, before any worker; a run without it fails."""
    global _stop
    # Tests ask more in a minute than anybody does, all with one key; those of the limits set their own.
    for kind in ("READS", "WRITES", "IMPORTS", "OPEN", "ATTEMPTS"):
        os.environ.setdefault(f"HEDGEROW_GATEWAY_{kind}_PER_MINUTE", "1000000")
    if hasattr(config, "workerinput") or os.environ.get(postgres.SERVER) or config.option.collectonly:
        return
    server, how, _stop = postgres.start()
    os.environ[postgres.SERVER] = server
    os.environ[f"{postgres.SERVER}_HOW"] = how


def pytest_unconfigure(config: pytest.Config) -> None:
    global _stop
    if _stop is not None:
        stop, _stop = _stop, None
        del os.environ[postgres.SERVER]
        stop()


def pytest_report_header() -> list[str]:
    shared = os.environ.get("HEDGEROW_SHARED") or "not set: tests on real open data are left out"
    return [
        f"PostgreSQL from: {os.environ.get(f'{postgres.SERVER}_HOW', 'not started')}",
        f"HEDGEROW_SHARED: {shared}",
    ]


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Each test that asks for a database runs on both."""
    return str(request.param)


@pytest.fixture
def made_databases(dialect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    folder = tmp_path_factory.mktemp("databases")
    with databases(dialect, folder, os.environ[postgres.SERVER]) as made:
        yield made


@pytest.fixture
def database_url(made_databases: Databases) -> str:
    """An empty database."""
    return made_databases.empty()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real open data and conformance suites that `HEDGEROW_SHARED` names."""
    named = os.environ.get("HEDGEROW_SHARED")
    if not named:
        pytest.skip("HEDGEROW_SHARED is not set")
    return Path(named).resolve()
