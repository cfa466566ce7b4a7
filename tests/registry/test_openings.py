"""Opening times: what a schedule says, kept as rows that can be asked about one moment."""

from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
import pytest
from dateutil.rrule import rrulestr
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_registry.actions.entities import SERVICES
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.actions.records import write
from hedgerow_registry.domain.openings import Moment, hours, is_open, moment, openings
from hedgerow_registry.store.openings import open_at
from hedgerow_registry.tables import ServiceOpening
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.registry.files import send
from tests.registry.service_records import SERVICE, of_version_3
from tests.support.http import Client

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def is_open_at(schedule: dict[str, Any], said: str) -> bool:
    asked = moment(datetime.fromisoformat(said))
    return any(is_open(one, asked) for one in openings({"schedules": [schedule]}))


def test_a_span_begins_with_its_first_minute_and_ends_before_its_last() -> None:
    mondays = {"byday": "MO", "freq": "WEEKLY", "opens_at": "09:00", "closes_at": "17:00"}
    assert not is_open_at(mondays, "2026-11-23T08:59")
    assert is_open_at(mondays, "2026-11-23T09:00")
    assert is_open_at(mondays, "2026-11-23T16:59")
    assert not is_open_at(mondays, "2026-11-23T17:00")
    assert not is_open_at(mondays, "2026-11-24T10:00")


def test_an_instant_is_read_on_the_clock_in_london_in_summer_and_in_winter() -> None:
    mornings = {"byday": "MO,WE", "opens_at": "09:00", "closes_at": "10:00"}
    assert is_open_at(mornings, "2026-07-01T08:30:00Z"), "half past nine in summer"
    assert not is_open_at(mornings, "2026-11-25T08:30:00Z")
    assert is_open_at(mornings, "2026-11-25T09:30:00Z")


def test_a_night_that_ends_the_next_day_belongs_to_the_day_it_began() -> None:
    fridays = {"byday": "FR", "opens_at": "22:00", "closes_at": "02:00", "valid_to": "2026-11-27"}
    assert is_open_at(fridays, "2026-11-27T23:00")
    assert is_open_at(fridays, "2026-11-28T01:59"), "the rule held on Friday, when it opened"
    assert not is_open_at(fridays, "2026-11-28T02:00")
    assert not is_open_at(fridays, "2026-11-28T23:00")
    assert not is_open_at(fridays, "2026-11-27T01:00"), "nobody opened on Thursday"
    assert hours("00:00", "00:00") == (0, 1440)
    assert hours("00:00", "24:00") == (0, 1440)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("9am", "4.30pm"),
        ("2020-01-01T09:00:00", "2020-01-01T16:30:00"),
        ("0900", "1630"),
        ("9 a.m.", "4:30 PM"),
    ],
)
def test_hours_are_understood_as_directories_write_them(opens: str, closes: str) -> None:
    assert hours(opens, closes) == (9 * 60, 16 * 60 + 30)


@pytest.mark.parametrize("words", ["9", "after school", "25:00", "24:30", "13:61", "noonish"])
def test_what_is_no_time_of_day_tells_no_hours(words: str) -> None:
    assert hours(words, None) == (None, None)


def test_what_does_not_say_its_hours_is_not_known_to_be_open_but_keeps_its_days() -> None:
    assert not is_open_at({"byday": "MO"}, "2026-11-23T12:00")
    assert not is_open_at({"byday": "MO", "opens_at": "09:00"}, "2026-11-23T12:00")
    (kept,) = openings({"schedules": [{"byday": "MO", "opens_at": "09:00"}]})
    assert (kept.weekday, kept.opens, kept.closes) == (0, 540, None)
    assert openings({"schedules": [{"description": "by appointment"}]}) == []


def test_rules_of_the_month_and_of_every_other_week_are_understood() -> None:
    first_monday = {"byday": "1MO", "freq": "MONTHLY", "opens_at": "10:00", "closes_at": "12:00"}
    assert is_open_at(first_monday, "2026-12-07T10:00")
    assert not is_open_at(first_monday, "2026-12-14T10:00")
    last_friday = {**first_monday, "byday": "-1FR"}
    assert is_open_at(last_friday, "2026-11-27T10:00")
    assert not is_open_at(last_friday, "2026-11-20T10:00")
    other_week = {"byday": "TU", "freq": "WEEKLY", "interval": 2, "dtstart": "2026-11-03"}
    other_week |= {"opens_at": "10:00", "closes_at": "12:00"}
    assert [is_open_at(other_week, f"2026-11-{day:02}T10:00") for day in (3, 10, 17, 24)] == [
        True,
        False,
        True,
        False,
    ]
    assert not is_open_at({**other_week, "byweekno": "3"}, "2026-11-03T10:00"), (
        "cannot be told: not said to be open"
    )


