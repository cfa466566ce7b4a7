"""A service that leaves a feed no longer counts, and counts again when it comes back."""

from collections.abc import Iterator

import pytest
from hedgerow_kit.db import Database
from hedgerow_kit.following import Follower
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.upstream.registry import registry as registry_reader

from tests.network.test_registry_contract import Over
from tests.registry.files import fill
from tests.registry.publisher import Directory, Publisher
from tests.registry.test_feeds import Registry, pulled, register, registry_for
from tests.support.http import Client

CELL = "/v1/localities/E06999001/cover"


@pytest.fixture
def directory() -> Directory:
    made = Directory(5)
    made.services["s000002"] |= {
        "name": "Food parcels",
        "service_areas": [
            {"id": "a", "name": "South Quay", "extent": "E05999002", "extent_type": "ONS code"}
        ],
        "attributes": [
            {
                "id": "t",
                "link_entity": "service",
                "taxonomy_term": {
                    "id": "food-bank", "code": "food-bank", "name": "Food bank", "taxonomy": "hedgerow",
                },
            }
        ],
    }  # fmt: skip
    return made


@pytest.fixture
def publisher(directory: Directory) -> Iterator[Publisher]:
    made = Publisher(directory)
    yield made
    made.close()


@pytest.fixture
def registry(made_databases, publisher: Publisher) -> Iterator[Registry]:
    """A locality with a food bank of its own, and a registry that may pull from the directory."""
    with registry_for(Database(made_databases.migrated("hedgerow_registry")), publisher) as client:
        fill(client)
        yield client


@pytest.fixture
def follower(registry: Registry, database, tmp_path) -> Follower:
    key = tmp_path / "network.key"
    key.write_text("any")
    upstream = registry_reader("http://registry", key, transport=Over(registry))
    return Follower(database, upstream, PROJECTION, poll_seconds=1, longest_pause_seconds=1)


def _depth(client: Client, follower: Follower) -> int:
    while follower.step():
        pass
    cells = client.items(CELL, params={"need": "hedgerow:food-bank", "level": "ward"})
    (cell,) = [cell for cell in cells if cell["area"] == "E05999002"]
    depth: int = cell["depth"]
    return depth


def test_a_service_that_leaves_its_feed_counts_no_more_until_it_comes_back(
    registry: Registry, follower: Follower, directory: Directory, publisher: Publisher, network
) -> None:
    with network() as client:
        before = _depth(client, follower)
        feed = register(registry, publisher)
        assert pulled(registry, feed)["state"] == "completed"
        assert _depth(client, follower) == before + 1
        gone = directory.services.pop("s000002")
        assert pulled(registry, feed)["gone"] == 1
        assert _depth(client, follower) == before
        directory.services["s000002"] = gone
        assert pulled(registry, feed)["counts"]["accepted"] == 1
        assert _depth(client, follower) == before + 1
