from collections.abc import Iterator
from pathlib import Path

import pytest
from hedgerow_kit.db import Database

from tests.gateway.servers import App, Gateway, gateway, serving
from tests.support.databases import Databases


@pytest.fixture
def database(made_databases: Databases) -> Iterator[Database]:
    made = Database(made_databases.migrated("hedgerow_gateway"))
    yield made
    made.dispose()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def behind(app: App, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with one app behind all three names."""
    with (
        serving(app) as address,
        gateway(tmp_path, registry_url=address, network_url=address, outcomes_url=address) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose apps are all down, shared by the tests of a module."""
    with gateway(tmp_path_factory.mktemp("lone")) as made:
        yield made
