"""What is not kept for good goes when it is old; the audit says how many, and nothing else is touched."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hedgerow_gateway.store import sessions
from hedgerow_gateway.tables import PersonSession
from hedgerow_kit.audit_reading import verify
from hedgerow_kit.db import Database
from hedgerow_kit.retention import RETENTION, Retention
from sqlalchemy import text

from tests.contracts.boundaries import WORLDS, rows
from tests.gateway.servers import gateway, wait_until
from tests.support.apps import made
from tests.support.auditing import entries
from tests.support.http import running
from tests.support.identity import identity

CANARY = "canary-row"
# A row that no kind of file takes, and the file that it stands in.
BAD_FILES = {
    "network": ("costs", f"matrix,from_area,to_site,minutes\ncar,E05000001,{CANARY},never\n"),
    "outcomes": ("kpis", f"id,name,polarity\n{CANARY},Waits,sideways\n"),
    "registry": ("areas", f"code,name,level,parent_code,vintage\n{CANARY},X,nowhere,,\n"),
}
# All that may change when what is old is removed: that, and what the audit says of it.
TOUCHED = {"receipts", "answers_kept", "audit_entries", "audit_changes", "audit_head"}
# A question that is answered again under its key and changes nothing, so that only its answer is kept.
ASKED = {"texts": ["nobody of this name"], "reason": "r"}
CSV = {"Content-Type": "text/csv"}

all_apps = pytest.mark.parametrize("app", ["network", "outcomes", "registry"])


def later(app, database, served, *, days):
    """An app's retention as it will be so many days from now."""
    now = datetime.now(UTC) + timedelta(days=days)
    return Retention(app, database, served.state.retention.kept, look_seconds=0, now=lambda: now)


@pytest.fixture
def url(app, made_databases):
    return made_databases.migrated(f"hedgerow_{app}")


@pytest.fixture
def database(url):
    opened = Database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def served(app, url):
    return made(app, url, **({"pulls": False, "matching_seconds": 0} if app == "registry" else {}))


@pytest.fixture
def client(app, served, url):
    with running(served, headers=identity(app)) as client:
        WORLDS[app](client, url)
        client.headers.update(identity(app))
        yield client


def send(client, app):
    """Import a file whose only row is quarantined; gives the import."""
    kind, rows = BAD_FILES[app]
    sent = client.post(f"/v1/imports/{kind}", content=rows.encode(), headers=CSV).json()
    assert sent["counts"]["quarantined"] == 1, sent
    return sent


@all_apps
def test_old_receipts_and_answers_go_and_nothing_that_anything_rests_on(app, url, database, served, client):
    sent = send(client, app)
    assert client.items(sent["receipts"])[0]["verdict"] == "quarantined"
    keyed = client.post(f"/v1/erasures/{app}", json=ASKED, headers={"Idempotency-Key": "a"})
    assert keyed.status_code == 200
    before = rows(url)
    assert before["answers_kept"]

    young = later(app, database, served, days=399)
    assert {one.name: young.remove(one) for one in young.kept} == {"receipts": 0, "answers": 1}
    assert rows(url)["receipts"] == before["receipts"]

    old = later(app, database, served, days=401)
    removed = {one.name: old.remove(one) for one in old.kept}
    assert removed == {"receipts": len(before["receipts"]), "answers": 0}
    assert {one.name: old.remove(one) for one in old.kept} == {"receipts": 0, "answers": 0}
    after = rows(url)
    assert after["receipts"] == after["answers_kept"] == set()
    assert {table for table in before if before[table] != after[table]} <= TOUCHED

    answer = client.get(sent["receipts"])
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:hedgerow:problem:receipts-over")
    assert client.get(f"/v1/imports/{sent['id']}").json() == sent
    for one, number in (("receipts", removed["receipts"]), ("answers", 1)):
        told = [change for entry in entries(database, type=RETENTION, id=one) for change in entry.changes]
        assert sum(change.after["removed"] for change in told) == number
        assert {frozenset(change.after) for change in told} == {frozenset({"removed", "before", "days"})}
    told = entries(database, who=RETENTION)
    assert {entry.what for entry in told} == {"retention receipts", "retention answers"}
    assert CANARY not in json.dumps([entry.model_dump(mode="json") for entry in told])
    with database.reading() as session:
        assert verify(session, app).intact


@pytest.mark.parametrize("app", ["network"])
def test_an_import_that_has_lost_its_first_receipts_has_none_to_show(app, database, served, client):
    body = BAD_FILES["network"][1] + "".join(f"car,E05000001,s{number},never\n" for number in range(4))
    sent = client.post("/v1/imports/costs", content=body.encode(), headers=CSV).json()
    other = send(client, app)
    receipts = served.state.retention.kept[0]
    with database.writing() as session:
        session.execute(text("DELETE FROM receipts WHERE import_id <> :id"), {"id": sent["id"]})
        moment = datetime.now(UTC) + timedelta(days=1)
        assert [receipts.remove(session, moment, 2) for _ in range(2)] == [2, 2]
    assert client.get(sent["receipts"]).status_code == 410
    assert client.get(other["receipts"]).status_code == 410
    # One whose file had no rows at all has lost nothing.
    empty = client.post(
        "/v1/imports/costs", content=b"matrix,from_area,to_site,minutes\n", headers=CSV
    ).json()
    assert client.get(empty["receipts"]).json()["items"] == []


