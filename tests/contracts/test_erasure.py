"""Erasing a person: nothing is left in any table, in the index or in the file; of the audit the chain."""

import json
import re
from pathlib import Path

import pytest
from hedgerow_kit.audit_reading import verify
from hedgerow_kit.db import Database
from sqlalchemy import make_url, text

from tests.contracts.boundaries import WORLDS, rows
from tests.gateway.servers import gateway
from tests.support.apps import made
from tests.support.auditing import behind_its_back, entries
from tests.support.http import running
from tests.support.identity import identity

NAME, EMAIL, PHONE = "Canary O'Personné", "canary.person@example.org", "07700 900 123"
TEXTS = [NAME, EMAIL, PHONE]
ABOUT = f'Ask {NAME.upper()} "at" {EMAIL}, or ring {PHONE}; {NAME}.'
LEFT = re.compile("canary|personn|900 123", re.IGNORECASE)
CSV = {"Content-Type": "text/csv"}
ID = "9d3b4c1e-0000-4000-8000-000000000001"
ORGANISATIONS = (
    f'id,name,description,email,aliases\nc1,Body of {NAME},"Run by {NAME}",{EMAIL},{NAME} Trading\n'
)


def left(url):
    """Every row that still says something of the person, by table."""
    found = {table: [row for row in held if LEFT.search(row)] for table, held in rows(url).items()}
    return {table: held for table, held in found.items() if held}


