"""Network over a migrated database, fed with the records of a place."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.following import ChangeReader
from hedgerow_network.api.asking import FactsBeside
from hedgerow_network.main import create_app
from hedgerow_network.settings import Settings
from hedgerow_network.upstream.outcomes import Outcomes
from hedgerow_network.upstream.registry import registry as registry_reader

from tests.network.world import TODAY
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity


@pytest.fixture
def database(made_databases: Databases) -> Iterator[Database]:
    made = Database(made_databases.as_app(made_databases.migrated("hedgerow_network")))
    yield made
    made.dispose()


@pytest.fixture
def registry_at(tmp_path: Path) -> Callable[[str], ChangeReader]:
    """A client of the registry at an address, with a key that the stand-in takes."""
    key = tmp_path / "network.key"
    key.write_text("network-key\n")
    return lambda url: registry_reader(url, key)


Network = Callable[..., AbstractContextManager[Client]]


@pytest.fixture
def network(database: Database) -> Network:
    """Runs the app over the database; by default nobody is followed."""

    @contextmanager
    def run(
        registry: ChangeReader | None = None,
        beside: FactsBeside | None = None,
        outcomes: Outcomes | None = None,
        **caller: object,
    ) -> Iterator[Client]:
        app = create_app(
            Settings(poll_seconds=0.05, longest_pause_seconds=0.2),
            database,
            verifier=Verifier(SIGNER.jwks, audience="network"),
            registry=registry,
            outcomes=outcomes,
            today=lambda: TODAY,
        )
        app.state.facts_beside = {**app.state.facts_beside, **(beside or {})}
        with running(app, headers=identity("network", **caller)) as client:  # type: ignore[arg-type]
            yield client

    return run
