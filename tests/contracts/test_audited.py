"""Every route that writes leaves an entry in the audit of its app: who, what, before and after.

Each is called here until it has written something; one that is new fails until it is called here as well.
"""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from hedgerow_gateway.actions.events import tell
from hedgerow_gateway.domain.events import READ, Event
from hedgerow_kit.db import Database
from sqlalchemy import text

from tests.contracts.boundaries import WORLDS
from tests.contracts.test_access import LISTED
from tests.gateway.servers import gateway
from tests.support.apps import made
from tests.support.auditing import entries
from tests.support.http import running
from tests.support.identity import identity

# Posted questions, of which nothing is kept; tokens and sessions, which change nothing that others read.
WRITE_NOTHING = {
    "POST /auth/sign-out",
    "POST /oauth/token",
    "POST /v1/evaluations/difference-in-differences",
    "POST /v1/intervals",
    "POST /v1/payment-rules/lint",
    "POST /v1/payment-rules/{id}/replay",
}
BOTH = "E06999001"


class Audited:
    """Calls routes of one app, and holds each that writes to its entry."""

    def __init__(self, app, client, database):
        self._app, self._client, self._database = app, client, database
        self.headers = client.headers
        self.seen = Counter()
        self._last = 0
        self.items = getattr(client, "items", None)

    def request(self, method, path, **options):
        answer = self._client.request(method, path, **options)
        new = entries(self._database, after=self._last)
        if method == "GET" or answer.status_code >= 400:
            assert new == [], f"{method} {path}"
            return answer
        self._last += len(new)
        self._check(method, path, new)
        return answer

    def _check(self, method, path, new):
        kind = path.removeprefix("/v1/imports/")
        assert [one.seq for one in new] == list(range(self._last - len(new) + 1, self._last + 1))
        if kind != path:
            began, ended = (entry.changes[0] for entry in new)
            assert {entry.what for entry in new} == {f"import {kind}"}
            assert len(began.after["file"]["sha256"]) == 64
            assert (ended.id, ended.after["status"]) == (began.id, "completed")
            self.seen[f"POST {path}"] += 1
        for entry in new:
            assert entry.who == ("tester" if self._app != "gateway" else entry.who)
            assert entry.who
            assert all(change.before != change.after for change in entry.changes)
            if kind == path:
                assert len(new) == 1, f"{method} {path}: {new}"
                assert entry.what.startswith(f"{method} /v1/"), entry
                assert entry.changes, f"{entry.what} says nothing of what it changed"
                self.seen[entry.what] += 1

    def __getattr__(self, name):
        assert name in ("get", "post", "put", "patch", "delete")
        return lambda path, **options: self.request(name.upper(), path, **options)

    def do(self, method, path, body=None, *, match=None, **options):
        """Call a route that has to succeed; match: where the entity tag it asks for is read."""
        headers = options.pop("headers", {})
        if match is not None:
            headers |= {"If-Match": self.get(match).headers["etag"]}
        more = options if body is None else {"json": body, **options}
        answer = self.request(method, path, headers=headers, **more)
        assert answer.status_code < 300, f"{method} {path} {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def import_all(self):
        """A file of each kind, with one record that is none."""
        for app, method, path, _ in LISTED:
            if app == self._app and method == "POST" and path.startswith("/v1/imports/"):
                self.do(method, path, content=b'{"a":1}\n', headers={"Content-Type": "application/x-ndjson"})


def missing(app, seen):
    writing = {f"{method} {path}" for of, method, path, _ in LISTED if of == app and method != "GET"}
    return writing - set(seen) - WRITE_NOTHING


@pytest.fixture
def audited(app, made_databases):
    url = made_databases.migrated(f"hedgerow_{app}")
    database = Database(url)
    chosen = {"pulls": False} if app == "registry" else {}
    with running(made(app, url, **chosen), headers=identity(app)) as client:
        called = Audited(app, client, database)
        WORLDS[app](called, url)
        client.headers.update(identity(app))
        yield called
    database.dispose()


WORDS = {
    "gateway": "Somebody",
    "network": "Zebra network",
    "outcomes": "Zebra crossings",
    "registry": "Saltmarsh Advice",
}


def finish(app, audited):
    audited.import_all()
    person = {"texts": [WORDS[app]], "reason": "request 12", "dry_run": False}
    assert audited.do("POST", f"/v1/erasures/{app}", person)["erased"]
    assert missing(app, audited.seen) == set(), "call these here, and see that they are audited"
    print(f"{app}: {len(audited.seen)} writing routes, {sum(audited.seen.values())} writes, each entered")


