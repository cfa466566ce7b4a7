"""Following the registry: pages, tombstones, restarts, rebuilds, lag, freshness."""

import time

import pytest
from hedgerow_kit.following import Follower
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.store.snapshots import Snapshots

from tests.network.feeding import feed
from tests.network.registry_standin import RegistryStandin, serving
from tests.network.world import TOWN, area, records, service

AT = "/v1/localities/E06000001"


@pytest.fixture
def standin():
    made = RegistryStandin()
    made.put(*records(**TOWN))
    return made


def wait_until(holds, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found


def wait_for(client, position):
    return wait_until(lambda: client.get("/v1/projection").json()["position"] >= position)


def test_network_reads_the_feed_to_its_end_and_keeps_up(standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_for(client, 20)
        assert len(client.items(f"{AT}/gaps")) == 1
        standin.put(("service", "s9", service("s9", needs=["t:food"], areas=["E05000003"])))
        wait_for(client, 21)
        assert client.items(f"{AT}/gaps") == []
        standin.delete("service", "s9")
        wait_for(client, 22)
        assert len(client.items(f"{AT}/gaps")) == 1
        shown = client.get("/v1/projection").json()
        assert (shown["lag"], shown["complete"], shown["rebuilding"], shown["trouble"]) == (
            0,
            True,
            False,
            None,
        )
        assert shown["records"]["service"] == 4
        assert shown["heard_at"].endswith("Z")
        assert client.get("/readyz").status_code == 200


def test_an_answer_can_be_asked_to_be_no_older_than_a_write(standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        for n in range(5):
            seq = standin.put(("service", "s9", service("s9", needs=["t:food"], areas=["E05000003"])))
            found = client.get(f"{AT}/gaps", params={"registry_seq": seq})
            assert found.status_code == 200
            assert found.json()["items"] == [], n
            seq = standin.delete("service", "s9")
            found = client.get(f"{AT}/gaps", params={"registry_seq": seq}).json()
            assert len(found["items"]) == 1
            assert found["computed"]["registry_seq"] >= seq
        started = time.monotonic()
        refused = client.get(f"{AT}/gaps", params={"registry_seq": 10_000})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "2"
        assert 4 < time.monotonic() - started < 15


def test_a_feed_of_many_pages_is_read_page_by_page(database, registry_at):
    standin = RegistryStandin()
    standin.put(*[("area", f"area-{n}", area(f"area-{n}", f"Area {n}", "other")) for n in range(2500)])
    with serving(standin) as url:
        registry = registry_at(url)
        follower = Follower(database, registry, PROJECTION, poll_seconds=1, longest_pause_seconds=1)
        assert [follower.step(), follower.step(), follower.step(), follower.step()] == [
            True,
            True,
            False,
            False,
        ]
        registry.close()
    assert standin.asked == [0, 1000, 2000, 2500]
    assert len(Snapshots(database).current().facts.hierarchy) == 2500


def test_a_snapshot_reads_only_what_is_newer(database):
    position = feed(database, records(**TOWN))
    snapshots = Snapshots(database)
    first = snapshots.current()
    assert snapshots.current().facts is first.facts
    feed(database, [("site", "x", {"id": "x", "service_id": "s1", "name": "X"})], after=position)
    second = snapshots.current()
    assert len(second.facts.directory.sites) == 1
    assert second.facts.hierarchy is first.facts.hierarchy
    assert second.version != first.version


def test_a_page_that_somebody_else_applied_is_dropped(database):
    feed(database, records(**TOWN))
    feed(database, [("service", "s1", service("s1", needs=["t:food"]))], after=0)
    with database.reading() as session:
        assert PROJECTION.feed(session).position == 20
    assert Snapshots(database).current().facts.directory.services[0].areas == ("E05000001", "E05000002")


def test_a_record_without_what_we_read_of_it_counts_as_not_there(database):
    strange = [
        ("area", "E05000001", {"name": "no code"}),
        ("site", "x", {"id": "x", "service_id": None}),
        ("service", "s1", {"id": "s1", "valid_from": "soon"}),
        ("residents", "E05000001", {"area_code": "E05000001", "rows": [{"period": "2024"}]}),
        (
            "boundary",
            "E05000002",
            {"code": "E05000002", "geometry": {"type": "Polygon", "coordinates": [[1]]}},
        ),
    ]
    feed(database, [*records(**TOWN), *strange])
    known = Snapshots(database).current().facts
    assert "E05000001" not in known.hierarchy.position
    assert len(known.directory.services) == 3
    assert known.boundaries.area.size == 1


def test_a_rebuild_answers_on_and_drops_what_is_gone(standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_for(client, 20)
        # Gone without a trace in the feed, as if its change had been lost.
        del standin.state["service", "s2"]
        standin.log[:] = [entry for entry in standin.log if entry != ("service", "s2")]
        standin.put(("need", "t:new", {"id": "t:new", "taxonomy": "t", "term": "new", "name": "New"}))
        asked = client.post("/v1/projection/rebuild")
        assert asked.status_code == 202
        assert asked.json()["rebuilding"] is True
        assert client.get(f"{AT}/gaps").status_code == 200
        shown = wait_until(
            lambda: (p := client.get("/v1/projection").json()) and not p["rebuilding"] and p["records"] and p
        )
        assert shown["records"]["service"] == 3
        assert shown["records"]["need"] == 3
        assert "administrator" in shown["rebuilt_because"]


def test_only_an_administrator_rebuilds(network):
    with network(role="coordinator") as client:
        assert client.post("/v1/projection/rebuild").status_code == 403


@pytest.mark.parametrize("says_which", [True, False])
def test_a_registry_that_was_restored_is_read_anew(standin, network, registry_at, says_which):
    standin.says_which = says_which
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_for(client, 20)
        standin.restore([found for found in records(**TOWN) if found[:2] != ("service", "s1")])
        shown = wait_until(
            lambda: (p := client.get("/v1/projection").json())["rebuilt_at"] and not p["rebuilding"] and p
        )
        assert shown["position"] == 19
        assert "restored or" in shown["rebuilt_because"]
        assert shown["records"]["service"] == 3
        assert len(client.items(f"{AT}/gaps")) == 2


def test_a_restored_registry_that_has_gone_past_us_is_read_anew(standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_for(client, 20)
        kept = [found for found in records(**TOWN) if found[:2] != ("service", "s1")]
        standin.restore([*kept, *kept])
        shown = wait_until(
            lambda: (p := client.get("/v1/projection").json())["position"] == 38 and not p["rebuilding"] and p
        )
        assert shown["records"]["service"] == 3
        assert "restored" in shown["rebuilt_because"]


def test_an_emptied_registry_leaves_nothing(standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_for(client, 20)
        standin.restore([])
        wait_until(lambda: client.get("/v1/projection").json()["records"] == {})
        assert client.get(f"{AT}/gaps").status_code == 404


def test_network_answers_while_the_registry_is_away_and_says_so(standin, network, registry_at):
    with serving(standin) as url, network(registry_at(url)) as client:
        wait_for(client, 20)
        standin.down = True
        shown = wait_until(lambda: (p := client.get("/v1/projection").json())["trouble"] and p)
        assert "503" in shown["trouble"]
        assert client.get(f"{AT}/gaps").status_code == 200
        assert client.get("/readyz").status_code == 200
        standin.down, standin.broken = False, True
        wait_until(lambda: "unknown shape" in (client.get("/v1/projection").json()["trouble"] or ""))
        standin.broken = False
        standin.put(("need", "t:new", {"id": "t:new", "taxonomy": "t", "term": "new", "name": "New"}))
        wait_for(client, 21)
        wait_until(lambda: client.get("/v1/projection").json()["trouble"] is None)


def test_network_waits_for_its_key(standin, network, registry_at, tmp_path):
    with serving(standin) as url:
        registry = registry_at(url)
        (tmp_path / "network.key").unlink()
        with network(registry) as client:
            wait_until(lambda: "key" in (client.get("/v1/projection").json()["trouble"] or ""))
            assert "read 0 of 0 changes" in client.get("/readyz").json()["detail"]
            (tmp_path / "network.key").write_text("network-key")
            wait_for(client, 20)
            wait_until(lambda: client.get("/readyz").status_code == 200)
