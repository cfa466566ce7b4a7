"""Delivering events: one lane a receiver, so that a slow or dead one holds up nobody but itself.

What is on its way stands in the database and nowhere else. A process serves a receiver as long as something
is due for it, under a lease that others see; dies it, the next takes over when the lease is out. So an event
is sent at least once, and more than once only when a process dies between sending and noting it.
"""

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import random
from typing import Final

import httpx
from hedgerow_kit.db import Database
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from hedgerow_gateway.actions import webhooks as actions
from hedgerow_gateway.actions.webhooks import AT_ONCE, Done, Load, Message
from hedgerow_gateway.domain import signing
from hedgerow_gateway.store import webhooks
from hedgerow_gateway.upstream.receiver import ATTEMPT_SECONDS, Receiver

log = logging.getLogger(__name__)

# So many receivers are served at the same time by one process; threads that wait cost little.
MOST_LANES: Final = 200
GRACE_SECONDS: Final = 5.0

_attempts = Counter("hedgerow_gateway_event_deliveries", "Attempts to deliver an event.", ["outcome"])


class Delivering:
    """Looks for what is due, and sends it, for as long as the app runs.

    key: what the secrets of webhooks are made of · look_seconds: how often it is looked · chance: spreads
    pauses, 0 to 1
    """

    def __init__(
        self,
        database: Database,
        key: bytes,
        *,
        allowed_hosts: frozenset[str] = frozenset(),
        look_seconds: float = 0.5,
        attempt_seconds: float = ATTEMPT_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random,
    ) -> None:
        self._database = database
        self._key = key
        self._allowed_hosts = allowed_hosts
        self._look_seconds = look_seconds
        self._attempt_seconds = attempt_seconds
        self._now = now
        self._chance = chance
        self._trusted = httpx.create_ssl_context()
        self._lane = secrets.token_hex(8)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lanes: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._look, name="look-for-deliveries", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after the attempts in hand; one that outlasts the time of grace is as if killed."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=GRACE_SECONDS)
        for lane in list(self._lanes.values()):
            lane.join(timeout=GRACE_SECONDS)

    def _look(self) -> None:
        is_fresh = True
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if is_fresh:
                    self._leave_old_lanes()
                    is_fresh = False
                self._hand_out()
            except SQLAlchemyError as error:
                log.warning("deliveries cannot be looked for", extra={"reason": type(error).__name__})
            except Exception:
                # The thread must outlive what nobody foresaw.
                log.exception("deliveries cannot be looked for")
            self._wake.wait(self._look_seconds)

    def _leave_old_lanes(self) -> None:
        # An SQLite file has one process: whoever served before this one is gone.
        if self._database.dialect == "sqlite":
            with self._database.writing() as session:
                webhooks.leave_all_lanes(session)

    def _hand_out(self) -> None:
        """A lane to each receiver that something is due for."""
        self._lanes = {id: lane for id, lane in self._lanes.items() if lane.is_alive()}
        for id in self.with_work():
            if id not in self._lanes and len(self._lanes) < MOST_LANES:
                lane = threading.Thread(target=self._serve, args=(id,), name="deliver", daemon=True)
                self._lanes[id] = lane
                lane.start()

    def with_work(self) -> list[str]:
        """The webhooks that something is due for, and that nobody serves."""
        with self._database.reading() as session:
            return webhooks.with_work(session, self._now())

    def _serve(self, id: str) -> None:
        try:
            self.serve(id)
        except SQLAlchemyError as error:
            log.warning("deliveries cannot be noted", extra={"reason": type(error).__name__, "webhook": id})
        except Exception:
            log.exception("a webhook cannot be served", extra={"webhook": id})

    def serve(self, id: str) -> None:
        """Send to one receiver what is due, until nothing is, or it fails."""
        receiver = Receiver(self._allowed_hosts, trusted=self._trusted, seconds=self._attempt_seconds)
        try:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send") as senders:
                load = self._go_on(id, [])
                while load is not None:
                    sent = senders.map(lambda one, to=load: self._sent(receiver, id, to, one), load.messages)
                    load = self._go_on(id, list(sent))
        finally:
            receiver.close()

    def _go_on(self, id: str, done: list[Done]) -> Load | None:
        with self._database.writing() as session:
            load = actions.go_on(
                session, id, lane=self._lane, done=done, now=self._now(), chance=self._chance
            )
            if load is not None and self._stopping.is_set():
                webhooks.leave_lane(session, id, lane=self._lane)
                return None
        return load

    def _sent(self, receiver: Receiver, id: str, load: Load, message: Message) -> Done:
        now = self._now()
        good = [signing.secret_of(self._key, id, salt) for salt in load.salts]
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            **signing.headers(good, id=message.id, at=now, body=message.body),
        }
        outcome = receiver.send(load.url, headers, message.body)
        _attempts.labels("delivered" if outcome.reason is None else "failed").inc()
        return Done(message.seq, outcome)