@pytest.mark.parametrize("app", ["network"])
def test_every_write_of_network_is_entered(app, audited):
    rules = {"name": "Standards", "standards": [{"need": "food", "min_providers": 1}]}
    id = audited.do("POST", "/v1/adequacy-rules", rules)["id"]
    at = f"/v1/adequacy-rules/{id}"
    audited.do("PUT", at, rules | {"name": "Others"}, match=at)
    audited.do("DELETE", at, match=at)
    scenario = {"name": "Ant leaves", "area": BOTH}
    at = f"/v1/scenarios/{audited.do('POST', '/v1/scenarios', scenario)['id']}"
    audited.do("PUT", at, scenario | {"name": "Bee leaves"}, match=at)
    audited.do("DELETE", at, match=at)
    audited.do("DELETE", "/v1/costs/zebra-car", match="/v1/costs/zebra-car")
    at = "/v1/networks/ours"
    audited.do("PUT", at, {"name": "Renamed"}, match=at)
    audited.do("PATCH", at, {"name": "Again"}, match=at)
    for part, rows in {
        "members": [{"organisation": "ant"}],
        "responsibilities": [{"about": "service", "id": "s1", "organisation": "ant", "role": "informed"}],
        "agreements": [{"id": "a", "name": "Terms", "parties": ["ant", "bee"]}],
    }.items():
        audited.do("PUT", f"{at}/{part}", rows, match=at)
    audited.do("DELETE", at, match=at)
    audited.do("POST", "/v1/projection/rebuild")
    finish(app, audited)


@pytest.mark.parametrize("app", ["outcomes"])
def test_every_write_of_outcomes_is_entered(app, audited):
    notice = "/v1/contracts/ours/performance-notice"
    audited.do("PUT", f"{notice}/exemption", {"exemption": "light-touch", "reason": "Schedule 1"})
    rating = {"kpi": "waits", "period": "2025/26", "rating": "Good"}
    audited.do("POST", f"{notice}/assessments", rating)
    (statement,) = audited.items("/v1/statements")
    at = f"/v1/statements/{statement['id']}"
    audited.do("POST", f"{at}/state", {"state": "disputed", "reason": "late"}, match=at)
    rule = audited.get("/v1/payment-rules/zebra-rule").json()
    audited.do("PUT", "/v1/payment-rules/other", rule["rule"] if "rule" in rule else rule["document"])
    audited.do("DELETE", "/v1/payment-rules/other", match="/v1/payment-rules/other")
    finish(app, audited)


NEW = "9d3b4c1e-0000-4000-8000-00000000000"
PAYMENTS = (
    b"buyer_code,supplier_name,supplier_id,date,amount_gbp,category,redacted\n"
    b"E06999001,Quay Kitchen,,2025-04-01,12,,\n"
)


@pytest.mark.parametrize("app", ["registry"])
def test_every_write_of_the_registry_is_entered(app, audited, tmp_path):
    do, csv = audited.do, {"Content-Type": "text/csv"}
    first, second = f"{NEW}1", f"{NEW}2"
    org = {"name": "Canary Row", "email": "canary@example.org"}
    do("PUT", f"/v1/organisations/{first}", org, params={"source": "mine"})
    at = f"/v1/organisations/{first}"
    do("PUT", at, org | {"name": "Canary Row Kitchen", "email": "other-canary@example.org"}, match=at)
    do("PUT", f"/v1/organisations/{second}", {"name": "Canary Row Kitchen"}, params={"source": "mine"})
    do("PUT", f"/v1/services/{first}", {"name": "Soup", "organisation_id": first}, params={"source": "mine"})
    site = {"name": "Hall", "service_id": first, "lon": 1.1, "lat": 53.3}
    do("PUT", f"/v1/sites/{first}", site, params={"source": "mine"})
    do("DELETE", f"/v1/sites/{first}", match=f"/v1/sites/{first}")
    do("DELETE", f"/v1/services/{first}", match=f"/v1/services/{first}")
    held = {"owner_id": second, "type": "votes"}
    interest = do("POST", f"{at}/ownership/interests", held, params={"source": "mine"})["id"]
    interest = f"{at}/ownership/interests/{interest}"
    do("PATCH", interest, {"end": "2026-03-31"}, match=interest)
    do("DELETE", interest, match=interest)
    do("POST", "/v1/duplicates/refresh")
    pair = f"/v1/duplicates/{first}/{second}"
    do("POST", f"{pair}/dismiss", {"reason": "two offices"})
    do("POST", f"{pair}/restore")
    do("POST", f"/v1/organisations/{second}/merge", {"into": first, "reason": "one"})
    do("POST", f"/v1/organisations/{second}/unmerge", {"reason": "two"})
    numbered = {"name": "Numbered", "identifiers": [{"scheme": "GB-CHC", "id": "1099999"}]}
    for id in (f"{NEW}4", f"{NEW}5"):
        do("PUT", f"/v1/organisations/{id}", numbered, params={"source": "mine"})
    do("POST", "/v1/duplicates/refresh")
    do("POST", "/v1/duplicates/apply", {"rule": "same-identifier", "dry_run": False})
    do("DELETE", f"/v1/organisations/{second}", match=f"/v1/organisations/{second}")
    links = "/v1/areas/E05999001/links"
    do("PUT", links, {"parents": ["E06999001", "E12999001"], "successors": []}, match=links)
    contract, plan = "00000000-0000-4000-8000-00000000001c", "00000000-0000-4000-8000-00000000002c"
    do("DELETE", f"/v1/contracts/{contract}", match=f"/v1/contracts/{contract}")
    do("DELETE", f"/v1/pipeline/{plan}", match=f"/v1/pipeline/{plan}")
    do("POST", "/v1/imports/spend", content=PAYMENTS, headers=csv)
    supplier = f"/v1/spend/suppliers/{audited.items('/v1/spend/suppliers')[0]['id']}"
    do("POST", f"{supplier}/confirm", {"organisation_id": first, "reason": "known"})
    do("POST", f"{supplier}/release")
    do("POST", f"{supplier}/refuse", {"organisation_id": first, "reason": "another"})
    feed = {"url": "https://directory.example/services", "source": "directory"}
    at = f"/v1/feeds/{do('POST', '/v1/feeds', feed)['id']}"
    do("PUT", at, feed | {"schedule": "P1D"}, match=at)
    for decision in ("confirm", "dismiss"):
        pull = do("POST", f"{at}/pull")["id"]
        database = audited._database
        with database.writing() as session:
            session.execute(text("UPDATE feed_pulls SET state = 'needs_confirmation'"))
        do("POST", f"{at}/pulls/{pull}/{decision}")
        with database.writing() as session:
            session.execute(text("UPDATE feed_pulls SET state = 'completed'"))
    do("DELETE", at, match=at)
    finish(app, audited)
    assert "canary@" not in json.dumps([one.model_dump(mode="json") for one in entries(audited._database)])


