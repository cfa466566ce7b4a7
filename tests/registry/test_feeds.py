"""Feeds that are registered, pulled in the background, believed as far as they can be, and forgiven."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.actions import feeds as actions
from hedgerow_registry.actions.pulls import Puller
from hedgerow_registry.domain.feeds.schedule import pause_after
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from hedgerow_registry.store import feeds

from tests.registry.files import changes
from tests.registry.publisher import Answer, Directory, Publish, Publisher, full
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

Pull = dict[str, Any]
ENDED = ("completed", "failed", "needs_confirmation", "dismissed")


class Registry(Client):
    """A registry that may pull from the publishers of a test.

    Nothing works in the background: `turn` does what a worker does, there and then.
    """

    database: Database
    puller: Puller

    def turn(self) -> int:
        """Ask for what is due, hand out what is to be tried again, work on what waits; gives how many."""
        # As if the pause before every next try was over.
        now = datetime.now(UTC) + timedelta(hours=2)
        with self.database.writing() as session:
            actions.ask_due(session, now - timedelta(hours=2))
            actions.hand_out_again(session, now)
            waiting = feeds.waiting(session)
        for pull_id, turn in waiting:
            self.puller.work(pull_id, turn)
        return len(waiting)


@contextmanager
def registry_for(database: Database, *publishers: Publisher) -> Iterator[Registry]:
    hosts = frozenset(publisher.host for publisher in publishers)
    app = create_app(
        Settings(feed_hosts=hosts, pulls=False),
        database,
        verifier=Verifier(SIGNER.jwks, audience="registry"),
    )
    with running(app, headers=identity("registry")) as client:
        made = Registry(client._portal, client._client)
        made.database = database
        made.puller = Puller(database, app.state.importer, allowed_hosts=hosts, pauses=0.001)
        yield made


def register(client: Client, publisher: Publisher, **terms: Any) -> dict[str, Any]:
    answer = client.post("/v1/feeds", json={"url": publisher.url, "source": "directory", **terms})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def read(client: Client, feed: dict[str, Any], pull: Pull) -> Pull:
    found: Pull = client.get(f"/v1/feeds/{feed['id']}/pulls/{pull['id']}").json()
    return found


def pulled(client: Registry, feed: dict[str, Any], mode: str = "full", turns: int = 10) -> Pull:
    """A pull on demand, from asking to its end, or for so many turns."""
    answer = client.post(f"/v1/feeds/{feed['id']}/pull", params={"mode": mode})
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "waiting"
    for _ in range(turns):
        client.turn()
        if (found := read(client, feed, answer.json()))["state"] in ENDED:
            break
    return found


def counted(pull: Pull) -> tuple[int, ...]:
    return tuple(pull["counts"][name] for name in ("accepted", "changed", "unchanged", "quarantined"))


def held(client: Client) -> set[str]:
    """The services that are here, as the feed calls them."""
    return {one["source_id"] for one in client.items("/v1/services")}


def test_a_feed_is_pulled_on_demand_and_every_record_has_its_receipt(
    database: Database, publish: Publish
) -> None:
    publisher = publish(Directory(10))
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        first = pulled(client, feed)
        again = pulled(client, feed)

        assert (first["state"], counted(first), first["pages"]) == ("completed", (10, 0, 0, 0), 4)
        assert (again["state"], counted(again), again["gone"]) == ("completed", (0, 0, 10, 0), 0)
        assert first["verdict"] == "whole"
        receipts = client.items(first["receipts"])
        assert sum(receipt["records"] for receipt in receipts) == 10
        (record, *_) = client.items(f"/v1/feeds/{feed['id']}/records")
        service = client.get(f"/v1/services/{record['service_id']}").json()
        assert (record["first_pull_id"], record["pull_id"]) == (first["id"], again["id"])
        assert service["first_import_id"] == first["id"]
        assert client.get(f"/v1/feeds/{feed['id']}").json()["services"] == 10
        assert [one["id"] for one in client.items(f"/v1/feeds/{feed['id']}/pulls")] == [
            first["id"],
            again["id"],
        ]


def test_what_vanished_leaves_a_tombstone_and_comes_back_with_the_feed(
    database: Database, publish: Publish
) -> None:
    directory = Directory(10)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        before = changes(client)[-1]["id"]
        gone = directory.services.pop("s000004")
        second = pulled(client, feed)

        assert (second["gone"], counted(second)) == (1, (0, 0, 9, 0))
        assert held(client) == set(directory.services)
        (tombstone,) = changes(client, int(before), types="service")
        assert tombstone["type"] == "hedgerow.service.deleted"
        (record,) = client.items(f"/v1/feeds/{feed['id']}/records", params={"gone": True})
        assert (record["own_id"], record["gone_pull_id"]) == ("s000004", second["id"])
        told = [one for one in client.items(second["receipts"]) if one["reason"]]
        assert told[-1]["reason"] == "it is no longer in the feed: removed"

        directory.services["s000004"] = gone
        third = pulled(client, feed)
        assert counted(third) == (1, 0, 9, 0)
        assert "s000004" in held(client)
        assert client.items(f"/v1/feeds/{feed['id']}/records", params={"gone": True}) == []
        assert changes(client, int(tombstone["id"]), types="service")[-1]["subject"] == tombstone["subject"]


def test_a_site_of_what_vanished_vanishes_too(database: Database, publish: Publish) -> None:
    directory = Directory(9)
    place = {"location": {"name": "Hall", "location_type": "physical", "latitude": 53.3, "longitude": -1.05}}
    directory.services["s000002"]["service_at_locations"] = [{"id": "p1", **place}]
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        assert len(client.items("/v1/sites")) == 1
        del directory.services["s000002"]
        pulled(client, feed)
        assert client.items("/v1/sites") == []
        assert changes(client, types="site")[-1]["data"] is None


def test_a_pull_that_would_remove_too_much_asks_first(database: Database, publish: Publish) -> None:
    directory = Directory(20)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher, largest_loss=0.25)
        pulled(client, feed)
        for number in range(6):
            del directory.services[f"s{number:06}"]
        asking = pulled(client, feed)
        path = f"/v1/feeds/{feed['id']}/pulls/{asking['id']}"

        assert (asking["state"], asking["would_remove"], asking["gone"]) == ("needs_confirmation", 6, 0)
        assert len(held(client)) == 20

        assert client.post(f"{path}/dismiss").json()["state"] == "dismissed"
        assert client.post(f"{path}/confirm").status_code == 409
        again = pulled(client, feed)
        assert again["would_remove"] == 6
        path = f"/v1/feeds/{feed['id']}/pulls/{again['id']}"
        assert client.post(f"{path}/confirm").status_code == 202
        client.turn()
        done = read(client, feed, again)
        assert (done["gone"], done["confirmed_by"]) == (6, "tester")
        assert held(client) == set(directory.services)


def test_an_empty_feed_never_empties_the_registry_unasked(database: Database, publish: Publish) -> None:
    directory = Directory(3)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher, largest_loss=0.9)
        pulled(client, feed)
        directory.services.clear()
        assert pulled(client, feed)["state"] == "needs_confirmation"
        assert len(held(client)) == 3


Lie = Callable[[Directory], None]


def _wrong_total(directory: Directory) -> None:
    directory.before = lambda path, query: (
        None if "/services/" in path else _edited(directory, query, total_items=99)
    )


def _edited(directory: Directory, query: dict[str, str], **told: Any) -> Answer:
    plain = directory._page(query)
    return plain if plain.status != 200 else Answer(orjson.loads(plain.body) | told)


def _shifts(directory: Directory) -> None:
    """A service is added in front while the feed is read, and another taken from the end."""

    def before(path: str, query: dict[str, str]) -> None:
        if "/services/" not in path and query.get("page") == "2":
            directory.services.setdefault("a-new-one", full(999) | {"id": "a-new-one"})
            directory.services.pop("s000009", None)

    directory.before = before


def _omits(directory: Directory) -> None:
    """One service is left out of the list, and the total fits; it still has an address of its own."""
    left_out = directory.services["s000005"]

    def before(path: str, query: dict[str, str]) -> Answer | None:
        if path.endswith("/s000005"):
            return Answer(left_out)
        directory.services.pop("s000005", None)
        return None

    directory.before = before


def _breaks_off(directory: Directory) -> None:
    directory.before = lambda path, query: Answer({}, 404) if query.get("page") == "3" else None


@pytest.mark.parametrize("lie", [_wrong_total, _shifts, _omits, _breaks_off])
def test_a_pull_that_was_not_whole_takes_nothing_away(database: Database, publish: Publish, lie: Lie) -> None:
    directory = Directory(10)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        there = held(client)
        lie(directory)
        second = pulled(client, feed)

        assert (second["state"], second["verdict"], second["gone"]) == ("completed", "inconsistent", 0)
        assert second["notes"]
        assert there <= held(client)


def test_a_feed_that_never_says_how_many_it_has_is_believed_the_second_time(
    database: Database, publish: Publish
) -> None:
    directory = Directory(10, says_totals=False)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        del directory.services["s000004"]
        first, second = pulled(client, feed), pulled(client, feed)
        assert (first["verdict"], first["gone"], second["gone"]) == ("unstated", 0, 1)
        assert held(client) == set(directory.services)


def test_only_what_changed_is_asked_for_where_the_feed_can_tell(database: Database, publish: Publish) -> None:
    directory = Directory(10, by_change=True)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        assert client.get(f"/v1/feeds/{feed['id']}").json()["filters_by_change"] is True
        directory.services["s000003"]["name"] = "A new name"
        directory.modified["s000003"] = "2999"
        del directory.services["s000009"]
        publisher.asked.clear()
        second = pulled(client, feed, mode="changes")

        assert (second["mode"], counted(second), second["gone"]) == ("changes", (0, 1, 0, 0), 0)
        assert second["since"] is not None
        assert len(publisher.asked) == 1
        assert "modified_after=" in publisher.asked[0]
        assert len(held(client)) == 10
        assert pulled(client, feed)["gone"] == 1


def test_a_page_that_did_not_change_is_not_sent_again(database: Database, publish: Publish) -> None:
    directory = Directory(10, tagged=True)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        directory.services["s000004"]["name"] = "A new name"
        del directory.services["s000009"]
        publisher.headers.clear()
        second = pulled(client, feed, mode="changes")

        assert (second["pages"], second["unchanged_pages"]) == (3, 0)
        assert counted(second) == (0, 1, 8, 0)
        assert second["gone"] == 1
        third = pulled(client, feed, mode="changes")
        assert (third["pages"], third["unchanged_pages"], counted(third)) == (3, 3, (0, 0, 9, 0))
        assert third["verdict"] == "whole"


def test_a_plain_list_that_did_not_change_is_asked_for_once(database: Database, publish: Publish) -> None:
    listed = [full(number) for number in range(4)]
    publisher = publish(lambda _path, _query: Answer(listed, headers={"ETag": f'"{len(listed)}"'}))
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        publisher.asked.clear()
        second = pulled(client, feed, mode="changes")
        assert (second["unchanged_pages"], counted(second), second["gone"]) == (1, (0, 0, 4, 0), 0)
        assert len(publisher.asked) == 1
        listed.pop()
        third = pulled(client, feed, mode="changes")
        assert (counted(third), third["gone"]) == ((0, 0, 3, 0), 1)


def test_what_was_removed_here_comes_back_though_the_page_did_not_change(
    database: Database, publish: Publish
) -> None:
    publisher = publish(Directory(4, tagged=True))
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        service = client.items("/v1/services")[0]
        path = f"/v1/services/{service['id']}"
        client.delete(path, headers={"If-Match": client.get(path).headers["etag"]})
        pulled(client, feed, mode="changes")
        assert len(held(client)) == 4


def test_a_feed_that_stumbles_is_tried_again_and_goes_on_where_it_was(
    database: Database, publish: Publish
) -> None:
    directory = Directory(12)
    down = [True]

    def before(path: str, query: dict[str, str]) -> Answer | None:
        return Answer({}, 503, {"Retry-After": "0"}) if query.get("page") == "3" and down else None

    directory.before = before
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        trying = pulled(client, feed, turns=1)
        assert trying["state"] == "retrying"
        assert trying["error"] == "no good answer in 4 tries (status 503)"
        assert trying["next_try_at"] is not None
        assert counted(trying) == (6, 0, 0, 0)
        down.clear()
        client.turn()
        done = read(client, feed, trying)
        assert (done["state"], counted(done), done["error"]) == ("completed", (12, 0, 0, 0), None)
        assert done["retries"] >= 3
        assert sum("page" not in path for path in publisher.asked if "/services/" not in path) <= 2


def test_a_feed_that_stays_down_is_given_up_on_in_words(database: Database, publish: Publish) -> None:
    publisher = publish(
        lambda _path, _query: Answer(b"<html>Sorry</html>", headers={"Content-Type": "text/html"})
    )
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        done = pulled(client, feed)
        assert done["state"] == "failed"
        assert done["error"] == (
            "given up after 6 tries: the feed answers with something that is not JSON but text/html"
        )
        assert client.get(f"/v1/imports/{done['id']}").json()["status"] == "failed"
        assert client.get(f"/v1/feeds/{feed['id']}").json()["last_pull"]["state"] == "failed"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer({}, 401), "the feed answers with status 401"),
        (Answer({}, 302, {"Location": "http://169.254.169.254/"}), "not one on the public internet"),
    ],
)
def test_a_feed_that_will_not_be_better_tomorrow_fails_at_once(
    database: Database, publish: Publish, answer: Answer, why: str
) -> None:
    publisher = publish(lambda _path, _query: answer)
    with registry_for(database, publisher) as client:
        done = pulled(client, register(client, publisher))
        assert done["state"] == "failed"
        assert why in done["error"]
        assert done["tries"] == 0


def test_a_feed_without_end_is_left(database: Database, publish: Publish) -> None:
    """Every page is new, and every page says that there is more, of three services in all."""

    def endless(path: str, query: dict[str, str]) -> Answer:
        if "/services/" in path:
            return Answer({}, 404)
        number = int(query.get("page", 1))
        numbers = range(number * 100, number * 100 + 100)
        return Answer({"total_items": 3, "last_page": False, "contents": [full(one) for one in numbers]})

    publisher = publish(endless)
    with registry_for(database, publisher) as client:
        done = pulled(client, register(client, publisher))
        assert (done["state"], done["verdict"]) == ("completed", "inconsistent")
        assert done["pages"] < 15
        assert any("without end" in note for note in done["notes"])


def test_a_feed_is_pulled_when_it_is_due_and_not_when_it_is_off(database: Database, publish: Publish) -> None:
    publisher = publish(Directory(2))
    with registry_for(database, publisher) as client:
        off = register(client, publisher, source="off", schedule="PT5M", enabled=False)
        feed = register(client, publisher, schedule="PT5M")
        assert client.turn() == 1
        (done,) = client.items(f"/v1/feeds/{feed['id']}/pulls")
        assert (done["state"], done["asked_by"], done["mode"]) == ("completed", None, "full")
        now = client.get(f"/v1/feeds/{feed['id']}").json()
        assert now["next_due_at"] > now["last_pull_at"]
        assert client.turn() == 0
        assert client.items(f"/v1/feeds/{off['id']}/pulls") == []
        assert client.post(f"/v1/feeds/{off['id']}/pull").status_code == 409


def test_two_feeds_that_name_the_same_organisation_each_keep_their_own(
    database: Database, publish: Publish
) -> None:
    one, other = publish(Directory(2)), publish(Directory(2))
    with registry_for(database, one, other) as client:
        pulled(client, register(client, one, source="north"))
        pulled(client, register(client, other, source="south"))
        organisations = client.items("/v1/organisations")
        assert sorted((found["source"], found["source_id"]) for found in organisations) == [
            ("north", "o0"), ("north", "o1"), ("south", "o0"), ("south", "o1"),
        ]  # fmt: skip
        assert len(client.items("/v1/services")) == 4


BODY = "0f4c3f6e-6d0b-4f5e-9a0b-7c1f0e9d4a11"


def told_of_body(id: str, says: str) -> dict[str, Any]:
    """A service of one organisation that goes by the same UUID everywhere, as one feed describes it."""
    body = {"id": BODY, "name": says, "description": f"{says} describes it."}
    return {"id": id, "name": id, "status": "active", "contacts": [], "organization": body}


def test_an_organisation_that_two_feeds_name_by_one_uuid_is_one_and_stays_as_the_first_told_it(
    database: Database, publish: Publish
) -> None:
    north, south = Directory(0), Directory(0)
    north.services = {id: told_of_body(id, "North") for id in ("n1", "n2", "n3", "n4", "n5", "n6")}
    south.services = {"s1": told_of_body("s1", "South")}
    one, other = publish(north), publish(south)
    with registry_for(database, one, other) as client:
        first = register(client, one, source="north")
        second = register(client, other, source="south")
        pulled(client, first)
        came = pulled(client, second)
        again = pulled(client, second)

        (body,) = client.items("/v1/organisations")
        assert (body["id"], body["name"], body["source"]) == (BODY, "North", "north")
        linked = client.items(f"/v1/organisations/{BODY}/services")
        assert sorted((found["source_id"], found["source"]) for found in linked) == [
            *((id, "north") for id in sorted(north.services)), ("s1", "south"),
        ]  # fmt: skip
        (receipt,) = (one for one in client.items(came["receipts"]) if one["reason"])
        assert "the organisation stays as it was: it belongs to another source" in receipt["reason"]
        assert (counted(came), counted(again)) == ((1, 0, 0, 0), (0, 0, 1, 0))
        (theirs,) = (found["id"] for found in linked if found["source"] == "south")
        nested = client.get(f"/hsds/services/{theirs}").json()
        assert nested["organization"]["id"] == BODY
        document = client.get(f"/v1/services/{theirs}").json()["document"]
        assert document["organization"]["description"] == "South describes it.", "what each feed says is kept"

        last = int(changes(client)[-1]["id"])
        north.services = {"n9": {**told_of_body("n9", "North"), "organization": None}}
        lost = pulled(client, first)
        assert lost["state"] == "needs_confirmation"
        client.post(f"/v1/feeds/{first['id']}/pulls/{lost['id']}/confirm")
        client.turn()

        assert held(client) == {"n9", "s1"}
        assert {event["subject"] for event in changes(client, last, types="organisation")} <= {BODY}
        assert all(event["data"] for event in changes(client, last, types="organisation"))
        (body,) = client.items("/v1/organisations")
        assert (body["name"], body["source"]) == ("North", "north")
        assert [found["id"] for found in client.items(f"/v1/organisations/{BODY}/services")] == [theirs]


@pytest.mark.parametrize("way", [{}, {"tagged": True}, {"by_change": True}])
def test_a_service_that_two_feeds_give_comes_back_with_the_other_when_one_has_it_no_more(
    database: Database, publish: Publish, way: dict[str, bool]
) -> None:
    north, south = Directory(4), Directory(4, **way)
    north.services[BODY] = full(0) | {"id": BODY, "name": "As north has it"}
    south.services[BODY] = full(0) | {"id": BODY, "name": "As south has it"}
    one, other = publish(north), publish(south)
    with registry_for(database, one, other) as client:
        first = register(client, one, source="north", largest_loss=1)
        second = register(client, other, source="south", largest_loss=1)
        pulled(client, first)
        refused = pulled(client, second)
        assert counted(refused) == (4, 0, 0, 1)
        (receipt,) = client.items(refused["receipts"], params={"verdict": "quarantined"})
        assert "it belongs to another source" in receipt["reason"]
        for feed in (first, second):
            told = client.items(f"/v1/feeds/{feed['id']}/records")
            assert BODY in {record["service_id"] for record in told}, "each feed's own word is kept"
        pulled(client, second, mode="changes")
        last = int(changes(client)[-1]["id"])

        del north.services[BODY]
        assert pulled(client, first)["gone"] == 1
        (ended,) = changes(client, last, types="service")
        assert (ended["subject"], ended["data"]) == (BODY, None)

        pulled(client, second, mode="changes")
        assert client.get(f"/v1/services/{BODY}").json()["source"] == "south"
        (back,) = changes(client, int(ended["id"]), types="service")
        assert (back["subject"], back["data"]["id"]) == (BODY, BODY)

        north.services[BODY] = full(0) | {"id": BODY, "name": "As north has it"}
        assert counted(pulled(client, first)) == (0, 0, 4, 1), "it is the other's now"
        del north.services[BODY]
        assert pulled(client, first)["gone"] == 0, "what the other gives is not this one's to take away"
        assert client.get(f"/v1/services/{BODY}").status_code == 200


def test_a_feed_is_changed_and_removed_by_who_has_read_it(database: Database, publish: Publish) -> None:
    publisher = publish(Directory(2))
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        path = f"/v1/feeds/{feed['id']}"
        body = {"url": publisher.url, "source": "directory", "schedule": "30 2 * * *", "largest_loss": 0.5}
        assert client.put(path, json=body).status_code == 428
        tag = client.get(path).headers["etag"]
        changed = client.put(path, json=body, headers={"If-Match": tag})
        assert (changed.status_code, changed.json()["schedule"]) == (200, "30 2 * * *")
        assert changed.json()["next_due_at"].endswith("02:30:00Z")
        assert client.put(path, json=body, headers={"If-Match": tag}).status_code == 412
        tag = changed.headers["etag"]
        moved = client.put(path, json=body | {"source": "other"}, headers={"If-Match": tag})
        assert moved.status_code == 409
        pulled(client, feed)
        assert client.delete(path).status_code == 428
        assert client.delete(path, headers={"If-Match": tag}).status_code == 204
        assert client.get(path).status_code == 404
        assert len(held(client)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://a.example/"}, {"url": "nothing"}, {"schedule": "often"}, {"schedule": "PT1M"},
        {"schedule": "* * * * *"}, {"schedule": "0 0 31 2 *"}, {"largest_loss": 2}, {"full_every_days": 0},
        {"source": " "}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_feed_that_makes_no_sense_is_not_registered(registry: Client, wrong: dict[str, Any]) -> None:
    body = {"url": "https://feed.example/services", "source": "s"} | wrong
    assert registry.post("/v1/feeds", json=body).status_code == 422
    assert registry.items("/v1/feeds") == []


def test_feeds_of_other_authorities_are_not_there(registry: Client) -> None:
    body = {"url": "https://feed.example/services", "source": "north", "authority": "E08000009"}
    feed = registry.post("/v1/feeds", json=body).json()
    assert registry.post("/v1/feeds", json=body).status_code == 409
    other = identity("registry", authorities=("E06000023",))
    own = identity("registry", role="system", authorities=("E08000009",))
    path = f"/v1/feeds/{feed['id']}"
    for method, way in (
        ("GET", path),
        ("POST", f"{path}/pull"),
        ("GET", f"{path}/pulls"),
        ("GET", f"{path}/records"),
    ):
        assert registry.request(method, way, headers=other).status_code == 404, way
    assert registry.get("/v1/feeds", headers=other).json()["items"] == []
    assert registry.get(path, headers=own).status_code == 200
    assert registry.post("/v1/feeds", json=body | {"source": "x"}, headers=own).status_code == 403
    taken = registry.post("/v1/feeds", json=body | {"authority": None}, headers=other)
    assert taken.status_code == 403


def test_the_pauses_between_tries_grow() -> None:
    assert pause_after(3) == timedelta(minutes=4)
