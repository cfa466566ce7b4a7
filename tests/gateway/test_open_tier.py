"""What anyone may read without a key, and no more than that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hedgerow_gateway.api.access_tokens import AccessTokens
from hedgerow_gateway.api.credentials import Credentials
from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.store.signing import Keyring
from hedgerow_kit.auth import Principal, Verifier
from hedgerow_kit.db import Database

from tests.gateway.servers import App, Gateway


def asker(behind: Gateway, app: App) -> Principal:
    """Who the app was told had asked last."""
    token = dict(app.last["headers"])["authorization"].removeprefix("Bearer ")
    jwks = behind.client.get("/.well-known/jwks.json").json()
    return Verifier(jwks, audience="registry").principal(token)


@pytest.mark.parametrize("path", ["/hsds", "/hsds/", "/hsds/services?page=2", "/hsds/services/1"])
def test_the_feed_is_read_without_a_key(behind: Gateway, app: App, path: str) -> None:
    with behind.stranger() as anybody:
        answer = anybody.get(path)
    assert answer.status_code == 200
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    who = asker(behind, app)
    assert (who.subject, who.roles, who.authorities) == ("open", {"open"}, frozenset())


def test_a_key_that_is_sent_along_makes_no_difference(behind: Gateway, app: App) -> None:
    for key in (behind.client.headers["authorization"], "Bearer nonsense", "Basic YTpi"):
        answer = behind.client.get("/hsds/services", headers={"Authorization": key})
        assert answer.status_code == 200
        assert asker(behind, app).roles == {"open"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_is_to_read_only(behind: Gateway, app: App, method: str) -> None:
    with behind.stranger() as anybody:
        answer = anybody.request(method, "/hsds/services", content=b"{}" if method == "POST" else None)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert app.seen == []


def test_a_browser_that_asks_first_may_come_from_anywhere(behind: Gateway, app: App) -> None:
    asked = {"Origin": "https://page.example", "Access-Control-Request-Headers": "if-none-match"}
    with behind.stranger() as anybody:
        answer = anybody.options("/hsds/services", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert app.seen == []


@pytest.mark.parametrize(
    "path", ["/v1/services", "/v1/changes", "/hsdsx", "/hsds%2f..%2fv1", "/hsds/../v1/services"]
)
def test_nothing_beside_the_feed_is_open(behind: Gateway, app: App, path: str) -> None:
    with behind.stranger() as anybody:
        answer = anybody.get(path)
    assert answer.status_code in (400, 401, 404)
    assert "access-control-allow-origin" not in answer.headers
    assert app.seen == []


def test_an_app_that_is_down_is_said_to_any_origin(lone: Gateway) -> None:
    answer = lone.client.get("/hsds/services")
    assert answer.status_code == 503
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_open_identity_is_made_anew_before_it_runs_out(database: Database, tmp_path: Path) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    keyring = Keyring(tmp_path, clock=lambda: now.timestamp())
    credentials = Credentials(database, AccessTokens(keyring, "http://hedgerow.test"))
    identities = Identities(credentials, keyring, now=lambda: now)
    first = identities.open_token(app="registry")
    now += timedelta(minutes=2)
    assert identities.open_token(app="registry") == first
    now += timedelta(minutes=3)
    verifier = Verifier(keyring.jwks, audience="registry", clock=lambda: now.timestamp())
    assert verifier.principal(identities.open_token(app="registry")).subject == "open"


def test_the_pipeline_is_for_anybody_and_a_key_shows_who_asks(behind: Gateway, app: App) -> None:
    with behind.stranger() as anybody:
        assert anybody.get("/v1/pipeline").status_code == 200
        assert asker(behind, app).roles == {"open"}
        assert anybody.put("/v1/pipeline/1", json={}).status_code == 401
    assert behind.client.get("/v1/pipeline").status_code == 200
    assert asker(behind, app).roles == {"administrator"}
    wrong = {"Authorization": "Bearer nonsense"}
    assert behind.client.get("/v1/pipeline", headers=wrong).status_code == 401
