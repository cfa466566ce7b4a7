"""Delivering when receivers are down for a day, fail, are slow or redirect; and nobody else waits."""

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hedgerow_gateway.actions import webhooks as actions
from hedgerow_gateway.actions.events import Intake
from hedgerow_gateway.domain import retries
from hedgerow_gateway.domain.retries import Outcome
from hedgerow_gateway.jobs.delivering import Delivering
from hedgerow_gateway.store import events
from hedgerow_gateway.tables import Delivery, Webhook
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from hedgerow_kit.retention import Retention
from sqlalchemy import select

from tests.gateway.receivers import Answer, Receiver, receiving
from tests.gateway.servers import nobody_there, raw_server, wait_until

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEY = b"k" * 32
HOSTS = frozenset({"127.0.0.1"})
ADMINISTRATOR = Principal("key:1", frozenset({"administrator"}), frozenset({"*"}))


class Place:
    """A gateway's database with a clock that the test moves, and its delivery driven by hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = START
        self.delivering = self.another()
        self.told = 0

    def another(self, **terms: Any) -> Delivering:
        """Another process on the same database."""
        return Delivering(
            self.database,
            KEY,
            allowed_hosts=HOSTS,
            now=lambda: self.now,
            chance=random.Random(1).random,
            **{"attempt_seconds": 0.5, **terms},
        )

    def subscribe(self, url: str) -> str:
        with self.database.writing() as session:
            terms = actions.Terms(url, ["*"], [], "")
            return actions.make(session, terms, by=ADMINISTRATOR, allowed_hosts=HOSTS, now=self.now).id

    def happen(self, number: int = 1) -> None:
        """So many needs change in the registry."""
        first, last = self.told + 1, self.told + number
        items = tuple(
            Change(seq, "need", f"need-{seq}", {"name": "x"}, "updated", self.now)
            for seq in range(first, last + 1)
        )
        page = Changes(items, last, last, mark=f"m{last}")
        Intake("registry", heard=lambda: None).take(self.database, page, after=self.told, heard_at=self.now)
        self.told = last

    def work_off(self) -> None:
        """Serve whoever something is due for, now."""
        for id in self.delivering.with_work():
            self.delivering.serve(id)

    def pass_time(self, span: timedelta, step: timedelta = timedelta(minutes=5)) -> None:
        until = self.now + span
        while self.now < until:
            self.now = min(self.now + step, until)
            self.work_off()

    def deliveries(self, id: str) -> list[Delivery]:
        with self.database.reading() as session:
            query = select(Delivery).where(Delivery.webhook_id == id).order_by(Delivery.event_seq)
            return list(session.scalars(query))

    def statuses(self, id: str) -> list[str]:
        return [one.status for one in self.deliveries(id)]

    def webhook(self, id: str) -> Webhook:
        with self.database.reading() as session:
            held = session.get(Webhook, id)
            assert held is not None
            session.expunge(held)
            return held

    def replay(self, id: str, since: datetime, **terms: bool) -> int:
        with self.database.writing() as session:
            asked = {"delivered_too": False, **terms}
            return actions.replay_since(session, id, since, by=ADMINISTRATOR, now=self.now, **asked)


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_a_receiver_that_was_down_for_a_day_is_sent_everything_within_minutes_of_its_return(
    place: Place, receiver: Receiver
) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda _: Answer(503)
    for _ in range(24):
        place.happen()
        place.pass_time(timedelta(hours=1))
    tries = len(receiver.received)
    most = max(one.attempts for one in place.deliveries(id))
    assert 8 <= most < retries.MOST_ATTEMPTS
    assert tries < 24 * retries.MOST_ATTEMPTS
    assert set(place.statuses(id)) == {"waiting"}
    receiver.says = lambda _: Answer(200)
    place.happen()
    place.pass_time(timedelta(minutes=10))
    assert place.statuses(id) == ["delivered"] * 25
    assert len(receiver.received) == tries + 25
    print(f"down for 24 h, 24 events: {tries} attempts, at most {most} an event; 25 of 25 delivered after")


def test_tries_are_bounded_a_dead_letter_is_kept_and_replayed(place: Place, receiver: Receiver) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda _: Answer(500)
    place.happen(2)
    place.pass_time(timedelta(days=3))
    assert place.statuses(id) == ["dead", "dead"]
    assert {one.attempts for one in place.deliveries(id)} == {retries.MOST_ATTEMPTS}
    assert {one.last_reason for one in place.deliveries(id)} == {"the receiver answered 500"}
    assert len(receiver.received) == 2 * retries.MOST_ATTEMPTS
    receiver.says = lambda _: Answer(200)
    place.pass_time(timedelta(hours=1))
    assert place.statuses(id) == ["dead", "dead"]
    assert place.replay(id, START) == 2
    place.work_off()
    assert place.statuses(id) == ["delivered", "delivered"]
    ids = receiver.ids
    assert sorted(ids[-2:]) == sorted(ids[:2]), "the id stays what it was"
    assert place.replay(id, START) == 0
    assert place.replay(id, START, delivered_too=True) == 2
    place.work_off()
    assert len(receiver.received) == 2 * retries.MOST_ATTEMPTS + 4


def test_a_webhook_is_disabled_after_days_of_failure_with_the_reason_and_sent_what_it_missed(
    place: Place, receiver: Receiver
) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda _: Answer(500)
    for _ in range(6):
        place.happen()
        place.pass_time(timedelta(days=1), step=timedelta(minutes=20))
    held = place.webhook(id)
    assert not held.enabled
    assert held.disabled_reason == "nothing was delivered for 5 days: the receiver answered 500"
    assert set(place.statuses(id)) == {"dead"}
    tries = len(receiver.received)
    place.happen()
    place.pass_time(timedelta(days=1), step=timedelta(hours=1))
    assert len(receiver.received) == tries
    receiver.says = lambda _: Answer(204)
    with place.database.writing() as session:
        terms = actions.Terms(receiver.url, ["*"], [], "")
        actions.change(
            session,
            id,
            terms,
            enabled=True,
            by=ADMINISTRATOR,
            fits=lambda _: None,
            allowed_hosts=HOSTS,
            now=place.now,
        )
    assert place.replay(id, START) == 7
    place.work_off()
    assert place.statuses(id) == ["delivered"] * 7


def test_who_wants_no_more_is_sent_no_more(place: Place, receiver: Receiver) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda _: Answer(410)
    place.happen(1)
    place.work_off()
    held = place.webhook(id)
    assert (held.enabled, held.disabled_reason) == (False, "the receiver answered 410: it wants no more")


def test_a_redirect_is_not_followed(place: Place, receiver: Receiver) -> None:
    with receiving() as elsewhere:
        id = place.subscribe(receiver.url)
        for status in (301, 302, 303, 307, 308):
            receiver.says = lambda _, status=status: Answer(status, {"Location": elsewhere.url})
            place.happen()
            place.work_off()
            place.now += timedelta(minutes=1)
        assert {one.status for one in place.deliveries(id)} == {"waiting"}
        reasons = {one.last_reason for one in place.deliveries(id)}
        assert reasons == {"the receiver answered with a redirect, which is not followed"}
        assert elsewhere.received == []


@pytest.mark.parametrize("asked", ["3600", "Fri, 01 May 2026 13:00:00 GMT"])
def test_a_receiver_is_left_alone_for_as_long_as_it_asks(
    place: Place, receiver: Receiver, asked: str
) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda _: Answer(429, {"Retry-After": asked})
    place.happen()
    place.work_off()
    receiver.says = lambda _: Answer(200)
    place.happen()
    place.pass_time(timedelta(minutes=59))
    assert len(receiver.received) == 1
    place.pass_time(timedelta(minutes=2), step=timedelta(seconds=30))
    assert place.statuses(id) == ["delivered", "delivered"]


def test_one_event_that_a_receiver_cannot_take_holds_up_none_of_the_others(
    place: Place, receiver: Receiver
) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda message: Answer(400 if message.event["subject"] == "need-3" else 200)
    place.happen(10)
    place.pass_time(timedelta(minutes=1), step=timedelta(seconds=1))
    statuses = place.statuses(id)
    assert (statuses.count("delivered"), statuses[2]) == (9, "waiting")
    for _ in range(60):
        place.happen()
        place.pass_time(timedelta(hours=1), step=timedelta(minutes=10))
    assert place.statuses(id)[2] == "dead"
    assert place.deliveries(id)[2].attempts == retries.MOST_ATTEMPTS
    assert place.webhook(id).enabled


def test_pauses_grow_and_are_spread(place: Place) -> None:
    pauses = [retries.pause_after(number, chance=0.5) for number in range(1, 13)]
    assert [pause.total_seconds() for pause in pauses[:4]] == [5, 15, 45, 135]
    assert pauses[-1] == retries.LONGEST_PAUSE
    tries = sum(pauses[: retries.MOST_ATTEMPTS - 1], timedelta())
    assert timedelta(days=1) < tries < timedelta(days=2)
    assert retries.pause_after(1, chance=0.0) == timedelta(seconds=3.75)
    assert retries.pause_after(1, chance=1.0) == timedelta(seconds=6.25)
    assert retries.asked_for("junk", now=START) == timedelta(0)
    assert retries.asked_for("9" * 40, now=START) == retries.LONGEST_ASKED
    assert retries.asked_for("Thu, 01 Jan 1970 00:00:00 GMT", now=START) == timedelta(0)


def test_two_processes_on_one_database_do_not_send_the_same(place: Place, receiver: Receiver) -> None:
    id = place.subscribe(receiver.url)
    place.happen(60)
    receiver.says = lambda _: Answer(200, seconds=0.01)
    others = [place.another(attempt_seconds=5) for _ in range(3)]
    threads = [threading.Thread(target=one.serve, args=(id,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    place.work_off()
    assert sorted(receiver.ids) == sorted(set(receiver.ids))
    assert place.statuses(id) == ["delivered"] * 60


def test_what_a_process_had_in_hand_when_it_died_is_sent_by_the_next(
    place: Place, receiver: Receiver
) -> None:
    id = place.subscribe(receiver.url)
    place.happen(3)
    with place.database.writing() as session:
        load = actions.go_on(session, id, lane="dead", done=[], now=place.now, chance=lambda: 0.5)
        assert load is not None
    place.work_off()
    assert receiver.received == [], "for all that is known the other is still at it"
    place.now += actions.LANE_LIFE
    place.work_off()
    assert place.statuses(id) == ["delivered"] * 3
    with place.database.writing() as session:
        late = [actions.Done(one.seq, retries.Outcome(500, "late")) for one in load.messages]
        assert actions.go_on(session, id, lane="dead", done=late, now=place.now, chance=lambda: 0.5) is None
    assert place.statuses(id) == ["delivered"] * 3, "what a worker taken for dead says later does not count"


def test_what_was_delivered_counts_although_it_took_longer_than_a_lane_is_held(place: Place) -> None:
    id = place.subscribe("http://127.0.0.1:9/hook")
    place.happen(3)

    def go_on(lane: str, *done: tuple[int, Outcome]) -> list[int]:
        with place.database.writing() as session:
            said = [actions.Done(*one) for one in done]
            load = actions.go_on(session, id, lane=lane, done=said, now=place.now, chance=lambda: 0.5)
            return [] if load is None else [message.seq for message in load.messages]

    good, bad = Outcome(204, None), Outcome(500, "the receiver answered 500")
    assert go_on("slow") == [1, 2, 3]
    place.now += actions.LANE_LIFE
    assert go_on("next") == [1, 2, 3]
    assert go_on("slow", (1, good), (2, good), (3, bad)) == [], "another is at it now"
    assert place.statuses(id) == ["delivered", "delivered", "waiting"]
    assert [one.attempts for one in place.deliveries(id)] == [1, 1, 1]
    go_on("next", (1, bad), (2, good), (3, bad))
    assert place.statuses(id) == ["delivered", "delivered", "waiting"]
    assert place.deliveries(id)[0].last_reason is None
    assert place.deliveries(id)[2].attempts == 2


def test_slow_attempts_of_two_processes_come_to_an_end(place: Place) -> None:
    """Each attempt takes longer than a lane is held, and two processes take it from each other."""
    id = place.subscribe("http://127.0.0.1:9/hook")
    place.happen()
    in_hand: dict[str, list[actions.Done]] = {"one": [], "other": []}
    for number in range(40):
        lane = ("one", "other")[number % 2]
        with place.database.writing() as session:
            load = actions.go_on(
                session, id, lane=lane, done=in_hand[lane], now=place.now, chance=lambda: 0.5
            )
        failed = Outcome(None, "no answer within the time limit")
        in_hand[lane] = [] if load is None else [actions.Done(one.seq, failed) for one in load.messages]
        place.now += timedelta(hours=13)
    assert place.statuses(id) == ["dead"]


def test_a_process_that_prunes_late_does_not_move_the_border_back(place: Place) -> None:
    """Two processes prune at the same time: what the slower has read of the border is old by then."""
    place.happen(4)
    moment = place.now + timedelta(seconds=1)
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with place.database.writing() as session:
            assert events.prune(session, before=moment, most=2) == 2
            ready.set()
            time.sleep(0.3)
            assert events.prune(session, before=moment, most=1) == 1
        done.set()

    quicker = threading.Thread(target=hold)
    quicker.start()
    assert ready.wait(10)
    with place.database.writing() as session:
        events.prune(session, before=moment, most=2)
    quicker.join()
    assert done.is_set()
    with place.database.reading() as session:
        assert events.after(session, 0, limit=10) == []
        assert events.clock(session).pruned == 4


def drip(seconds: float) -> Any:
    """A receiver that sends a byte of its answer now and then, and never comes to an end."""

    def answer(connection: Any) -> None:
        ends = time.monotonic() + seconds
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
            if time.monotonic() > ends:
                return

    return answer


def test_an_attempt_has_a_deadline_as_a_whole(place: Place) -> None:
    with raw_server(drip(20)) as (url, _):
        id = place.subscribe(f"{url}/hook")
        place.happen()
        started = time.monotonic()
        place.work_off()
        assert time.monotonic() - started < 10
    assert place.deliveries(id)[0].last_reason == "no answer within the time limit"


@pytest.mark.parametrize("dead", [1, 20])
def test_slow_and_dead_receivers_delay_the_others_by_a_second_at_most(
    database: Database, receiver: Receiver, dead: int
) -> None:
    place = Place(database)
    with receiving() as slow, receiving() as failing:
        slow.says = lambda _: Answer(200, seconds=30)
        failing.says = lambda _: Answer(500)
        # Nobody is there, somebody sleeps, somebody fails: each of them several times.
        for number in range(dead):
            place.subscribe((f"{nobody_there()}/hook", slow.url, failing.url)[number % 3])
        place.subscribe(receiver.url)
        delivering = Delivering(database, KEY, allowed_hosts=HOSTS, attempt_seconds=5.0)
        place.now = datetime.now(UTC)
        delivering.start()
        try:
            place.happen(20)
            delivering.wake()
            wait_until(lambda: len(receiver.received) >= 20)
            delays = []
            for _ in range(5):
                place.now = datetime.now(UTC)
                before, happened = len(receiver.received), time.monotonic()
                place.happen(4)
                delivering.wake()
                wait_until(lambda before=before: len(receiver.received) >= before + 4)
                delays.append(receiver.received[-1].at - happened)
            print(f"{dead} bad receivers: others wait {max(delays):.2f} s at most")
            assert max(delays) <= 1.0
        finally:
            delivering.stop()


def test_events_and_what_became_of_them_go_when_they_are_older_than_what_is_kept(
    place: Place, receiver: Receiver
) -> None:
    id = place.subscribe(receiver.url)
    receiver.says = lambda _: Answer(500)
    place.happen(3)
    place.work_off()
    place.now += timedelta(days=29)
    place.happen(2)
    kept = events.kept(days=30)
    removing = Retention("gateway", place.database, [kept], look_seconds=0, now=lambda: place.now)
    assert removing.remove(kept) == 0
    assert len(place.deliveries(id)) == 5
    place.now += timedelta(days=2)
    assert removing.remove(kept) == 3
    assert [one.event_seq for one in place.deliveries(id)] == [4, 5]
    with place.database.reading() as session:
        assert [event.seq for event in events.after(session, 0, limit=10)] == [4, 5]
        assert events.clock(session).pruned == 3
