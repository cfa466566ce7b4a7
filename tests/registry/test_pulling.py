"""Pulls in the background: when they are due, after a kill, and once, whatever the number of replicas."""

import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from sqlalchemy import create_engine, text

from tests.registry.publisher import Directory, Publish, Publisher
from tests.support.app_process import AppProcess, app_process
from tests.support.databases import Databases, on_postgresql
from tests.support.http import running
from tests.support.identity import SIGNER, identity

QUICK = {"feed_look_seconds": 0.1, "feed_pauses": 0.01}
PAGES, PAGE_SIZE = 40, 5


def until(found: Callable[[], Any], *, seconds: float = 60) -> Any:
    """What is found once it is there."""
    deadline = time.monotonic() + seconds
    while not (there := found()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return there


def test_a_feed_that_is_due_is_pulled_by_itself(database: Database, publish: Publish) -> None:
    publisher = publish(Directory(5))
    chosen = Settings(feed_hosts=frozenset({publisher.host}), **QUICK)
    for _ in range(2):
        # The second start finds the queue as the first one left it.
        app = create_app(chosen, database, verifier=Verifier(SIGNER.jwks, audience="registry"))
        with running(app, headers=identity("registry")) as client:
            known = client.items("/v1/feeds")
            if not known:
                body = {"url": publisher.url, "source": "directory", "schedule": "P1D"}
                known = [client.post("/v1/feeds", json=body).json()]
            path = f"/v1/feeds/{known[0]['id']}"
            if client.items(f"{path}/pulls"):
                client.post(f"{path}/pull")
            pulls = until(
                lambda client=client, path=path: [
                    one for one in client.items(f"{path}/pulls") if one["state"] == "completed"
                ]
            )
            until(lambda client=client: len(client.items("/v1/services")) == 5)
    assert pulls[0]["asked_by"] is None


def _slow(directory: Directory, seconds: float) -> None:
    """Every page takes its time, so that a process can be killed between two."""

    def before(_path: str, _query: dict[str, str]) -> None:
        time.sleep(seconds)

    directory.before = before


def _asked(publisher: Publisher) -> Counter[int]:
    """How often each page was asked for."""
    numbers = (re.search(r"[?&]page=(\d+)", path) for path in publisher.asked if "modified_after" not in path)
    return Counter(int(found[1]) if found else 1 for found in numbers)


def _begun(registry: AppProcess, publisher: Publisher) -> str:
    feed = registry.request("POST", "/v1/feeds", json={"url": publisher.url, "source": "directory"})
    pull = registry.request("POST", f"/v1/feeds/{feed['id']}/pull")
    return f"/v1/feeds/{feed['id']}/pulls/{pull['id']}"


def _killed_on_the_way(made_databases: Databases, publish: Publish, kills: int) -> None:
    directory = Directory(PAGES * PAGE_SIZE, page_size=PAGE_SIZE)
    _slow(directory, 0.05)
    publisher = publish(directory)
    url = made_databases.migrated("hedgerow_registry")
    settings = {**QUICK, "allowed_hosts": publisher.host}
    path = None
    for kill in range(1, kills + 1):
        with app_process("registry", url, **settings) as registry:
            path = path or _begun(registry, publisher)
            until(lambda kill=kill: max(_asked(publisher), default=0) >= kill * PAGES // (kills + 1))
            registry.process.kill()
    with app_process("registry", url, **settings) as registry:
        done = until(lambda: (found := registry.get(str(path)))["state"] == "completed" and found)
        services = registry.get("/v1/services", limit=1000)["items"]
    assert done["counts"] == {
        "accepted": PAGES * PAGE_SIZE, "changed": 0, "unchanged": 0, "quarantined": 0,
    }  # fmt: skip
    assert (done["pages"], done["verdict"]) == (PAGES, "whole")
    assert len(services) == PAGES * PAGE_SIZE
    # Each kill repeats the page that it interrupted, and no other.
    asked = _asked(publisher)
    assert sum(asked.values()) - PAGES <= kills
    assert set(asked) == set(range(1, PAGES + 1))


def test_a_pull_killed_twice_goes_on_by_itself_and_repeats_one_page_each_time(
    made_databases: Databases, publish: Publish
) -> None:
    _killed_on_the_way(made_databases, publish, 2)


@pytest.mark.slow
def test_a_pull_killed_twenty_times_comes_to_the_same_end(
    made_databases: Databases, publish: Publish
) -> None:
    _killed_on_the_way(made_databases, publish, 20)


def test_a_pull_told_to_stop_goes_on_after_the_next_start(
    made_databases: Databases, publish: Publish
) -> None:
    directory = Directory(PAGES * PAGE_SIZE, page_size=PAGE_SIZE)
    _slow(directory, 0.05)
    publisher = publish(directory)
    url = made_databases.migrated("hedgerow_registry")
    settings = {**QUICK, "allowed_hosts": publisher.host}
    with app_process("registry", url, **settings) as registry:
        path = _begun(registry, publisher)
        until(lambda: max(_asked(publisher), default=0) >= 5)
        registry.process.terminate()
        assert registry.process.wait(20) in (0, -signal.SIGTERM)
    with app_process("registry", url, **settings) as registry:
        done = until(lambda: (found := registry.get(path))["state"] == "completed" and found)
    assert done["counts"]["accepted"] == PAGES * PAGE_SIZE
    assert sum(_asked(publisher).values()) <= PAGES + 1


@on_postgresql
def test_of_two_replicas_one_pulls_and_the_other_takes_over_if_it_dies(
    made_databases: Databases, publish: Publish
) -> None:
    postgresql = made_databases.migrated("hedgerow_registry")
    directory = Directory(PAGES * PAGE_SIZE, page_size=PAGE_SIZE)
    _slow(directory, 0.05)
    publisher = publish(directory)
    settings = {**QUICK, "allowed_hosts": publisher.host}
    with (
        app_process("registry", postgresql, replica="one", **settings) as one,
        app_process("registry", postgresql, replica="two", **settings) as two,
    ):
        body = {"url": publisher.url, "source": "directory", "schedule": "P1D"}
        feed = one.request("POST", "/v1/feeds", json=body)
        until(lambda: max(_asked(publisher), default=0) >= 10)
        (pull,) = two.get(f"/v1/feeds/{feed['id']}/pulls")["items"]
        assert sum(_asked(publisher).values()) <= max(_asked(publisher))
        worker, other = (one, two) if _works(postgresql, "one") else (two, one)
        worker.process.kill()
        worker.process.wait()
        time.sleep(0.5)
        read = len(publisher.asked)
        time.sleep(0.5)
        assert len(publisher.asked) == read, "nobody goes on before the silence is long enough"
        _let_time_pass(postgresql)
        path = f"/v1/feeds/{feed['id']}/pulls/{pull['id']}"
        done = until(lambda: (found := other.get(path))["state"] == "completed" and found)
        assert done["counts"]["accepted"] == PAGES * PAGE_SIZE
        assert sum(_asked(publisher).values()) <= PAGES + 1
        assert len(other.get(f"/v1/feeds/{feed['id']}/pulls")["items"]) == 1


def _run(url: str, statement: str, **values: Any) -> Any:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        result = connection.execute(text(statement), values)
        found = result.scalar() if result.returns_rows else None
    engine.dispose()
    return found


def _works(url: str, replica: str) -> bool:
    """Whether the replica has the one pull in hand."""
    query = "SELECT count(*) FROM dbos.workflow_status WHERE executor_id = :replica AND status = 'PENDING'"
    return bool(_run(url, query, replica=replica))


def _let_time_pass(url: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    _run(url, "UPDATE feed_pulls SET touched_at = :long_ago", long_ago=long_ago)
