"""Subscribers of the change feed: under fire, killed, and when the registry is another one than it was."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hedgerow_kit.auth import Principal, Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.actions import entities, records
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.actions.restoring import begin_epoch
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from hedgerow_registry.store import changefeed
from hedgerow_registry.tables import Organisation, Service, Site
from sqlalchemy import select

from tests.gateway.servers import serving
from tests.registry import subscriber
from tests.registry.files import fill, send
from tests.registry.subscriber import PROJECTION, prepared
from tests.support.databases import Databases
from tests.support.http import Client
from tests.support.identity import SIGNER, identity

ROOT = Path(__file__).resolve().parents[2]
PRINCIPAL = Principal("writer", frozenset({"administrator"}), frozenset({"*"}))
TABLES = {"organisation": Organisation, "service": Service, "site": Site}


@contextmanager
def served(database: Database) -> Iterator[str]:
    """The registry over HTTP, as a gateway hands requests on to it."""
    app = create_app(Settings(), database, verifier=Verifier(SIGNER.jwks, audience="registry"))

    async def identified(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            own = identity("registry")["Authorization"].encode()
            others = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
            scope = {**scope, "headers": [*others, (b"authorization", own)]}
        await app(scope, receive, send)

    with serving(identified) as url:
        yield url


def content(database: Database) -> dict[tuple[str, str], Any]:
    """All that the registry holds, in the shape in which the feed tells it."""
    found: dict[tuple[str, str], Any] = {}
    with database.reading() as session:
        for type, table in TABLES.items():
            ids = session.scalars(select(table.id)).all()
            states = changefeed.STATES[type](session, ids)
            found |= {(type, id): _plain(state) for id, state in states.items()}
    return found


def _plain(state: Any) -> Any:
    return orjson.loads(orjson.dumps(state))


def held(database: Database) -> dict[tuple[str, str], Any]:
    with database.reading() as session:
        rows = PROJECTION.records(session)
        return {(kind, id): data for kind, id, data in rows if data is not None}


class _Undone(Exception):
    pass


def write(database: Database, number: int, until: float) -> int:
    """Write, delete and roll back at random; gives how many transactions were committed."""
    chance = random.Random(number)
    done = 0
    while time.monotonic() < until:
        with suppress(_Undone), database.writing() as session:
            by = claim(session, f"s{number % 3}", PRINCIPAL)
            own = [record_id(by.source, "organisation", str(chance.randrange(30))) for _ in range(4)]
            ids = sorted(set(own))
            kind = chance.random()
            if kind < 0.2:
                gone = [record_id(by.source, "service", id) for id in ids]
                records.remove(session, entities.SERVICES, [(id,) for id in gone], by)
            elif kind < 0.6:
                rows = [{"id": id, "name": f"{number}/{done}", "status": "active"} for id in ids]
                records.write(session, entities.ORGANISATIONS, rows, by)
            else:
                rows = [
                    {
                        "id": record_id(by.source, "service", id),
                        "name": f"{number}/{done}",
                        "status": "active",
                        "needs": [f"t:{chance.randrange(5)}"],
                    }
                    for id in ids
                ]
                records.write(session, entities.SERVICES, rows, by)
            if chance.random() < 0.3:
                raise _Undone
            done += 1
    return done


def under_fire(database: Database, folder: Path, *, writers: int, seconds: float, kills: int) -> None:
    """Whoever follows the feed meanwhile, however often it is killed, ends with what the registry holds."""
    own_url = f"sqlite:///{folder / 'subscriber.db'}"
    own = prepared(own_url)
    key = folder / "key"
    key.write_text("a key")
    until = time.monotonic() + seconds
    committed: list[int] = []
    threads = [
        threading.Thread(target=lambda n=number: committed.append(write(database, n, until)))
        for number in range(writers)
    ]
    chance = random.Random(3)
    with served(database) as url:

        def started() -> "subprocess.Popen[bytes]":
            command = [sys.executable, "-m", "tests.registry.subscriber", url, own_url, str(key)]
            return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))

        for thread in threads:
            thread.start()
        for _ in range(kills):
            process = started()
            _wait_for(PROJECTION.position(own)[0] + 1, own, process, until=until)
            time.sleep(chance.random() * seconds / kills / 2)
            process.send_signal(signal.SIGKILL)
            process.wait()
        for thread in threads:
            thread.join()
        with database.reading() as session:
            last = changefeed.feed.current(session)
        process = started()
        _wait_for(last, own, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(committed) == writers
    assert sum(committed) > 2 * writers
    assert held(own) == content(database)
    with own.reading() as session:
        assert PROJECTION.feed(session).feeding == 1, "nobody had to begin anew"
    own.dispose()


def _wait_for(
    position: int, own: Database, process: "subprocess.Popen[bytes]", *, until: float = float("inf")
) -> None:
    """Wait until the subscriber has read so far, or the time is over."""
    ends = time.monotonic() + 120
    while PROJECTION.position(own)[0] < position and time.monotonic() < until:
        assert process.poll() is None, "the subscriber ended by itself"
        assert time.monotonic() < ends, "the subscriber did not come to it"
        time.sleep(0.02)


def test_a_subscriber_killed_among_writers_ends_with_the_registry(database: Database, tmp_path: Path) -> None:
    under_fire(database, tmp_path, writers=4, seconds=3, kills=1)


@pytest.mark.slow
def test_a_subscriber_killed_twenty_times_among_eight_writers_for_a_minute_ends_with_the_registry(
    database: Database, tmp_path: Path
) -> None:
    under_fire(database, tmp_path, writers=8, seconds=60, kills=20)


def test_a_page_says_where_it_stands_and_in_which_history(registry: Client, database: Database) -> None:
    fill(registry)
    first = registry.get("/v1/changes", params={"limit": 3}).json()
    assert (first["position"], first["next"]) == (3, "3")
    on = {"after": 3, "mark": first["mark"]}
    assert registry.get("/v1/changes", params=on).json()["epoch"] == first["epoch"]
    other = registry.get("/v1/changes", params={**on, "after": 4})
    assert (other.status_code, other.json()["type"]) == (409, "urn:hedgerow:problem:history-replaced")
    last = registry.get("/v1/changes", params={"after": 3, "types": "area"}).json()
    assert last["position"] == last["last"], "what was left out is spoken for"
    assert (
        registry.get("/v1/changes", params={"after": last["last"], "mark": last["mark"]}).status_code == 200
    )
    begin_epoch(database)
    assert registry.get("/v1/changes", params=on).status_code == 409
    assert registry.get("/v1/changes").json()["epoch"] != first["epoch"]


def test_who_follows_notices_a_restore_also_when_the_registry_has_gone_past_it(
    made_databases: Databases, tmp_path: Path
) -> None:
    """A backup is put back, and other changes take the numbers of those that were lost."""
    url = made_databases.migrated("hedgerow_registry")
    database = Database(url)
    own = prepared(f"sqlite:///{tmp_path / 'subscriber.db'}")
    (tmp_path / "key").write_text("a key")

    def followed_to_the_end() -> None:
        with served(database) as address:
            following = subscriber.follower(own, address, tmp_path / "key")
            while following.step():
                pass

    _write_organisations(database, "before", 5)
    database.dispose()
    backup = made_databases.copy(url)
    database = Database(url)
    _write_organisations(database, "lost", 5)
    followed_to_the_end()
    assert held(own) == content(database)
    database.dispose()

    database = Database(backup)
    _write_organisations(database, "after", 9)
    followed_to_the_end()
    assert held(own) == content(database)
    with own.reading() as session:
        assert "restored" in (PROJECTION.feed(session).rebuilt_because or "")
    database.dispose()
    own.dispose()


def test_who_follows_notices_a_registry_that_was_filled_anew(
    made_databases: Databases, tmp_path: Path
) -> None:
    own = prepared(f"sqlite:///{tmp_path / 'subscriber.db'}")
    (tmp_path / "key").write_text("a key")
    for name, number in (("first", 3), ("second", 8), ("third", 2)):
        database = Database(made_databases.migrated("hedgerow_registry"))
        begin_epoch(database)
        _write_organisations(database, name, number)
        with served(database) as address:
            following = subscriber.follower(own, address, tmp_path / "key")
            while following.step():
                pass
        assert held(own) == content(database), name
        database.dispose()
    own.dispose()


def _write_organisations(database: Database, name: str, number: int) -> None:
    for n in range(number):
        with database.writing() as session:
            row = {"id": record_id("s", "organisation", f"{name} {n}"), "name": name, "status": "active"}
            records.write(session, entities.ORGANISATIONS, [row], claim(session, "s", PRINCIPAL))


def test_types_can_be_followed_alone_to_the_end(registry: Client) -> None:
    fill(registry)
    send(registry, "organisations", "id,name\n9,Nine")
    found: list[str] = []
    after, mark = 0, None
    while True:
        params = {"after": after, "types": "organisation", "limit": 1} | ({"mark": mark} if mark else {})
        page = registry.get("/v1/changes", params=params).json()
        found += [event["subject"] for event in page["items"]]
        after, mark = page["position"], page["mark"]
        if page["next"] is None:
            break
    assert len(found) == len(set(found)) == 4
    assert after == page["last"]
