"""A read that starts after a write was acknowledged never shows the old value, whoever is asked."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hedgerow_gateway import actions
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app as registry_app
from hedgerow_registry.settings import Settings as RegistrySettings
from sqlalchemy import text

from tests.gateway.servers import gateway, serving
from tests.support.databases import Databases

WARD = "/v1/areas/E05999001"
CSV = {"Content-Type": "text/csv"}


class Replicas:
    """Gateways and registries over one database each: every gateway has a registry of its own.

    database: written past every gateway and app, as others may do at any moment
    """

    def __init__(self, gateways: list[httpx.Client], database: Database) -> None:
        self.gateways = gateways
        self.database = database

    def rename(self, name: str, by: int) -> None:
        """Acknowledged when this returns. by: the number of a gateway, or one more for nobody's way"""
        if by == len(self.gateways):
            with self.database.writing() as session:
                session.execute(text("UPDATE areas SET name = :name"), {"name": name})
            return
        line = f"code,name,level,parent_code,vintage\nE05999001,{name},ward,,2025\n"
        written = self.gateways[by].post("/v1/imports/areas", content=line, headers=CSV)
        assert written.json()["counts"]["quarantined"] == 0, written.text


@pytest.fixture
def replicas(made_databases: Databases, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Replicas]:
    shared = made_databases.migrated("hedgerow_registry")
    own = made_databases.migrated("hedgerow_gateway")
    actions.load_keyring(tmp_path)
    with ExitStack() as stack:
        gateways = []
        for _ in range(request.param):
            database = Database(shared)
            stack.callback(database.dispose)
            settings = RegistrySettings(HEDGEROW_IDENTITY_KEYS=tmp_path / "gateway" / "identity.jwks.json")
            address = stack.enter_context(serving(registry_app(settings, database)))
            gateways.append(
                stack.enter_context(gateway(tmp_path, database_url=own, registry_url=address)).client
            )
        yield Replicas(gateways, database)


def stale_reads(replicas: Replicas, rounds: int, *, imported: int) -> int:
    """Writes in turns through each gateway and past them, and reads through each: how many reads were old.

    imported: every how many rounds the write is an import through a gateway, which takes its time
    """
    tags = [""] * len(replicas.gateways)
    stale = 0
    for number in range(rounds):
        name = f"Ward {number}"
        past = len(replicas.gateways)
        replicas.rename(name, past if number % imported else number // imported % past)
        for place, reader in enumerate(replicas.gateways):
            # Once the memory is filled, once from it, once as somebody does who has the answer of before.
            for headers in ({}, {}, {"If-None-Match": tags[place]}):
                read = reader.get(WARD, headers=headers)
                stale += read.status_code != 200 or read.json()["name"] != name
            tags[place] = read.headers["etag"]
            stale += reader.get(WARD, headers={"If-None-Match": tags[place]}).status_code != 304
    return stale


@pytest.mark.parametrize("replicas", [1, 2], indirect=True)
def test_no_read_after_an_acknowledged_write_is_old(replicas: Replicas) -> None:
    assert stale_reads(replicas, 100, imported=10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2], indirect=True)
def test_no_read_of_ten_thousand_rounds_is_old(
    replicas: Replicas, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = 10_000
    stale = stale_reads(replicas, rounds, imported=20)
    with capsys.disabled():
        print(f"\n{len(replicas.gateways)} gateway(s), {dialect}: {stale} of {rounds} rounds read old")
    assert stale == 0
