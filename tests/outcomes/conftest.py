import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import apps, postgres
from tests.support.databases import DIALECTS, Databases, databases
from tests.support.http import Client, running
from tests.support.identity import identity


@pytest.fixture
def outcomes_url(made_databases: Databases) -> str:
    return made_databases.as_app(made_databases.migrated("hedgerow_outcomes"))


@pytest.fixture
def outcomes(outcomes_url: str) -> Iterator[Client]:
    """The app on a new database, with small batches so that every file takes several."""
    app = apps.made("outcomes", outcomes_url, batch_rows=7)
    with running(app, headers=identity("outcomes")) as client:
        yield client


@pytest.fixture(scope="module", params=DIALECTS)
def walked_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with databases(request.param, tmp_path_factory.mktemp("walked"), os.environ[postgres.SERVER]) as made:
        yield made.migrated("hedgerow_outcomes")


@pytest.fixture(scope="module")
def _walked(walked_url: str) -> Iterator[Client]:
    with running(apps.made("outcomes", walked_url)) as client:
        yield client


@pytest.fixture
def walked(_walked: Client) -> Client:
    """One app for all rows of a file of vectors: each row has a subject or a KPI of its own."""
    # An identity lives five minutes, which a slow machine may need for all rows.
    _walked.headers.update(identity("outcomes"))
    return _walked


@pytest.fixture(scope="session")
def published(shared: Path) -> Callable[[str], Any]:
    """A file of published vectors by its name."""
    return lambda name: json.loads((shared / "vectors" / f"{name}.json").read_text())