@pytest.mark.parametrize("app", ["outcomes"])
def test_several_processes_remove_everything_once(app, url, database, served, client):
    for _ in range(12):
        send(client, app)
    held = len(rows(url)["receipts"])
    removed = []

    def work():
        own = later(app, database, served, days=500)
        removed.append(own.remove(own.kept[0]))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who found another at work may have gone home early: the next look finds what is left.
    own = later(app, database, served, days=500)
    removed.append(own.remove(own.kept[0]))
    assert sum(removed) == held
    told = entries(database, type=RETENTION)
    assert sum(change.after["removed"] for entry in told for change in entry.changes) == held
    assert rows(url)["receipts"] == set()


@pytest.mark.parametrize("app", ["network"])
def test_an_app_says_what_it_keeps_for_a_while_and_whether_anything_is_overdue(app, database, served, client):
    sent = send(client, app)

    def told():
        said = client.get(f"/v1/retention/{app}").json()
        assert (said["app"], said["look_seconds"]) == (app, 3600)
        return {one["name"]: one for one in said["kept"]}

    found = told()
    assert {name: one["days"] for name, one in found.items()} == {"receipts": 400, "answers": 1}
    assert found["receipts"]["oldest"] is not None
    assert not found["receipts"]["overdue"]
    with database.writing() as session:
        old = datetime.now(UTC) - timedelta(days=403)
        moved = text("UPDATE imports SET touched_at = :at WHERE id = :id")
        session.execute(moved, {"at": str(old.replace(tzinfo=None)), "id": sent["id"]})
    assert told()["receipts"]["overdue"]
    for role, authorities in (("commissioner", ("*",)), ("administrator", ("E06999001",))):
        headers = identity(app, role=role, authorities=authorities)
        assert client.get(f"/v1/retention/{app}", headers=headers).status_code == 403


@pytest.mark.parametrize("app", ["network"])
@pytest.mark.parametrize("seconds", [0, 3600])
def test_a_running_app_removes_what_is_old_unless_it_is_told_never_to(app, url, database, seconds):
    with running(made(app, url), headers=identity(app)) as client:
        sent = send(client, app)
    with database.writing() as session:
        session.execute(text("UPDATE imports SET touched_at = '2020-01-01 00:00:00'"))
    settings = {"HEDGEROW_RETENTION_SECONDS": seconds}
    with running(made(app, url, **settings), headers=identity(app)) as client:
        if seconds:
            wait_until(lambda: client.get(sent["receipts"]).status_code == 410)
            assert len(entries(database, type=RETENTION)) == 1
        else:
            assert not any(thread.name == "retention" for thread in threading.enumerate())
            assert client.get(sent["receipts"]).status_code == 200
            said = client.get(f"/v1/retention/{app}").json()
            assert (said["look_seconds"], said["kept"][0]["overdue"]) == (0, True)


@pytest.mark.parametrize("app", ["network"])
def test_receipts_are_kept_for_good_where_that_is_said(app, url, database):
    with running(made(app, url, HEDGEROW_RECEIPT_DAYS=0), headers=identity(app)) as client:
        sent = send(client, app)
        served = made(app, url, HEDGEROW_RECEIPT_DAYS=0)
        own = later(app, database, served, days=9_999)
        assert own.remove(own.kept[0]) == 0
        assert client.get(sent["receipts"]).status_code == 200
        assert client.get(f"/v1/retention/{app}").json()["kept"][0]["days"] is None


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_the_gateway_forgets_sessions_that_are_over(tmp_path, dialect):
    now = datetime.now(UTC)
    with gateway(tmp_path, HEDGEROW_RETENTION_SECONDS=0) as running_one:
        with running_one.database.writing() as session:
            for name, ends in (("over", now - timedelta(days=1)), ("on", now + timedelta(hours=1))):
                row = PersonSession(sha256=name, subject="person:1", roles=[], authorities=[])
                row.created_at, row.ends_at = now - timedelta(days=2), ends
                sessions.add(session, row)
        said = running_one.client.get("/v1/retention/gateway").json()
        assert {one["name"]: one["days"] for one in said["kept"]} == {
            "events": 30,
            "sessions": 0,
            "answers": 1,
        }
        kept = sessions.kept()
        assert Retention("gateway", running_one.database, [kept], look_seconds=0).remove(kept) == 1
        with running_one.database.reading() as session:
            assert session.scalars(text("SELECT sha256 FROM sessions")).all() == ["on"]
        (entry,) = entries(running_one.database, type=RETENTION)
        assert "person:1" not in entry.model_dump_json()