NOW = datetime(2026, 11, 27, tzinfo=UTC)
HAPPENED = Event(
    *(0, "registry-1", "registry", "hedgerow.service.updated", "x", NOW),
    data=None,
    areas=(),
    authorities=(),
    not_to=(),
    permission=READ,
    webhook_id=None,
)


@pytest.mark.parametrize("app", ["gateway"])
def test_every_write_of_the_gateway_is_entered(app, tmp_path):
    with gateway(tmp_path, events=True, webhook_hosts="127.0.0.1:9") as running_one:
        audited = Audited(app, running_one.client, running_one.database)
        first = entries(running_one.database)
        assert {one.what for one in first} == {"prepare"}
        audited._last = len(first)
        key = {"name": "Somebody", "roles": ["reader"], "authorities": ["*"]}
        given = audited.do("POST", "/v1/keys", key)
        audited.do("DELETE", f"/v1/keys/{given['id']}")
        audited.do("POST", "/v1/signing-keys", {})
        hook = {"url": "http://127.0.0.1:9/"}
        at = f"/v1/webhooks/{audited.do('POST', '/v1/webhooks', hook)['id']}"
        secret = audited.do("POST", f"{at}/secret")["secret"]
        event = audited.do("POST", f"{at}/ping")["event_id"]
        audited.do("POST", f"{at}/deliveries/{event}/replay")
        with running_one.database.writing() as session:
            tell(session, [HAPPENED], now=NOW)
        audited.do("POST", f"{at}/replay", {"since": "2026-01-01T00:00:00Z"})
        audited.do("PUT", at, hook | {"description": "x"}, match=at)
        audited.do("DELETE", at, match=at)
        finish(app, audited)
        told = json.dumps([one.model_dump(mode="json") for one in entries(running_one.database)])
    assert given["key"].split("_", 2)[2] not in told
    assert secret.removeprefix("whsec_") not in told


@pytest.mark.parametrize("app", ["registry"])
def test_a_write_sent_twice_is_entered_once_and_a_trial_not_at_all(app, audited):
    keyed, id = {"Idempotency-Key": "a"}, f"{NEW}1"
    audited.do("PUT", f"/v1/organisations/{id}", {"name": "One"}, params={"source": "mine"})
    feed = {"url": "https://directory.example/services", "source": "directory"}
    before = len(entries(audited._database))
    for _ in range(2):
        assert audited._client.post("/v1/feeds", json=feed, headers=keyed).status_code == 201
    assert len(entries(audited._database)) == before + 1
    trial = {"rule": "same-identifier"}
    asked = audited._client.post("/v1/duplicates/apply", json=trial, headers={"Idempotency-Key": "b"})
    assert asked.status_code == 200
    etag = audited._client.get(f"/v1/organisations/{id}").headers["etag"]
    same = audited._client.put(
        f"/v1/organisations/{id}", json={"name": "One"}, headers={"If-Match": etag}, params={"source": "mine"}
    )
    assert same.status_code == 200
    assert len(entries(audited._database)) == before + 1
