"""Deny by default: every operation of every app, called directly."""

import json
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from hedgerow_kit import db
from hedgerow_kit.auth import PERMISSIONS

from tests.gateway.servers import gateway
from tests.support.apps import made
from tests.support.http import running
from tests.support.identity import identity
from tests.support.platform import ROOT

APPS = ("registry", "network", "outcomes")
OPEN = {"/healthz", "/readyz"}
# Questions too long for an address: they are posted, and nothing is kept of them.
QUESTIONS = {"/v1/evaluations/difference-in-differences", "/v1/intervals"}


def operations(app):
    document = json.loads((ROOT / "services" / app / "openapi.json").read_bytes())
    return [
        (method.upper(), re.sub(r"{[^}]+}", "x", path))
        for path, methods in document["paths"].items()
        for method in methods
        if path not in OPEN
    ]


@pytest.fixture
def client(app, made_databases):
    with running(made(app, made_databases.migrated(f"hedgerow_{app}"))) as client:
        yield client


def called(client, method, path, headers):
    return client.request(
        method, path, headers={"Content-Type": "application/json", **headers}, content=b"{}"
    )


@pytest.mark.parametrize("app", APPS)
def test_nobody_gets_in_without_an_identity_for_this_app(app, client):
    others = [other for other in ("registry", "network", "outcomes", "gateway") if other != app]
    strangers = [
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic YTpi"},
        {"X-User": "root"},
        *map(identity, others),
    ]
    for method, path in operations(app):
        for headers in strangers:
            answer = called(client, method, path, headers)
            assert answer.status_code == 401, f"{method} {path} {answer.status_code}"
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("app", APPS)
def test_a_reader_writes_nothing_and_nothing_answers_500(app, client):
    for method, path in operations(app):
        answer = called(client, method, path, identity(app, role="reader"))
        # 503: network has nobody to follow here.
        assert answer.status_code < 500 or answer.status_code == 503, f"{method} {path} {answer.text}"
        if method != "GET" and path not in QUESTIONS:
            assert answer.status_code == 403, f"{method} {path} {answer.status_code}"


@pytest.mark.parametrize("app", APPS)
def test_a_role_that_nobody_knows_may_do_nothing(app, client):
    for method, path in operations(app):
        assert called(client, method, path, identity(app, role="emperor")).status_code == 403


def listed():
    """The rows of access.txt: app, method, path and the permission it asks for."""
    lines = (Path(__file__).parent / "access.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return [(app, method, path, permission) for app, method, permission, path in rows]


LISTED = listed()
ROLES = [*sorted(PERMISSIONS), "emperor"]


@pytest.mark.parametrize("app", [*APPS, "gateway"])
def test_every_route_is_listed_with_who_may_use_it_and_nothing_else_is(app):
    document = json.loads((ROOT / "services" / app / "openapi.json").read_bytes())
    there = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "put", "post", "delete", "patch")
    }
    rows = [(method, path) for of, method, path, _ in LISTED if of == app]
    assert len(rows) == len(set(rows))
    assert there - set(rows) == set(), (
        "add these to tests/contracts/access.txt, with the permission they ask for"
    )
    assert set(rows) - there == set(), "take these out of tests/contracts/access.txt"


@pytest.fixture
def at_door(app, tmp_path, made_databases):
    """Calls an app as a role does, and says the status."""
    if app != "gateway":
        with running(made(app, made_databases.migrated(f"hedgerow_{app}"))) as client:
            yield lambda method, path, role: called(client, method, path, identity(app, role=role))
        return
    with gateway(tmp_path) as running_one:
        keys = {
            role: running_one.client.post(
                "/v1/keys", json={"name": role, "roles": [role], "authorities": ["*"]}
            ).json()["key"]
            for role in PERMISSIONS
        }
        with running_one.stranger() as client:
            yield lambda method, path, role: called(
                client, method, path, {"Authorization": f"Bearer {keys[role]}"} if role in keys else {}
            )


@pytest.mark.parametrize("app", [*APPS, "gateway"])
# What a role may do does not hang on the database.
@pytest.mark.parametrize("dialect", ["sqlite"])
def test_each_role_may_what_its_permissions_say_on_every_route_and_nothing_more(app, at_door):
    cells = 0
    for of, method, pattern, permission in LISTED:
        path = re.sub(r"{[^}]+}", "x", pattern)
        for role in ROLES if of == app else ():
            status = at_door(method, path, role).status_code
            if permission == "-":
                assert status not in (401, 403) or path == "/auth/session", f"{role} {method} {path} {status}"
            elif permission in PERMISSIONS.get(role, ()):
                assert status not in (401, 403), f"{role} {method} {path} {status}"
            else:
                nobody = app == "gateway" and role not in PERMISSIONS
                assert status == (401 if nobody else 403), f"{role} {method} {path} {status}"
            assert status != 500, f"{role} {method} {path}"
            cells += 1
    assert cells == len(ROLES) * sum(of == app for of, *_ in LISTED)


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("dialect", ["sqlite"])
def test_no_route_holds_a_connection_to_read_while_it_waits_for_one_to_write(app, made_databases):
    """As many of them as there are connections would wait for one another."""
    held = {}
    for route in iter_route_contexts(made(app, made_databases.migrated(f"hedgerow_{app}")).routes):
        if isinstance(route.original_route, APIRoute):
            asked = set(depended_on(route.original_route.dependant))
            held[route.path, *route.methods] = {db._reading, db._writing} & asked
    assert {db._reading} in held.values()
    assert {db._writing} in held.values()
    assert [place for place, sessions in held.items() if len(sessions) > 1] == []


def depended_on(dependant):
    for one in dependant.dependencies:
        yield one.call
        yield from depended_on(one)
