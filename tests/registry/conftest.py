from collections.abc import Iterator

import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings

from tests.registry.publisher import Answering, Publish, Publisher
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity


@pytest.fixture
def database(made_databases: Databases) -> Iterator[Database]:
    """The registry's database, migrated and empty."""
    database = Database(made_databases.as_app(made_databases.migrated("hedgerow_registry")))
    yield database
    database.dispose()


@pytest.fixture
def registry(database: Database) -> Iterator[Client]:
    """The registry over its real database, called by an administrator."""
    app = create_app(Settings(), database, verifier=Verifier(SIGNER.jwks, audience="registry"))
    with running(app, headers=identity("registry")) as client:
        yield client


@pytest.fixture
def publish() -> Iterator[Publish]:
    """Starts publishers of feeds, and stops them."""
    made: list[Publisher] = []

    def start(answering: Answering) -> Publisher:
        made.append(Publisher(answering))
        return made[-1]

    yield start
    for publisher in made:
        publisher.close()
