"""Two providers that are one organisation: network counts them once while the registry has them merged."""

from collections.abc import Iterator
from typing import Any

import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.following import Follower
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.upstream.registry import registry as registry_reader
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.main import create_app as create_registry
from hedgerow_registry.settings import Settings as RegistrySettings

from tests.network.test_registry_contract import Over
from tests.registry.files import fill, send
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

PANTRY, KITCHEN = (record_id("default", "organisation", name) for name in ("1", "4"))
CELL = "/v1/localities/E06999001/cover"


@pytest.fixture
def registry(made_databases) -> Iterator[Client]:
    """A locality in which two organisations run a food bank for South Quay."""
    app = create_registry(
        RegistrySettings(),
        Database(made_databases.migrated("hedgerow_registry")),
        verifier=Verifier(SIGNER.jwks, audience="registry"),
    )
    with running(app, headers=identity("registry")) as client:
        fill(client)
        send(client, "organisations", "id,name\n4,Quay Kitchen Ltd")
        rows = "s9,Food parcels,4,hedgerow:food-bank,E05999002\n"
        send(client, "services", f"id,name,organisation_id,needs,area_codes\n{rows}")
        yield client


@pytest.fixture
def follower(registry: Client, database, tmp_path) -> Follower:
    key = tmp_path / "network.key"
    key.write_text("any")
    upstream = registry_reader("http://registry", key, transport=Over(registry))
    return Follower(database, upstream, PROJECTION, poll_seconds=1, longest_pause_seconds=1)


def _depth(client: Client, follower: Follower) -> tuple[int, list[Any]]:
    while follower.step():
        pass
    cells = client.items(CELL, params={"need": "hedgerow:food-bank", "level": "ward"})
    (cell,) = [cell for cell in cells if cell["area"] == "E05999002"]
    return cell["depth"], sorted(provider["id"] for provider in cell["providers"])


def test_a_merge_takes_the_depth_from_two_to_one_and_an_unmerge_brings_it_back(
    registry, follower, network
) -> None:
    with network() as client:
        assert _depth(client, follower) == (2, sorted([PANTRY, KITCHEN]))
        body = {"into": PANTRY, "reason": "one charity under two names"}
        assert registry.post(f"/v1/organisations/{KITCHEN}/merge", json=body).status_code == 200
        assert _depth(client, follower) == (1, [PANTRY])
        # What is imported for the merged one later is the other's too.
        more = "s8,Hot meals,4,hedgerow:food-bank,E05999002\n"
        send(registry, "services", f"id,name,organisation_id,needs,area_codes\n{more}")
        assert _depth(client, follower) == (1, [PANTRY])
        body = {"reason": "two after all"}
        assert registry.post(f"/v1/organisations/{KITCHEN}/unmerge", json=body).status_code == 200
        assert _depth(client, follower) == (2, sorted([PANTRY, KITCHEN]))


def test_a_relation_with_a_merged_organisation_is_one_with_whoever_answers_for_it(
    registry, follower, network
) -> None:
    with network() as client:
        rows = f"network,from,to,type\nn,{KITCHEN},elsewhere,referral\nn,{PANTRY},elsewhere,referral\n"
        client.post("/v1/imports/relations", content=rows, headers={"Content-Type": "text/csv"})

        def organisations() -> list[str]:
            while follower.step():
                pass
            return sorted(node["id"] for node in client.items("/v1/networks/n/structure"))

        assert organisations() == sorted([KITCHEN, PANTRY, "elsewhere"])
        merged = registry.post(f"/v1/organisations/{KITCHEN}/merge", json={"into": PANTRY, "reason": "one"})
        assert merged.status_code == 200, merged.text
        assert organisations() == sorted([PANTRY, "elsewhere"])
