"""The gateway is killed at any moment, again and again: no event is lost, and each has one effect."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hedgerow_gateway import actions as gateway_actions
from hedgerow_gateway.actions import webhooks
from hedgerow_gateway.tables import Delivery, Event
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from sqlalchemy import func, select

from tests.gateway.receivers import Receiver, receiving
from tests.gateway.servers import real_apps, wait_until
from tests.support.databases import Databases
from tests.support.platform import free_port

ADMINISTRATOR = Principal("key:1", frozenset({"administrator"}), frozenset({"*"}))


@contextmanager
def process(data_dir: Path, url: str, addresses: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The gateway as it is deployed, in a process of its own."""
    settings = {
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": url,
        "PORT": str(free_port()),
        "EVENT_SECONDS": "0.05",
        "WEBHOOK_HOSTS": "127.0.0.1",
        "REGISTRY_URL": addresses["registry_url"],
        "OUTCOMES_URL": addresses["outcomes_url"],
    }
    with (data_dir / "gateway.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "hedgerow_gateway", "serve"],
            env={**os.environ, **{f"HEDGEROW_GATEWAY_{name}": value for name, value in settings.items()}},
            stdout=log,
            stderr=log,
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait(10)


def killed_again_and_again(
    databases: Databases, data_dir: Path, receiver: Receiver, *, number: int, kills: int
) -> None:
    chance = random.Random(7)
    url = databases.migrated("hedgerow_gateway")
    database = Database(url)
    try:
        gateway_actions.prepare(database, data_dir, now=datetime.now(UTC))
        with database.writing() as session:
            terms = webhooks.Terms(receiver.url, ["hedgerow.need.*"], [], "")
            webhooks.make(
                session,
                terms,
                by=ADMINISTRATOR,
                allowed_hosts=frozenset({"127.0.0.1"}),
                now=datetime.now(UTC),
            )
        with real_apps(databases, data_dir) as addresses:
            send_needs(data_dir, addresses, number)
            died = 0
            while len(set(receiver.ids)) < number:
                with process(data_dir, url, addresses) as running:
                    seen, ends = len(receiver.received), time.monotonic() + 60
                    # Let it come to work, then strike at no particular moment.
                    while len(receiver.received) == seen and time.monotonic() < ends:
                        time.sleep(0.01)
                    if died < kills:
                        time.sleep(chance.random() * 2 * number / kills / 200)
                        died += 1
                    else:
                        wait_until(lambda: len(set(receiver.ids)) >= number, seconds=1500)
                        wait_until(lambda: waiting(database) == 0, seconds=60)
                    assert running.poll() is None
        effects = Counter(receiver.ids)
        subjects = {message.event["subject"] for message in receiver.received}
        with database.reading() as session:
            seqs = session.scalars(select(Event.seq).order_by(Event.seq)).all()
        assert list(seqs) == list(range(1, number + 1)), (
            "the order has no gap, and nothing stands in it twice"
        )
        assert (len(effects), len(subjects)) == (number, number)
        again = sum(effects.values()) - number
        print(
            f"{databases.dialect}: {number} events, {died} kills: {len(effects)} effects, {again} sent again"
        )
    finally:
        database.dispose()


def waiting(database: Database) -> int:
    with database.reading() as session:
        query = select(func.count()).select_from(Delivery).where(Delivery.status == "waiting")
        return session.scalar(query) or 0


def send_needs(data_dir: Path, addresses: dict[str, str], number: int) -> None:
    """So many changes, in the registry itself."""
    keyring = gateway_actions.load_keyring(data_dir)
    token = keyring.token(ADMINISTRATOR, audience="registry")
    rows = "".join(f"t,term-{place},Term {place}\n" for place in range(number))
    answer = httpx.post(
        f"{addresses['registry_url']}/v1/imports/needs",
        content=f"taxonomy,term,name\n{rows}",
        headers={"Content-Type": "text/csv", "Authorization": f"Bearer {token}"},
        timeout=120,
    )
    assert answer.json()["counts"]["accepted"] == number, answer.text


def test_no_event_is_lost_and_each_has_one_effect(made_databases: Databases, tmp_path: Path) -> None:
    with receiving() as receiver:
        killed_again_and_again(made_databases, tmp_path, receiver, number=200, kills=1)


@pytest.mark.slow
def test_of_ten_thousand_events_none_is_lost_and_each_has_one_effect(
    made_databases: Databases, tmp_path: Path
) -> None:
    with receiving() as receiver:
        killed_again_and_again(made_databases, tmp_path, receiver, number=10_000, kills=6)
