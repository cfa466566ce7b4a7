"""The audits of all apps at the gateway, over real apps."""

import csv
import io

import httpx
import pytest
from sqlalchemy import text

from tests.gateway.servers import PATIENCE_S, gateway, nobody_there, real_apps

AREAS = b"code,name,level,parent_code,vintage\nE06999001,Skerrow,authority,,2025\n"
KPIS = b"id,name,polarity,frequency,minimum\nwaits,Waiting times,lower,monthly,10\n"
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def platform(tmp_path, made_databases):
    with real_apps(made_databases, tmp_path) as addresses, gateway(tmp_path, **addresses) as made:
        for kind, rows in (("areas", AREAS), ("kpis", KPIS)):
            assert made.client.post(f"/v1/imports/{kind}", content=rows, headers=CSV).status_code == 200
        made.client.post("/v1/keys", json={"name": "r", "roles": ["reader"], "authorities": ["*"]})
        yield made


def audit(platform, **params):
    return platform.client.get("/v1/audit", params=params)


def test_all_apps_are_in_one_list_and_one_that_is_down_is_named(platform):
    found = audit(platform).json()
    # Network is not there.
    assert found["missing"] == ["network"]
    told = [(one["app"], one["what"]) for one in found["items"]]
    assert told == [
        ("gateway", "prepare"),
        *[("registry", "import areas")] * 2,
        *[("outcomes", "import kpis")] * 2,
        ("gateway", "POST /v1/keys"),
    ]
    who = {one["who"] for one in found["items"]}
    assert "command" in who
    assert any(one.startswith("key:") for one in who)


def test_pages_together_are_the_whole_list(platform):
    whole = audit(platform).json()["items"]
    paged, after = [], None
    while True:
        page = audit(platform, limit=2, **({"after": after} if after else {})).json()
        assert len(page["items"]) <= 2
        paged += page["items"]
        after = page["next"]
        if after is None:
            break
    assert paged == whole
    assert audit(platform, after="x").status_code == 422


def test_entries_are_chosen_by_app_who_what_and_thing(platform):
    assert {one["app"] for one in audit(platform, app="outcomes").json()["items"]} == {"outcomes"}
    assert len(audit(platform, what="POST /v1/keys").json()["items"]) == 1
    assert len(audit(platform, type="import").json()["items"]) == 4
    assert audit(platform, since="2999-01-01T00:00:00Z").json()["items"] == []
    assert audit(platform, app="nobody").status_code == 422
    rows = csv.DictReader(io.StringIO(audit(platform, app="gateway", format="csv").text))
    assert [row["what"] for row in rows] == ["prepare", "POST /v1/keys"]


def test_only_an_administrator_of_all_authorities_reads_it(platform):
    for roles, authorities, status in (
        (["commissioner"], ["*"], 403),
        (["administrator"], ["E06999001"], 403),
        (["administrator"], ["*"], 200),
    ):
        body = {"name": "n", "roles": roles, "authorities": authorities}
        key = platform.client.post("/v1/keys", json=body).json()["key"]
        with httpx.Client(base_url=platform.url, timeout=PATIENCE_S, trust_env=False) as client:
            for path in ("/v1/audit", "/v1/audit/verification"):
                asked = client.get(path, headers={"Authorization": f"Bearer {key}"})
                assert asked.status_code == status, path


def test_an_audit_that_was_changed_is_named_with_its_first_wrong_entry(platform):
    whole = platform.client.get("/v1/audit/verification").json()
    assert (whole["intact"], whole["missing"]) == (False, ["network"])
    assert {one["app"]: one["intact"] for one in whole["apps"]} == dict.fromkeys(
        ("gateway", "outcomes", "registry"), True
    )
    with platform.database.engine.begin() as connection:
        if platform.database.dialect == "sqlite":
            connection.execute(text("DROP TRIGGER audit_entries_changed"))
        connection.execute(text("UPDATE audit_entries SET what = 'x' WHERE seq = 2"))
    changed = {one["app"]: one for one in platform.client.get("/v1/audit/verification").json()["apps"]}
    assert changed["gateway"]["fault"]["seq"] == 2
    assert changed["registry"]["intact"]
    anchor = changed["registry"]["head"]
    for hash, intact in ((anchor["hash"], True), ("0" * 64, False)):
        told = {"anchor": f"registry:{anchor['seq']}:{hash}"}
        apps = platform.client.get("/v1/audit/verification", params=told).json()["apps"]
        assert {one["app"]: one["intact"] for one in apps}["registry"] is intact
    assert platform.client.get("/v1/audit/verification", params={"anchor": "x"}).status_code == 422


def test_when_nobody_can_be_asked_it_is_said(tmp_path):
    with gateway(tmp_path, registry_url=nobody_there()) as made:
        answer = made.client.get("/v1/audit", params={"app": "registry"})
    assert answer.status_code == 503