@settings(max_examples=150)
@given(
    freq=st.sampled_from(["WEEKLY", "MONTHLY"]),
    begins=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    interval=st.integers(1, 4),
    days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True),
    nth=st.sampled_from([None, 1, 2, 4, -1, -2]),
    count=st.none() | st.integers(1, 12),
    until=st.none() | st.integers(0, 400),
    asked=st.lists(st.integers(-20, 500), min_size=20, max_size=20),
)
def test_days_are_those_of_the_recurrence_rule(
    freq: str,
    begins: date,
    interval: int,
    days: list[str],
    nth: int | None,
    count: int | None,
    until: int | None,
    asked: list[int],
) -> None:
    """Against dateutil's reading of the same rule, day by day."""
    byday = ",".join(f"{nth or ''}{day}" if freq == "MONTHLY" else day for day in days)
    last = None if until is None else begins + timedelta(days=until)
    schedule: dict[str, Any] = {"freq": freq, "byday": byday, "interval": interval, "dtstart": f"{begins}"}
    schedule |= {"opens_at": "09:00", "closes_at": "17:00", "count": count, "until": last and f"{last}"}
    rule = f"FREQ={freq};BYDAY={byday};INTERVAL={interval}"
    # A rule may have a count or an end; ours may have both, and then the earlier one ends it.
    rule += f";COUNT={count}" if count is not None else ""
    told = rrulestr(rule, dtstart=datetime.combine(begins, time()))
    for offset in asked:
        day = begins + timedelta(days=offset)
        there = datetime.combine(day, time())
        expected = bool(told.between(there, there, inc=True)) and (last is None or day <= last)
        found = any(is_open(one, Moment(day, 600)) for one in openings({"schedules": [schedule]}))
        assert found == expected, (rule, begins, day)


def kept(database: Database) -> list[tuple[Any, ...]]:
    columns = (
        ServiceOpening.place_id,
        ServiceOpening.weekday,
        ServiceOpening.opens,
        ServiceOpening.closes,
    )
    with database.reading() as session:
        return [tuple(row) for row in session.execute(select(*columns).order_by(ServiceOpening.number))]


def test_opening_times_are_kept_in_step_with_the_service(registry: Client, database: Database) -> None:
    place = "22222222-2222-4222-8222-222222222222"
    hall = {"id": place, "location": {"id": "33333333-3333-4333-8333-333333333333", "name": "Hall"}}
    hall["schedules"] = [{"id": "h", "byday": "SA", "opens_at": "10:00", "closes_at": "11:00"}]
    week = [{"id": "w", "byday": "MO,TU", "opens_at": "09:00", "closes_at": "17:00"}]

    def write(**fields: Any) -> None:
        body = orjson.dumps([of_version_3(**fields)])
        send(registry, "hsds", body, media_type="application/json")

    write(schedules=week, service_at_locations=[hall])
    assert kept(database) == [(None, 0, 540, 1020), (None, 1, 540, 1020), (place, 5, 600, 660)]
    write(schedules=week[:1])
    assert kept(database) == [(None, 0, 540, 1020), (None, 1, 540, 1020)]
    tag = registry.get(f"/v1/services/{SERVICE}").headers["etag"]
    answer = registry.put(f"/v1/services/{SERVICE}", json={"name": "Advice"}, headers={"if-match": tag})
    assert answer.status_code == 200
    assert len(kept(database)) == 2, "what the flat record does not speak of stays"
    tag = answer.headers["etag"]
    assert registry.delete(f"/v1/services/{SERVICE}", headers={"if-match": tag}).status_code == 204
    assert kept(database) == []


def test_the_database_says_what_the_rules_say(database: Database) -> None:
    """Every kind of rule at many moments, in SQL and in Python."""
    schedules = [
        {"byday": "MO,FR", "opens_at": "22:00", "closes_at": "02:00"},
        {"byday": "TU", "freq": "WEEKLY", "interval": 2, "dtstart": "2026-11-03"},
        {"byday": "1MO,-1FR", "freq": "MONTHLY", "interval": 3, "dtstart": "2026-02-01"},
        {"byday": "WE", "freq": "WEEKLY", "interval": 2},
        {"freq": "MONTHLY", "bymonthday": "1,-1"},
        {"freq": "MONTHLY", "dtstart": "2026-11-15", "until": "2026-12-20"},
        {"byday": "SA", "valid_from": "2026-11-20", "valid_to": "2026-12-05"},
        {"byday": "SU", "byweekno": "7"},
        {"opens_at": "01:00", "closes_at": "02:00"},
    ]
    whole = [{"opens_at": "00:30", "closes_at": "23:30", **schedule} for schedule in schedules]
    known = openings({"schedules": whole})
    principal = Principal("writer", frozenset({"administrator"}), frozenset({"*"}))
    with database.writing() as session:
        by = claim(session, "s", principal)
        service = {"id": SERVICE, "name": "n", "status": "active", "document": {"schedules": whole}}
        write(session, SERVICES, [service], by)
    with database.reading() as session:
        for hour in range(0, 24 * 60, 7):
            asked = moment(datetime.fromisoformat("2026-11-01T00:45") + timedelta(hours=hour))
            rows = session.scalars(select(ServiceOpening.number).where(open_at(asked)))
            expected = [number for number, one in enumerate(known) if is_open(one, asked)]
            assert sorted(rows) == expected, asked


@pytest.mark.parametrize(
    "odd",
    [
        {"interval": 1e300, "byday": "MO"},
        {"interval": -1, "byday": "MO"},
        {"interval": 1.5, "byday": "MO"},
        {"count": 1e300, "dtstart": "2026-01-01"},
        {"count": 5000, "dtstart": "9999-12-31"},
        {"count": 5000, "dtstart": "2026-01-31", "freq": "MONTHLY", "byday": "5MO", "bymonthday": "1,-40,x"},
        {"byday": "99MO,XX,,0TU", "freq": "MONTHLY", "bymonthday": "0"},
        {"opens_at": "25:00", "closes_at": "09:00", "byday": "MO"},
    ],
)
def test_an_odd_schedule_is_taken_in(registry: Client, odd: dict[str, Any]) -> None:
    made = send(
        registry,
        "hsds",
        orjson.dumps([of_version_3(schedules=[{"id": "w", **odd}])]),
        media_type="application/json",
    )
    assert made["counts"]["accepted"] == 1
