"""A database that an earlier version filled: the registry is read anew, and nobody has to ask for it."""

from datetime import UTC, datetime

import pytest
from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from hedgerow_network.tables import Feed, Record
from sqlalchemy import insert, update

from tests.network.registry_standin import RegistryStandin, serving
from tests.network.test_projection import AT, wait_until
from tests.network.world import TOWN, Records, records

EARLIER = "0005"
"""The last head that did not keep what was read of the feed."""


def left_by_an_earlier_version(database: Database, held: Records, *, read_to: int) -> None:
    """A feed read to its end by a version that knew nothing of the rest, and then the migrations of today."""
    migrations.downgrade(database, "hedgerow_network", EARLIER)
    kept = {"seq": 1, "feeding": 1, "batch": 1, "deleted": False}
    with database.writing() as session:
        session.execute(
            insert(Record), [{"kind": kind, "id": id, "data": data, **kept} for kind, id, data in held]
        )
        session.execute(
            update(Feed).values(
                position=read_to,
                registry_last=read_to,
                batch=1,
                feeding=1,
                settled=1,
                epoch="epoch 0",
                mark="mark 0",
                # Heard a moment ago: there is no news but that we have changed.
                heard_at=datetime.now(UTC),
            )
        )
    migrations.upgrade(database, "hedgerow_network")


@pytest.fixture
def database(made_databases):
    """The database as its owner has it, who alone may change its tables."""
    made = Database(made_databases.migrated("hedgerow_network"))
    yield made
    made.dispose()


@pytest.fixture
def standin():
    """Ant's contract for food has ended; Cat's service is for care leavers."""
    made = RegistryStandin()
    told = records(**TOWN, contracts="id | services | start | end\nc1 | s1 | 2024-01-01 | 2025-06-30")
    made.put(*(
        (kind, id, {**data, "circumstances": ["care-leaver"]} if id == "s3" else data)
        for kind, id, data in told
    ))  # fmt: skip
    return made


def test_an_upgraded_database_knows_contracts_and_circumstances_without_being_asked_to(
    database, standin, network, registry_at
):
    last = len(standin.log)
    left_by_an_earlier_version(database, records(**TOWN), read_to=last)
    with network() as client:
        assert client.get("/readyz").status_code == 200
        gaps = client.items(f"{AT}/gaps", params={"cohort": "16-17"})
        assert {(gap["need"], gap["area_name"]) for gap in gaps} == {("t:food", "South")}
    with serving(standin) as url, network(registry_at(url)) as client:
        shown = wait_until(
            lambda: (p := client.get("/v1/projection").json())["rebuilt_at"] and not p["rebuilding"] and p
        )
        assert shown["rebuilt_because"] == "A new version reads more of the registry than was read before."
        assert shown["records"]["contract"] == 1
        gaps = client.items(f"{AT}/gaps", params={"cohort": "16-17"})
        # East loses Ant, whose contract has ended; for debt only North has anybody but Cat.
        assert {(gap["need"], gap["area_name"]) for gap in gaps} == {
            ("t:food", "South"),
            ("t:food", "East"),
            ("t:debt", "East"),
            ("t:debt", "South"),
        }
    # The next start finds what it reads itself, and goes on where it was.
    standin.asked.clear()
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_until(lambda: standin.asked)
        assert client.get("/v1/projection").json()["rebuilt_at"] == shown["rebuilt_at"]
        assert standin.asked[0] == last


def test_a_new_database_is_read_once(database, standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        shown = wait_until(lambda: (p := client.get("/v1/projection").json())["complete"] and p)
        assert shown["rebuilt_at"] is None
        assert [after for after in standin.asked if after == 0] == [0]
