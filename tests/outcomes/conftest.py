from collections.abc import Iterator

import pytest

from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity


@pytest.fixture
def outcomes_url(made_databases: Databases) -> str:
    return made_databases.migrated("hedgerow_outcomes")


@pytest.fixture
def outcomes(outcomes_url: str) -> Iterator[Client]:
    """The app on a new database, with small batches so that every file takes several."""
    app = apps.made("outcomes", outcomes_url, batch_rows=7)
    with running(app, headers=identity("outcomes")) as client:
        yield client
