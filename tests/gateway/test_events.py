"""What happens in the apps becomes events: told in order, each once, to those who may know."""

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.actions.events import Intake, sight_of
from hedgerow_gateway.api.events import LOOKED_THROUGH
from hedgerow_gateway.domain import events as domain
from hedgerow_gateway.store import events as store
from hedgerow_gateway.tables import Event, Place
from hedgerow_kit import migrations
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from sqlalchemy import update

from tests.gateway.eventful import AREAS, eventful, events, key, send, subscribe, wait_for
from tests.gateway.receivers import receiving
from tests.gateway.servers import Gateway, gateway, wait_until
from tests.support.databases import Databases
from tests.support.platform import ROOT

KPIS = """id,name,unit,polarity,level,perspective,frequency,aggregation,minimum
wait,Waiting,days,lower,outcome,outward,monthly,mean,14
"""
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def made(made_databases: Databases, tmp_path: Path) -> Iterator[Gateway]:
    with eventful(made_databases, tmp_path) as gateway:
        yield gateway


def told(found: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"].removeprefix("hedgerow."), event["subject"]) for event in found]


def test_what_happens_in_the_registry_is_told_in_order_and_by_area(made: Gateway) -> None:
    client = made.client
    send(client, "areas", AREAS)
    found = wait_for(client, 6)
    changes = client.get("/v1/changes").json()["items"]
    assert told(found) == told(changes)
    assert [event["sequence"] for event in found] == [f"{number:019}" for number in range(1, 7)]
    first = next(event for event in found if event["subject"] == "E12999001")
    assert first.keys() >= {"specversion", "id", "source", "type", "subject", "time", "data"}
    assert (first["specversion"], first["source"]) == ("1.0", "/registry")
    assert first["data"]["name"] == "Offshore"
    within = {subject for _, subject in told(events(client, area="E06999001"))}
    assert within == {"E06999001", "E05999001", "E05999002"}
    assert len(events(client, types="hedgerow.service.*")) == 0
    assert events(client, types="hedgerow.area.updated", limit=2) == found


def test_a_service_is_told_where_its_sites_are_and_where_it_was(made: Gateway) -> None:
    client = made.client
    send(client, "areas", AREAS)
    send(client, "organisations", "id,name\nharbour,Harbour Trust\n")
    send(client, "services", "id,name,organisation_id\nadvice,Advice,harbour\n")
    send(client, "sites", "id,service_id,name,area_code\nquay,advice,Quay House,E05999001\n")
    send(client, "services", "id,name,organisation_id\nadvice,Debt advice,harbour\n")
    wait_for(client, 2, types="hedgerow.service.updated")
    in_ward = events(client, area="E05999001", types="hedgerow.service.*,hedgerow.site.*")
    assert told(in_ward)[-1][0] == "service.updated"
    assert in_ward[-1]["data"]["name"] == "Debt advice"
    assert events(client, area="E05999009", types="hedgerow.service.*") == []
    site = client.get("/v1/sites").json()["items"][0]["id"]
    tag = client.get(f"/v1/sites/{site}").headers["etag"]
    assert client.delete(f"/v1/sites/{site}", headers={"If-Match": tag}).status_code == 204
    gone = wait_for(client, 1, types="hedgerow.site.deleted", area="E05999001")
    assert (gone[0]["subject"], gone[0]["data"]) == (site, None)


def test_an_event_can_be_read_on_from_anywhere_and_a_position_proves_itself(made: Gateway) -> None:
    client = made.client
    send(client, "areas", AREAS)
    whole = wait_for(client, 6)
    page = client.get("/v1/events", params={"limit": 4}).json()
    assert page["next"] == page["position"]
    rest = client.get("/v1/events", params={"after": page["next"]}).json()
    assert page["items"] + rest["items"] == whole
    assert rest["next"] is None
    end = client.get("/v1/events", params={"after": rest["position"]}).json()
    assert (end["items"], end["position"]) == ([], rest["position"])
    number = rest["position"].partition("-")[0]
    for position in (f"{number}-000000000000", "99999-000000000000"):
        refused = client.get("/v1/events", params={"after": position})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:hedgerow:problem:history-replaced")
    for wrong in (
        {"after": "7"},
        {"types": "hedgerow.weather.*"},
        {"area": "Skerrow"},
        {"since": "2026-01-01"},
    ):
        assert client.get("/v1/events", params=wrong).status_code == 422, wrong


def test_events_that_are_too_old_are_gone_and_whoever_needs_them_is_told_what_to_do(
    made: Gateway,
) -> None:
    client = made.client
    send(client, "areas", AREAS)
    wait_for(client, 6)
    second = client.get("/v1/events", params={"limit": 2}).json()["position"]
    fourth = client.get("/v1/events", params={"limit": 4}).json()["position"]
    with made.database.writing() as session:
        assert store.prune(session, before=datetime.now(UTC), most=4) == 4
    refused = client.get("/v1/events", params={"after": second})
    assert (refused.status_code, refused.json()["type"]) == (410, "urn:hedgerow:problem:events-over")
    assert "without `after`" in refused.json()["detail"]
    left = client.get("/v1/events", params={"after": fourth}).json()["items"]
    assert left == client.get("/v1/events").json()["items"]
    assert len(left) == 2


def happen(database: Database, kind: str, number: int, **data: Any) -> None:
    with database.writing() as session:
        first = store.clock(session).seq + 1
        found = [
            domain.Event(
                *(0, f"e{seq}", "registry", f"hedgerow.{kind}.updated", f"{seq}", NOW),
                *(data, (), (), (), domain.READ, None),
            )
            for seq in range(first, first + number)
        ]
        store.append(session, found, taken_at=NOW)


def test_a_page_looks_through_so_many_events_and_no_further(
    made_databases: Databases, tmp_path: Path
) -> None:
    with gateway(tmp_path, database_url=made_databases.migrated("hedgerow_gateway")) as made:
        happen(made.database, "need", LOOKED_THROUGH)
        happen(made.database, "site", 3)
        page = made.client.get("/v1/events", params={"types": "hedgerow.site.*"}).json()
        assert page["items"] == []
        assert page["next"] == page["position"]
        assert page["next"].startswith(f"{LOOKED_THROUGH}-")
        after = {"types": "hedgerow.site.*", "after": page["next"], "limit": 2}
        assert [one["subject"] for one in made.client.get("/v1/events", params=after).json()["items"]] == [
            f"{LOOKED_THROUGH + 1}",
            f"{LOOKED_THROUGH + 2}",
        ]
        all_of_them = events(made.client, limit=333)
        assert [int(one["subject"]) for one in all_of_them] == list(range(1, LOOKED_THROUGH + 4))


def test_a_short_page_reads_few_events(made_databases: Databases, tmp_path: Path) -> None:
    with gateway(tmp_path, database_url=made_databases.migrated("hedgerow_gateway")) as made:
        happen(made.database, "need", 1000, name="x" * 20_000)
        assert made.client.get("/v1/events", params={"types": "hedgerow.site.*"}).status_code == 200
        tracemalloc.start()
        try:
            page = made.client.get("/v1/events", params={"limit": 1}).json()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert [one["subject"] for one in page["items"]] == ["1"]
    print(f"a page of one event of 20 kB among 1,000: {peak / 1e6:.1f} MB at most")
    assert peak < 10e6


def test_breaches_become_events_with_their_areas_and_statements_need_the_right_to_see_money(
    made: Gateway,
) -> None:
    client = made.client
    send(client, "areas", AREAS)
    wait_for(client, 6)
    send(client, "kpis", KPIS)
    send(client, "observations", "kpi,subject,period,value\nwait,E05999001,2025-01,19\n")
    send(client, "observations", "kpi,subject,period,value\nwait,E05999001,2025-02,12\n")
    found = wait_for(client, 2, types="hedgerow.breach.*")
    assert [event["type"] for event in found] == ["hedgerow.breach.opened", "hedgerow.breach.closed"]
    assert found[0]["source"] == "/outcomes"
    assert found[0]["subject"] == found[1]["subject"]
    assert found[0]["data"]["kpi"] == "wait"


# --- who is told what, with the feeds' pages written by hand ---


def take(database: Database, app: str, *items: Change, last: int | None = None, mark: str = "m") -> None:
    intake = Intake(app, heard=lambda: None)
    after, _ = intake.position(database)
    end = items[-1].seq if items else after
    page = Changes(items, end, last or end, mark=f"{mark}{end}")
    intake.take(database, page, after=after, heard_at=NOW)


def held(database: Database) -> list[domain.Event]:
    with database.reading() as session:
        return store.after(session, 0, limit=100)


def contract(seq: int, *, published: bool, authority: str | None = "E06999001") -> Change:
    data = {
        "title": "Care",
        "area_codes": [],
        "value_gbp": "100.00",
        "lots": [{"id": "1", "value_gbp": "60.00"}],
        "subcontracts": [{"to_id": "o1", "value_gbp": "10.00"}],
        "published": published,
        "authority_code": authority,
    }
    return Change(seq, "contract", "c1", data, "updated", NOW)


OWN = domain.Sight(frozenset({"E06999001"}), money=True)
OTHER = domain.Sight(frozenset({"E06999002"}), money=True)
ALL = domain.Sight(None, money=True)


def seen(database: Database, sight: domain.Sight) -> list[str]:
    return [event.type.rpartition(".")[2] for event in held(database) if sight.sees(event)]


def test_an_unpublished_contract_is_told_to_its_own_authority_only(database: Database) -> None:
    take(database, "registry", contract(1, published=False))
    assert (seen(database, OWN), seen(database, OTHER), seen(database, ALL)) == (["updated"], [], ["updated"])
    take(database, "registry", Change(2, "contract", "c1", None, "deleted", NOW))
    assert (seen(database, OWN)[1:], seen(database, OTHER)) == (["deleted"], [])


def test_a_contract_of_no_authority_that_is_not_published_is_told_to_who_sees_all(database: Database) -> None:
    take(database, "registry", contract(1, published=False, authority=None))
    assert (seen(database, OWN), seen(database, OTHER), seen(database, ALL)) == ([], [], ["updated"])


def test_a_contract_that_is_published_no_more_ends_for_all_others(database: Database) -> None:
    take(database, "registry", contract(1, published=True), contract(2, published=False))
    assert seen(database, OWN) == ["updated", "updated"]
    assert seen(database, ALL) == ["updated", "updated"]
    assert seen(database, OTHER) == ["updated", "deleted"]
    ids = [event.id for event in held(database)]
    assert len(set(ids)) == 3


def test_a_contract_that_becomes_another_authoritys_ends_for_the_one_before(database: Database) -> None:
    before = contract(1, published=False)
    assert before.data is not None
    before = replace(before, data=before.data | {"area_codes": ["E05999001"]})
    take(database, "registry", before, contract(2, published=False, authority="E06999002"))
    assert (seen(database, OWN), seen(database, OTHER)) == (["updated", "deleted"], ["updated"])
    both = domain.Sight(frozenset({"E06999001", "E06999002"}), money=True)
    assert seen(database, both) == seen(database, ALL) == ["updated", "updated"]
    assert seen(database, domain.Sight(frozenset({"E06999003"}), money=True)) == []
    (end,) = (event for event in held(database) if event.type.endswith("deleted"))
    assert (end.data, list(end.areas), list(end.authorities)) == (None, ["E05999001"], ["E06999001"])


def test_the_contract_that_follows_is_named_to_those_who_may_know_of_it(database: Database) -> None:
    told: list[Any] = []
    # Events that were kept before the registry told whether it is published do not say so.
    for seq, published in enumerate((False, True, None), start=1):
        one = contract(seq, published=True)
        assert one.data is not None
        said = {} if published is None else {"successor_published": published}
        take(database, "registry", replace(one, data=one.data | {"successor_id": "c2"} | said))
        event = held(database)[-1]
        told.append([sight.told(event)["data"]["successor_id"] for sight in (OWN, OTHER, ALL)])
    assert told == [["c2", None, "c2"], ["c2", "c2", "c2"], ["c2", None, "c2"]]


@pytest.mark.parametrize("kind", ["contract", "process"])
def test_amounts_are_told_to_who_may_see_money_of_that_authority(database: Database, kind: str) -> None:
    take(database, "registry", replace(contract(1, published=True), kind=kind))
    (event,) = held(database)
    known = contract(1, published=True).data
    assert known is not None
    assert ALL.told(event)["data"] == OWN.told(event)["data"] == known
    unpriced = known | {
        "value_gbp": None,
        "lots": [{"id": "1", "value_gbp": None}],
        "subcontracts": [{"to_id": "o1", "value_gbp": None}],
    }
    for sight in (OTHER, domain.Sight(None, money=False), OWN._replace(money=False)):
        assert sight.sees(event)
        assert sight.told(event)["data"] == unpriced


def test_amounts_of_no_authority_are_told_to_who_sees_all(database: Database) -> None:
    take(database, "registry", contract(1, published=True, authority=None))
    (event,) = held(database)
    assert ALL.told(event)["data"]["value_gbp"] == "100.00"
    assert OWN.told(event)["data"]["value_gbp"] is None


def test_a_statement_is_told_to_its_payers_and_only_with_money(database: Database) -> None:
    data = {"total": "12.00", "areas": ["E06999001", "E12999001"], "authorities": ["E06999001"]}
    take(database, "outcomes", Change(1, "statement", "s1", data, "issued", NOW))
    assert [len(seen(database, sight)) for sight in (OWN, OTHER, ALL)] == [1, 0, 1]
    region = domain.Sight(frozenset({"E12999001"}), money=True)
    assert seen(database, region) == []
    assert seen(database, OWN._replace(money=False)) == []


def outcome(seq: int, kind: str, what: str, *authorities: str, areas: Sequence[str] = ()) -> Change:
    data = {"kpi": "wait", "areas": list(areas), "authorities": list(authorities)}
    return Change(seq, kind, f"{kind}1", data, what, NOW)


def test_a_breach_is_told_to_its_authority_also_when_it_turns_out_to_be_none(database: Database) -> None:
    take(
        database,
        "outcomes",
        outcome(1, "breach", "opened", "E06999001", areas=["E05999001", "E06999001", "E12999001"]),
    )
    take(database, "outcomes", Change(2, "breach", "breach1", None, "withdrawn", NOW))
    assert seen(database, OWN) == ["opened", "withdrawn"]
    assert seen(database, OTHER) == seen(database, domain.Sight(frozenset({"E12999001"}), money=True)) == []
    assert all("E05999001" in event.areas for event in held(database))


def test_a_breach_of_no_area_is_told_to_its_authority_and_a_countrys_to_everybody(database: Database) -> None:
    take(database, "outcomes", outcome(1, "breach", "opened", "E06999001"))
    assert [seen(database, sight) for sight in (OWN, OTHER, ALL)] == [["opened"], [], ["opened"]]
    take(database, "outcomes", outcome(2, "breach", "changed", areas=["E92999999"]))
    assert seen(database, OTHER) == ["changed"]
    # Whose it is can change: to the others it ends there.
    take(database, "outcomes", outcome(3, "breach", "changed", "E06999001"))
    assert [seen(database, sight)[1:] for sight in (OWN, ALL)] == [["changed", "changed"]] * 2
    assert seen(database, OTHER) == ["changed", "withdrawn"]
    assert {event.type for event in held(database)} <= set(domain.TYPES)


@pytest.mark.parametrize("kind", ["breach", "kpi"])
def test_what_does_not_say_whose_it_is_is_told_to_who_sees_all(database: Database, kind: str) -> None:
    for seq, said in enumerate(({}, {"authorities": None}, {"authorities": [7]}), start=1):
        take(
            database, "outcomes", Change(seq, kind, f"x{seq}", {"areas": ["E06999001"], **said}, "late", NOW)
        )
    assert [len(seen(database, sight)) for sight in (OWN, OTHER, ALL)] == [0, 0, 3]


def test_a_late_kpi_is_told_to_those_whose_it_is_and_names_no_others(database: Database) -> None:
    take(database, "outcomes", outcome(1, "kpi", "late", "E06999001", "E06999003"))
    assert [len(seen(database, sight)) for sight in (OWN, OTHER, ALL)] == [1, 0, 1]
    assert "E06999003" not in repr(OWN.told(held(database)[0]))


@pytest.mark.parametrize(
    ("kind", "what", "told"),
    [
        *((kind, "deleted", False) for kind in ("contract", "process")),
        *(("breach", "withdrawn", False), ("statement", "withdrawn", False), ("kpi", "late", False)),
        *((kind, "deleted", True) for kind in ("area", "organisation", "service", "site", "need")),
    ],
)
def test_the_end_of_what_nothing_is_known_of_is_told_to_those_who_may_know_of_it_anyway(
    database: Database, kind: str, what: str, told: bool
) -> None:
    take(database, "registry", Change(1, kind, "x", None, what, NOW))
    assert [seen(database, sight) for sight in (OWN, OTHER, ALL)] == [[what] * told] * 2 + [[what]]


def test_what_an_earlier_version_took_for_everybodys_is_hidden_and_learned_anew(database: Database) -> None:
    told = (outcome(1, "breach", "opened", "E06999001"), outcome(2, "kpi", "late", "E06999001"))
    take(database, "outcomes", *told)
    take(database, "registry", contract(1, published=True))
    migrations.downgrade(database, "hedgerow_gateway", "0004")
    with database.writing() as session:
        for table in (Event, Place):
            session.execute(update(table).values(authorities=[]))
    migrations.upgrade(database, "hedgerow_gateway")
    assert [len(seen(database, sight)) for sight in (OWN, OTHER, ALL)] == [1, 1, 3]
    assert Intake("registry", heard=lambda: None).position(database) == (1, "m1")
    take(database, "outcomes", *told, Change(3, "breach", "breach1", None, "withdrawn", NOW))
    assert [seen(database, sight)[1:] for sight in (OWN, OTHER)] == [["withdrawn"], []]
    assert len(held(database)) == 4


def test_what_belongs_to_several_together_is_told_to_who_acts_for_just_these() -> None:
    def sight(*authorities: str) -> domain.Sight:
        return sight_of(Principal("key:1", frozenset({"reader"}), frozenset(authorities)))

    event = domain.Event(
        *(1, "e", "outcomes", "hedgerow.breach.opened", "b", NOW, {}, (), ("E06999001+E06999002",), ()),
        permission=domain.READ,
        webhook_id=None,
    )
    assert sight("E06999002", "E06999001").sees(event)
    assert not sight("E06999001").sees(event)
    assert not sight("E06999001", "E06999002", "E06999003").sees(event)
    assert sight("*").sees(event)


def test_a_page_is_taken_once_whoever_brings_it(database: Database) -> None:
    area = Change(1, "area", "E06999001", {"parents": []}, "updated", NOW)
    intake = Intake("registry", heard=lambda: None)
    page = Changes((area,), 1, 1, mark="m1")
    for _ in range(3):
        reached = intake.take(database, page, after=0, heard_at=NOW)
        assert (reached.position, reached.last) == (1, 1)
    assert len(held(database)) == 1


def test_a_registry_that_was_restored_is_told_of_once_and_its_records_are_not_told_again(
    database: Database,
) -> None:
    rows = [Change(seq, "area", f"E0699900{seq}", {"parents": []}, "updated", NOW) for seq in (1, 2, 3)]
    take(database, "registry", *rows)
    intake = Intake("registry", heard=lambda: None)
    assert intake.restart(database, after=3, at=NOW).position == 0
    take(database, "registry", *rows[:2], last=2, mark="n")
    take(
        database,
        "registry",
        Change(3, "area", "E06999009", {"parents": []}, "updated", NOW),
        last=3,
        mark="n",
    )
    found = held(database)
    assert [event.type for event in found[3:]] == [domain.REPLACED, "hedgerow.area.updated"]
    assert found[3].data == {"app": "registry"}
    assert (found[4].subject, len({event.id for event in found})) == ("E06999009", 5)


def test_a_gateway_that_was_restored_gives_events_the_same_ids_again(
    made_databases: Databases, database: Database
) -> None:
    area = Change(1, "area", "E06999001", {"parents": []}, "updated", NOW)
    take(database, "registry", area)
    other = Database(made_databases.migrated("hedgerow_gateway"))
    take(other, "registry", area)
    assert [event.id for event in held(other)] == [event.id for event in held(database)]
    other.dispose()


def test_a_reader_sees_what_its_key_may_see_and_a_webhook_what_its_maker_saw(made: Gateway) -> None:
    client = made.client
    send(client, "areas", AREAS)
    wait_for(client, 6)
    own, other = (key(client, "administrator", code) for code in ("E06999001", "E06999002"))
    with receiving() as mine, receiving() as theirs, receiving() as poor:
        subscribe(client, mine.url, authorities=["E06999001"])
        asked = {"url": theirs.url}
        assert client.post("/v1/webhooks", json=asked, headers=other).status_code == 201
        subscribe(client, poor.url, roles=["reader"])
        send(client, "kpis", KPIS)
        send(client, "observations", "kpi,subject,period,value\nwait,E06999001,2025-01,19\n")
        wait_until(lambda: bool(mine.received and poor.received))
        assert [message.event["type"] for message in mine.received] == ["hedgerow.breach.opened"]
        read = [
            client.get("/v1/events", params={"types": "hedgerow.breach.*"}, headers=who).json()["items"]
            for who in (own, other)
        ]
        assert [len(items) for items in read] == [1, 0]
        send(client, "observations", "kpi,subject,period,value\nwait,E06999002,2025-01,19\n")
        wait_until(lambda: bool(theirs.received))
        assert [message.event["data"]["subject"] for message in theirs.received] == ["E06999002"]
        # A breach of what is no area is the authority's that hands in its figures.
        rows = "kpi,subject,period,value\nwait,organisation:harbour,2025-01,19\n"
        sent = client.post(
            "/v1/imports/observations", content=rows, headers=own | {"Content-Type": "text/csv"}
        )
        assert sent.json()["counts"]["accepted"] == 1, sent.text
        send(client, "observations", "kpi,subject,period,value\nwait,E06999002,2025-02,20\n")
        wait_until(lambda: len(theirs.received) == 2 and len(mine.received) == 2)
        assert mine.received[1].event["data"]["authorities"] == ["E06999001"]
        read = client.get("/v1/events", params={"types": "hedgerow.breach.*"}, headers=other).json()["items"]
        assert {event["data"]["subject"] for event in read} == {"E06999002"}
        assert {message.event["data"]["subject"] for message in theirs.received} == {"E06999002"}
    stranger = httpx.get(f"{made.url}/v1/events")
    assert stranger.status_code == 401


def test_every_type_of_event_stands_in_its_page() -> None:
    page = (ROOT / "docs" / "reference" / "events.md").read_text()
    assert [type for type in (*domain.TYPES, domain.PING) if f"`{type}`" not in page] == []
