"""Deny by default: every operation of every app, called directly."""

import json
import re

import pytest

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
