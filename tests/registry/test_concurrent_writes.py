import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_registry.actions import entities, records
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.actions.records import Written

from tests.registry.files import CSV, changes, counts, send
from tests.support.http import Client

ID = "0f4c3f6e-6d0b-4f5e-9a0b-7c1f0e9d4a11"
PATH = f"/v1/services/{ID}"


def test_of_many_who_write_a_new_record_at_once_one_makes_it(registry: Client) -> None:
    writers = 8
    start = Barrier(writers)

    def write(number: int) -> int:
        start.wait()
        body = {"name": f"by {number}"}
        return registry.put(PATH, json=body, headers={"if-none-match": "*"}).status_code

    with ThreadPoolExecutor(writers) as pool:
        statuses = sorted(pool.map(write, range(writers)))
    assert statuses == [201] + [412] * (writers - 1)
    assert len(changes(registry)) == 1


def test_no_update_is_lost_among_many_writers(registry: Client) -> None:
    """Everyone adds one to the capacity, and tries again when somebody else was first."""
    writers, turns = 4, 5
    assert registry.put(PATH, json={"name": "n", "capacity": 0}).status_code == 201

    def add(_: int) -> None:
        done = 0
        while done < turns:
            read = registry.get(PATH)
            body = {"name": "n", "capacity": read.json()["capacity"] + 1}
            answer = registry.put(PATH, json=body, headers={"if-match": read.headers["etag"]})
            assert answer.status_code in (200, 412), answer.text
            done += answer.status_code == 200

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(add, range(writers)))
    assert registry.get(PATH).json()["capacity"] == writers * turns
    assert len(changes(registry)) == writers * turns + 1


def test_the_same_file_sent_twice_at_once_lands_once(registry: Client) -> None:
    rows = [f"{number},Service {number},Provider {number % 7}" for number in range(600)]
    body = "id,name,organisation_name\n" + "\n".join(rows)

    def post(_: int) -> int:
        return registry.post(
            "/v1/imports/services", content=body.encode(), headers={"content-type": CSV}
        ).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(post, range(2))) == [200, 200]
    assert len(registry.items("/v1/services", params={"limit": 1000})) == 600
    assert len(registry.items("/v1/organisations")) == 7
    assert counts(send(registry, "services", body)) == (0, 0, 600, 0)


def test_of_two_sources_that_make_a_record_in_the_same_moment_the_first_keeps_it(
    registry: Client, database: Database
) -> None:
    """Each looks for it before the other has written; what the second one sent is refused, with its parts."""
    principal = Principal("writer", frozenset({"administrator"}), frozenset({"*"}))
    own, same = (f"{ID[:-1]}{last}" for last in "23")

    def write(source: str, wait: Callable[[], None]) -> list[Written]:
        with database.writing() as session:
            by = claim(session, source, principal)
            sent = [
                {"id": ID, "name": f"of {source}", "status": "active", "aliases": [f"alias of {source}"]},
                {"id": own if source == "second" else f"{own[:-1]}4", "name": "own", "status": "active"},
                {"id": same, "name": "Both say the same", "status": "active"},
            ]
            written = records.write(session, entities.ORGANISATIONS, sent, by)
            wait()
            return written

    with ThreadPoolExecutor(1) as pool:
        began = Barrier(2)

        def second() -> list[Written]:
            began.wait()
            return write("second", lambda: None)

        later = pool.submit(second)

        def wait() -> None:
            began.wait()
            time.sleep(0.5)

        assert [one.verdict for one in write("first", wait)] == ["accepted"] * 3
        verdicts = later.result(30)
    assert [one.verdict for one in verdicts] == ["quarantined", "accepted", "unchanged"]
    assert verdicts[0].reason == "it belongs to another source"
    kept = registry.get(f"/v1/organisations/{ID}").json()
    assert (kept["name"], kept["source"], kept["aliases"]) == ("of first", "first", ["alias of first"])
    assert registry.get(f"/v1/organisations/{own}").json()["source"] == "second"
    assert sorted(one["subject"] for one in changes(registry)) == sorted([ID, own, f"{own[:-1]}4", same])


def test_more_at_once_than_there_are_threads_are_all_answered(registry: Client) -> None:
    """Who waits for a connection or a turn does not keep those from finishing who have theirs."""
    at_once = 100

    def write(number: int) -> int:
        path = f"/v1/services/{ID[:-2]}{number:02x}"
        key = {"idempotency-key": f"k{number}"} if number % 2 else {}
        return registry.put(path, json={"name": f"by {number}"}, headers=key).status_code

    def read(_: int) -> int:
        return registry.get("/v1/services").status_code

    with ThreadPoolExecutor(at_once) as pool:
        assert set(pool.map(write, range(at_once))) == {201}
        assert set(pool.map(read, range(at_once))) == {200}


def test_more_who_write_one_organisation_at_once_than_there_are_connections_get_their_turn(
    registry: Client,
) -> None:
    """Each waits for the one row; those who read it in between are answered as well."""
    path, at_once = f"/v1/organisations/{ID}", 100
    assert registry.put(path, json={"name": "n"}).status_code == 201
    tag = registry.get(path).headers["etag"]

    def call(number: int) -> int:
        if number % 4 == 0:
            return registry.get(f"{path}/members").status_code
        body = {"name": f"by {number}"}
        return registry.put(path, json=body, headers={"if-match": tag}).status_code

    with ThreadPoolExecutor(at_once) as pool:
        statuses = Counter(pool.map(call, range(at_once)))
    assert statuses == {200: 1 + at_once // 4, 412: at_once - 1 - at_once // 4}