def left_in_file(url):
    """How often something of the person stands in the files of an SQLite database."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return 0
    database = Database(url)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    files = [Path(f"{address.database}{end}") for end in ("", "-wal")]
    return sum(len(LEFT.findall(file.read_bytes().decode("latin-1"))) for file in files if file.exists())


def spelled():
    # SQLite knows the two cases of A to Z alone.
    return [*TEXTS, NAME.upper()]


def erase(client, app, *, dry_run):
    body = {"texts": spelled(), "reason": "request 12", "dry_run": dry_run}
    answer = client.post(f"/v1/erasures/{app}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def held(app, client, url):
    """Erase the person from an app that tells of them, and hold it to what has to be gone."""
    before = left(url)
    trial = erase(client, app, dry_run=True)
    assert left(url) == before
    done = erase(client, app, dry_run=False)
    assert {**done, "id": "", "dry_run": True} == {**trial, "id": ""}
    assert done["standing"] == []
    assert left(url) == {}
    assert erase(client, app, dry_run=False)["erased"] == []
    number = sum(one["rows"] for one in done["erased"])
    print(f"{app}: {number} rows in {len(done['erased'])} tables, {done['audit']} words of the audit; 0 left")
    database = Database(url)
    with database.reading() as session:
        assert verify(session, app).intact
    (tombstone,) = entries(database, what=f"POST /v1/erasures/{app}")
    assert tombstone.changes[0].after["reason"] == "request 12"
    database.dispose()
    return done


@pytest.fixture
def url(app, made_databases):
    return made_databases.migrated(f"hedgerow_{app}")


@pytest.fixture
def client(app, url):
    # What looks for duplicates by itself would write between the look and the erasure.
    chosen = {"pulls": False, "matching_seconds": 0} if app == "registry" else {}
    with running(made(app, url, **chosen), headers=identity(app)) as running_one:
        WORLDS[app](running_one, url)
        running_one.headers.update(identity(app))
        yield running_one


def put(client, path, body, *, again=False, read=None, **params):
    headers = {"If-Match": client.get(read or path).headers["etag"]} if again else {}
    answer = client.put(path, json=body, headers=headers, params=params)
    assert answer.status_code < 300, answer.text
    return answer


@pytest.mark.parametrize("app", ["registry"])
def test_nothing_is_left_of_a_person_in_the_registry(app, url, client):
    sent = client.post("/v1/imports/organisations", content=ORGANISATIONS.encode(), headers=CSV)
    assert sent.json()["counts"]["accepted"] == 1, client.get(sent.json()["receipts"]).text
    at = f"/v1/organisations/{ID}"
    put(client, at, {"name": NAME, "email": EMAIL, "description": ABOUT}, source="mine")
    put(client, at, {"name": f"{NAME} and others", "description": PHONE, "aliases": [NAME]}, again=True)
    put(
        client,
        f"/v1/services/{ID}",
        {"name": "Soup", "organisation_id": ID, "description": ABOUT},
        source="mine",
    )
    site = {"name": f"House of {NAME}", "service_id": ID, "lon": 1.1, "lat": 53.3}
    put(client, f"/v1/sites/{ID}", site, source="mine")
    etag = client.get(f"/v1/sites/{ID}").headers["etag"]
    assert client.delete(f"/v1/sites/{ID}", headers={"If-Match": etag}).status_code == 204
    (other, *_) = client.items("/v1/organisations", params={"text": "Harbour"})
    merge = {"into": other["id"], "reason": f"says {NAME}"}
    assert client.post(f"/v1/organisations/{ID}/merge", json=merge).status_code == 200
    assert client.post(f"/v1/organisations/{ID}/unmerge", json={"reason": "no"}).status_code == 200
    assert client.post("/v1/duplicates/refresh").status_code == 200
    assert client.items("/v1/services", params={"text": "canary"})
    seq = client.get("/v1/changes").json()["last"]
    assert left(url)

    held(app, client, url)

    assert client.items("/v1/services", params={"text": "canary"}) == []
    assert client.items("/v1/organisations", params={"text": "canary"}) == []
    assert client.items("/v1/services", params={"text": "erased"})
    news = client.get("/v1/changes", params={"after": seq}).json()["items"]
    told = {(one["type"], one["subject"]) for one in news}
    assert {(f"hedgerow.{kind}.updated", ID) for kind in ("organisation", "service")} <= told
    assert client.get(at).json()["name"] == "[erased] and others"
    history = client.items(f"{at}/history")
    assert {line["old"] for line in history if line["field"] == "email"} == {"[erased]"}
    # What the source sends as before is known, and brings nothing back.
    again = client.post("/v1/imports/organisations", content=ORGANISATIONS.encode(), headers=CSV).json()
    assert again["counts"]["unchanged"] == 1
    assert left(url) == {}
    assert left_in_file(url) == 0


@pytest.mark.parametrize("app", ["network"])
def test_nothing_is_left_of_a_person_in_network(app, url, client):
    design = {"name": f"Network of {NAME}", "personas": [{"id": "a", "name": NAME}]}
    for again in (False, True):
        put(client, "/v1/networks/about", design, again=again, note=ABOUT)
        design["name"] += " again"
    held(app, client, url)
    assert client.get("/v1/networks/about").json()["personas"][0]["name"] == "[erased]"
    assert left_in_file(url) == 0


@pytest.mark.parametrize("app", ["outcomes"])
def test_nothing_is_left_of_a_person_in_outcomes(app, url, client):
    notice = "/v1/contracts/ours/performance-notice"
    put(client, f"{notice}/exemption", {"exemption": "light-touch", "reason": ABOUT})
    put(client, f"{notice}/exemption", {"exemption": "light-touch", "reason": NAME}, again=True, read=notice)
    rating = {"kpi": "waits", "period": "2025/26", "rating": "Good", "reason": ABOUT}
    assert client.post(f"{notice}/assessments", json=rating).status_code == 201
    held(app, client, url)
    assert left_in_file(url) == 0


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_nothing_is_left_of_a_person_at_the_gateway_not_even_who_it_was(tmp_path, dialect):
    with gateway(tmp_path) as made_one:
        body = {"name": f"for {NAME}", "roles": ["reader"], "authorities": ["*"]}
        assert made_one.client.post("/v1/keys", json=body).status_code == 201
        hook = {"url": "https://receiver.example/", "description": ABOUT}
        assert made_one.client.post("/v1/webhooks", json=hook).status_code == 201
        url = made_one.database.engine.url.render_as_string(hide_password=False)
        held("gateway", made_one.client, url)
        # The next one is the administrator: who did what is forgotten, that it was done is not.
        who = entries(made_one.database)[-1].who
        body = {"texts": [who], "reason": "has left", "dry_run": False}
        done = made_one.client.post("/v1/erasures/gateway", json=body).json()
        assert done["audit"] == 3
        assert [one.who for one in entries(made_one.database)[:4]] == ["command", None, None, None]
        with made_one.database.reading() as session:
            assert verify(session, "gateway").intact


@pytest.mark.parametrize("app", ["network"])
def test_words_that_no_erasure_took_are_noticed(app, url, client):
    put(client, "/v1/networks/about", {"name": NAME})
    erase(client, app, dry_run=False)
    database = Database(url)
    with database.reading() as session:
        id = session.execute(text("SELECT erasure FROM audit_changes WHERE erasure IS NOT NULL")).scalar()
    for table, words in (
        ("entries", "who = NULL, who_salt = NULL"),
        ("changes", "content = NULL, salt = NULL"),
    ):
        for erasure in (f"'{id}'", "'another'", "NULL"):
            with behind_its_back(database) as connection:
                key = "seq" if table == "entries" else "entry"
                change = f"UPDATE audit_{table} SET {words}, erasure = {erasure} WHERE {key} = 1"
                assert connection.exec_driver_sql(change).rowcount
                assert not verify(connection, app).intact
    database.dispose()


@pytest.mark.parametrize("app", ["network"])
@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_syllable_is_not_erased_and_only_administrators_of_all_erase(app, client):
    short = client.post("/v1/erasures/network", json={"texts": ["Jane"], "reason": "r"})
    assert short.status_code == 422
    body = json.dumps({"texts": [NAME], "reason": "r"}).encode()
    for role, authorities in (("commissioner", ("*",)), ("administrator", ("E06999001",))):
        headers = identity(app, role=role, authorities=authorities) | {"Content-Type": "application/json"}
        assert client.post("/v1/erasures/network", content=body, headers=headers).status_code == 403
