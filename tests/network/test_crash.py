"""Killing network while it follows: it goes on where it was, and nothing is lost or doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from hedgerow_kit.db import Database
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.tables import Record
from sqlalchemy import delete, select

from tests.network.registry_standin import RegistryStandin, serving
from tests.network.world import TOWN, records, service
from tests.support.platform import free_port

KILLS = 3
FIRST, MORE = 2500, 600


def started(url: str, upstream: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "hedgerow_network", "serve"],
        env={
            **os.environ,
            "HEDGEROW_NETWORK_DATABASE_URL": url,
            "HEDGEROW_NETWORK_PORT": str(free_port()),
            "HEDGEROW_NETWORK_GATEWAY_URL": upstream,
            "HEDGEROW_NETWORK_KEY_FILE": str(folder / "network.key"),
            "HEDGEROW_NETWORK_POLL_SECONDS": "0.05",
            "HEDGEROW_LOG_LEVEL": "WARNING",
        },
        stderr=(folder / "network.log").open("ab"),
    )


def position(database: Database) -> int:
    with database.reading() as session:
        return PROJECTION.feed(session).position


def wait_for(database: Database, wanted: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while position(database) < wanted:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"stuck at {position(database)}"
        time.sleep(0.01)


def held(database: Database) -> dict[tuple[str, str], object]:
    with database.reading() as session:
        rows = session.execute(select(Record.kind, Record.id, Record.data).where(~Record.deleted)).all()
    return {(kind, id): data for kind, id, data in rows}


def test_killed_while_following_it_resumes_without_loss(made_databases, tmp_path):
    chance = random.Random(7)
    (tmp_path / "network.key").write_text("network-key")
    standin = RegistryStandin()
    standin.delay_seconds = 0.02
    standin.put(*records(**TOWN))
    for n in range(FIRST):
        standin.put(("service", f"x{n}", service(f"x{n}", needs=["t:food"])))
    url = made_databases.migrated("hedgerow_network")
    database = Database(url)
    with serving(standin) as upstream:
        for kill in range(KILLS):
            process = started(url, upstream, tmp_path)
            before = position(database)
            wait_for(database, min(before + 600, len(standin.log)), process, tmp_path / "network.log")
            time.sleep(chance.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert position(database) >= before
            for n in range(MORE // KILLS):
                id = f"x{chance.randrange(FIRST)}"
                if ("service", id) in standin.state and chance.random() < 0.3:
                    standin.delete("service", id)
                else:
                    standin.put(("service", id, service(id, needs=["t:food"], name=f"changed {kill} {n}")))
        process = started(url, upstream, tmp_path)
        wait_for(database, len(standin.log), process, tmp_path / "network.log")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert held(database) == standin.state
    # No page was skipped: each was asked for from the position that had been committed.
    assert sorted(standin.asked) == standin.asked
    database.dispose()


def test_a_projection_that_lost_records_is_read_anew_and_a_kill_meanwhile_loses_nothing(
    made_databases, tmp_path
):
    (tmp_path / "network.key").write_text("network-key")
    log = tmp_path / "network.log"
    standin = RegistryStandin()
    standin.put(*records(**TOWN))
    for n in range(FIRST):
        standin.put(("service", f"x{n}", service(f"x{n}", needs=["t:food"])))
    url = made_databases.migrated("hedgerow_network")
    database = Database(url)
    with serving(standin) as upstream:
        process = started(url, upstream, tmp_path)
        wait_for(database, len(standin.log), process, log)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with database.writing() as session:
            session.execute(delete(Record).where(Record.id.startswith("x1")))
            # One that the registry does not have any more, and whose end we did not hear of.
            del standin.state["service", "x2"]
            standin.log.remove(("service", "x2"))
            PROJECTION.begin_round(session, because="Records were lost.", at=datetime.now(UTC))
        standin.delay_seconds = 0.05
        for _ in range(2):
            process = started(url, upstream, tmp_path)
            wait_for(database, min(position(database) + 600, len(standin.log)), process, log)
            process.send_signal(signal.SIGKILL)
            process.wait()
            with database.reading() as session:
                assert 0 < PROJECTION.feed(session).position < len(standin.log), "killed in the middle"
        process = started(url, upstream, tmp_path)
        wait_for(database, len(standin.log), process, log)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with database.reading() as session:
        feed = PROJECTION.feed(session)
        assert feed.settled == feed.feeding
    assert held(database) == standin.state
    database.dispose()
