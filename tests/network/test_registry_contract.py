"""Network's own client against the registry's real app: the fictional borough, read through the change
feed.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.following import Follower
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.upstream.registry import registry as registry_reader
from hedgerow_registry.main import create_app as create_registry
from hedgerow_registry.settings import Settings as RegistrySettings

from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

BOROUGH = Path(__file__).resolve().parents[2] / "examples" / "keldermouth" / "data"
FILES = {
    "areas": "areas.csv",
    "boundaries": "boundaries.geojson",
    "needs": "needs.csv",
    "crosswalk": "crosswalk.csv",
    "residents": "residents.csv",
    "indices": "indices.csv",
    "demand": "demand.csv",
    "organisations": "organisations.csv",
    "services": "services.csv",
    "sites": "sites.csv",
}
AT = "/v1/localities/E06999001"


class Over(httpx.BaseTransport):
    """Hands the calls of a blocking client to an app in this process, as its gateway would."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._client.request(request.method, request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def registry(made_databases) -> Iterator[Client]:
    app = create_registry(
        RegistrySettings(),
        Database(made_databases.migrated("hedgerow_registry")),
        verifier=Verifier(SIGNER.jwks, audience="registry"),
    )
    with running(app, headers=identity("registry")) as client:
        yield client


@pytest.fixture
def taken(registry: Client) -> dict[str, int]:
    """The fictional borough in the registry; records taken in, by kind."""
    accepted = {}
    for kind, name in FILES.items():
        media = "application/geo+json" if name.endswith("geojson") else "text/csv"
        answer = registry.post(
            f"/v1/imports/{kind}", content=(BOROUGH / name).read_bytes(), headers={"Content-Type": media}
        )
        assert answer.status_code in (200, 201), answer.text
        accepted[kind] = answer.json()["counts"]["accepted"]
    return accepted


def test_a_cohort_is_asked_for_by_the_circumstances_of_a_flat_file(taken, borough, registry, network):
    leavers = (
        "id,name,needs,area_codes,circumstances\nmoving,Moving on,hedgerow:food,E06999001,Care leavers\n"
    )
    sent = registry.post("/v1/imports/services", content=leavers, headers={"Content-Type": "text/csv"})
    assert sent.json()["counts"]["accepted"] == 1, sent.text
    while borough.step():
        pass
    uncovered = {"need": "food", "kind": "uncovered", "at": "2026-11-22"}
    with network() as client:
        gaps = {
            cohort: {
                gap["area_name"] for gap in client.items(f"{AT}/gaps", params=uncovered | {"cohort": cohort})
            }
            for cohort in ("care-leavers", "refugees")
        }
    assert gaps["care-leavers"] == set()
    assert gaps["refugees"] == {"Eastness", "Sallow Fen", "Thornwold", "Upper Kelder"}


@pytest.fixture
def borough(registry: Client, database, tmp_path) -> Follower:
    """A follower of the registry that has read nothing yet."""
    key = tmp_path / "network.key"
    key.write_text("any")
    upstream = registry_reader("http://registry", key, transport=Over(registry))
    return Follower(database, upstream, PROJECTION, poll_seconds=1, longest_pause_seconds=1)


def test_network_reads_the_registry_to_its_end_and_answers_for_the_borough(taken, borough, registry, network):
    while borough.step():
        pass
    last = registry.get("/v1/changes", params={"limit": 1}).json()["last"]
    with network() as client:
        shown = client.get("/v1/projection").json()
        assert (shown["position"], shown["lag"], shown["complete"]) == (last, 0, True)
        assert shown["records"]["service"] == taken["services"]
        assert shown["records"]["boundary"] == taken["boundaries"]
        told = client.get(f"{AT}/summary").json()
        assert (told["areas"], told["needs"], told["level"]) == (20, 12, "ward")
        gaps = client.items(f"{AT}/gaps", params={"need": "food", "kind": "uncovered", "at": "2026-11-22"})
        # The wards that the borough's story leaves without food.
        assert sorted(gap["area_name"] for gap in gaps) == [
            "Eastness",
            "Sallow Fen",
            "Thornwold",
            "Upper Kelder",
        ]
        assert {gap["people_basis"] for gap in gaps} == {"counted"}
        fragile = client.items(f"{AT}/fragility", params={"by": "owner"})
        assert fragile[0]["people_uncovered"] >= fragile[-1]["people_uncovered"] > 0
