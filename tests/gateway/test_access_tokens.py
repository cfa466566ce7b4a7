"""Systems that show their key once and come back with an access token."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hedgerow_gateway.api.access_tokens import AUDIENCE, KIND, LIFE_S
from hedgerow_gateway.domain import grants
from hedgerow_gateway.domain.grants import Grant, TooWide, narrowed
from hedgerow_kit.auth import ISSUER, PERMISSIONS, Verifier

from tests.gateway.servers import App, Gateway, gateway, serving, wait_until
from tests.support import forgeries
from tests.support.databases import Databases

AUTHORITIES = ["E08000001", "E08000009"]


@pytest.fixture(scope="module")
def seen_by() -> App:
    return App()


@pytest.fixture(scope="module")
def made(seen_by: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with (
        serving(seen_by) as address,
        gateway(tmp_path_factory.mktemp("oauth"), registry_url=address) as running,
    ):
        yield running


def give(made: Gateway, **changes: Any) -> dict[str, Any]:
    wanted = {"name": "directory", "roles": ["system"], "authorities": AUTHORITIES} | changes
    answer = made.client.post("/v1/keys", json=wanted)
    assert answer.status_code == 201, answer.text
    given: dict[str, Any] = answer.json()
    return given


@pytest.fixture(scope="module")
def client(made: Gateway) -> dict[str, Any]:
    return give(made)


def ask(made: Gateway, client: dict[str, Any] | None, headers: Any = None, **form: str) -> httpx.Response:
    """Ask for a token, by HTTP Basic unless the form says who asks."""
    with made.stranger() as stranger:
        return stranger.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"} | form,
            auth=(client["id"], client["key"]) if client else None,
            headers=headers,
        )


def reading(made: Gateway, token: str, path: str = "/v1/areas") -> httpx.Response:
    with made.stranger() as stranger:
        return stranger.get(path, headers={"Authorization": f"Bearer {token}"})


def identity(made: Gateway, app: App) -> Any:
    sent = dict(app.last["headers"])["authorization"].removeprefix("Bearer ")
    keys = made.data_dir / "gateway" / "identity.jwks.json"
    return Verifier(keys, audience="registry").principal(sent)


def test_a_token_opens_what_its_key_opens(made: Gateway, client: dict[str, Any], seen_by: App) -> None:
    answer = ask(made, client)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert given["token_type"] == "Bearer"
    assert given["expires_in"] == LIFE_S <= 900
    assert given["scope"] == "system authority:E08000001 authority:E08000009"
    assert reading(made, given["access_token"]).status_code == 200
    who = identity(made, seen_by)
    assert who.subject == f"key:{client['id']}"
    assert (who.roles, who.authorities) == ({"system"}, set(AUTHORITIES))
    assert made.client.get(f"/v1/keys/{client['id']}").json()["last_used_at"] is not None


def test_the_client_may_stand_in_the_form(made: Gateway, client: dict[str, Any]) -> None:
    answer = ask(made, None, client_id=client["id"], client_secret=client["key"])
    assert answer.status_code == 200
    assert reading(made, answer.json()["access_token"]).status_code == 200


def test_a_token_is_an_rfc_9068_one_that_the_published_keys_verify(
    made: Gateway, client: dict[str, Any]
) -> None:
    with made.stranger() as stranger:
        about = stranger.get("/.well-known/oauth-authorization-server").json()
        keys = stranger.get("/.well-known/jwks.json")
    token = ask(made, client).json()["access_token"]
    head = jwt.get_unverified_header(token)
    assert (head["alg"], head["typ"]) == ("EdDSA", "at+jwt")
    key = jwt.PyJWKSet(keys.json()["keys"])[head["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=about["issuer"])
    assert claims["client_id"] == client["id"]
    assert claims["exp"] - claims["iat"] == LIFE_S
    assert about["token_endpoint"] == f"{about['issuer']}/oauth/token"
    assert about["jwks_uri"] == f"{about['issuer']}/.well-known/jwks.json"
    assert "max-age=30" in keys.headers["cache-control"]


def test_a_token_for_less_carries_less(made: Gateway, client: dict[str, Any], seen_by: App) -> None:
    given = ask(made, client, scope="reader authority:E08000009").json()
    assert given["scope"] == "reader authority:E08000009"
    assert reading(made, given["access_token"]).status_code == 200
    who = identity(made, seen_by)
    assert (who.roles, who.authorities) == ({"reader"}, {"E08000009"})


@pytest.mark.parametrize(
    "scope",
    [
        "administrator",
        "commissioner",
        "reader administrator",
        "emperor",
        "authority:E06000001",
        "authority:*",
        "authority:",
        "reader authority:E0800009",
        "*",
        "read",
        "é",
    ],
)
def test_a_scope_beyond_the_key_is_refused(made: Gateway, client: dict[str, Any], scope: str) -> None:
    answer = ask(made, client, scope=scope)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_scope"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("role", sorted(PERMISSIONS))
@pytest.mark.parametrize("asked", sorted(PERMISSIONS))
def test_no_scope_may_do_more_than_the_role_it_comes_from(role: str, asked: str) -> None:
    try:
        got = narrowed(Grant((role,), ("*",)), asked, PERMISSIONS)
    except TooWide:
        assert not PERMISSIONS[asked] <= PERMISSIONS[role]
    else:
        assert PERMISSIONS[got.roles[0]] <= PERMISSIONS[role]
        assert got.authorities == (grants.ALL_AUTHORITIES,)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}


def test_what_is_wrong_with_a_request_is_said_as_rfc_6749_wants_it(
    made: Gateway, client: dict[str, Any]
) -> None:
    name, secret = client["id"], client["key"]
    grant = {"grant_type": "client_credentials"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    good = basic(f"{name}:{secret}")
    other = give(made)
    cases: list[tuple[str, int, str, dict[str, Any]]] = [
        ("no grant", 400, "invalid_request", {"data": {"scope": "reader"}, "headers": good}),
        (
            "another grant",
            400,
            "unsupported_grant_type",
            {"data": {"grant_type": "password"}, "headers": good},
        ),
        ("twice", 400, "invalid_request", {"content": "grant_type=a&grant_type=a", "headers": good | form}),
        ("JSON", 400, "invalid_request", {"json": grant, "headers": good}),
        ("no UTF-8", 400, "invalid_request", {"content": "grant_type=%ff", "headers": good | form}),
        ("no ASCII", 400, "invalid_request", {"content": "grant_type=é".encode(), "headers": good | form}),
        ("much", 400, "invalid_request", {"content": b"a=" + b"x" * 20_000, "headers": good | form}),
        ("many", 400, "invalid_request", {"content": "a=1&" * 100, "headers": good | form}),
        ("two ways", 400, "invalid_request", {"data": grant | {"client_secret": secret}, "headers": good}),
        ("two ids", 400, "invalid_request", {"data": grant | {"client_id": other["id"]}, "headers": good}),
        ("nobody", 401, "invalid_client", {"data": grant}),
        ("an id only", 401, "invalid_client", {"data": grant | {"client_id": name}}),
        ("wrong", 401, "invalid_client", {"data": grant, "headers": basic(f"{name}:{secret[:-1]}x")}),
        ("mixed", 401, "invalid_client", {"data": grant, "headers": basic(f"{name}:{other['key']}")}),
        ("NUL", 401, "invalid_client", {"data": grant, "headers": basic(f"\0:{secret}")}),
        ("no colon", 401, "invalid_client", {"data": grant, "headers": basic(name)}),
        ("no base64", 401, "invalid_client", {"data": grant, "headers": {"Authorization": "Basic %"}}),
        ("Bearer", 401, "invalid_client", {"data": grant, "headers": {"Authorization": f"Bearer {secret}"}}),
    ]
    with made.stranger() as stranger:
        for case, status, error, options in cases:
            answer = stranger.post("/oauth/token", **options)
            assert (answer.status_code, answer.json().get("error")) == (status, error), case
            assert answer.headers["cache-control"] == "no-store", case
            assert ("www-authenticate" in answer.headers) == (status == 401), case
            assert secret not in answer.text, case
        assert stranger.get("/oauth/token").status_code == 405


def test_a_token_ends_no_later_than_its_key(made: Gateway) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=60)
    assert ask(made, give(made, expires_at=ends.isoformat())).json()["expires_in"] <= 60


def test_a_revoked_client_and_its_tokens_are_refused_by_every_gateway_within_five_seconds(
    made_databases: Databases, tmp_path: Path, app: App
) -> None:
    url = made_databases.migrated("hedgerow_gateway")
    shared: dict[str, Any] = {"database_url": url, "HEDGEROW_PUBLIC_URL": "https://hedgerow.example"}
    with (
        serving(app) as address,
        gateway(tmp_path, registry_url=address, **shared) as one,
        gateway(tmp_path, registry_url=address, **shared) as two,
    ):
        client = give(one)
        token = ask(one, client).json()["access_token"]
        # Given out by one gateway, known at the other.
        assert reading(two, token).status_code == reading(one, token).status_code == 200
        assert reading(two, client["key"]).status_code == 200
        assert one.client.delete(f"/v1/keys/{client['id']}").status_code == 204
        revoked = time.monotonic()
        assert reading(one, token).status_code == reading(one, client["key"]).status_code == 401
        wait_until(lambda: reading(two, token).status_code == 401, seconds=5)
        wait_until(lambda: reading(two, client["key"]).status_code == 401, seconds=5)
        assert time.monotonic() - revoked < 5
        assert ask(two, client).status_code == 401


def attacks(made: Gateway, client: dict[str, Any]) -> dict[str, forgeries.Forgery]:
    key = serialization.load_pem_private_key(
        (made.data_dir / "gateway" / "signing.key").read_bytes(), password=None
    )
    token = ask(made, client).json()["access_token"]
    good = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    header = {"alg": "EdDSA", "kid": kid, "typ": KIND}

    def changed(**claims: Any) -> str:
        return forgeries.signed(key, header, {k: v for k, v in (good | claims).items() if v is not ...})

    assert reading(made, changed()).status_code == 200, "the token that the attacks are made from is good"
    identity = good | {"iss": ISSUER, "aud": "registry", "roles": ["administrator"], "authorities": ["*"]}
    assert not isinstance(key, (str, bytes))
    return forgeries.forgeries(key, kid, good, kind=KIND) | {  # type: ignore[arg-type]
        "client_id missing": changed(client_id=...),
        "client_id of nobody": changed(client_id="0" * 16),
        "client_id with NUL": changed(client_id=f"{client['id']}\0"),
        "client_id a number": changed(client_id=1),
        "client_id a list": changed(client_id=[client["id"]]),
        "scope missing": changed(scope=...),
        "scope a list": changed(scope=["system"]),
        "scope beyond the key": changed(scope="administrator"),
        "scope of another authority": changed(scope="system authority:E06000001"),
        "scope of all authorities": changed(scope="system authority:*"),
        "an identity for an app": forgeries.signed(key, header | {"typ": "JWT"}, identity),
        "an identity dressed as an access token": forgeries.signed(key, header, identity),
        "a plain JWT": forgeries.signed(key, header | {"typ": "JWT"}, good),
        "a JWT without a kind": forgeries.signed(key, {"alg": "EdDSA", "kid": kid}, good),
    }


def test_no_forged_access_token_gets_past_the_door(
    made: Gateway, client: dict[str, Any], seen_by: App
) -> None:
    tried = 0
    for attack, forged in attacks(made, client).items():
        token = forged if isinstance(forged, str) else forged()
        reached = len(seen_by.seen)
        header = token.encode("utf-8", "surrogatepass")
        if not header or len(header) > 12_000 or {10, 0, 32} & {header[-1], *header}:
            continue  # no header of HTTP at all: tests/gateway/test_wire.py
        with made.stranger() as stranger:
            answer = stranger.get("/v1/areas", headers={"Authorization": b"Bearer " + header})
        assert answer.status_code == 401, attack
        assert answer.json()["title"] == "Who asks is not known", attack
        assert len(seen_by.seen) == reached, attack
        tried += 1
    assert tried >= 60


def test_an_access_token_opens_no_app_directly(made: Gateway, client: dict[str, Any]) -> None:
    from hedgerow_kit.problems import Problem

    token = ask(made, client).json()["access_token"]
    keys = made.data_dir / "gateway" / "identity.jwks.json"
    for audience in ("registry", "network", "outcomes", "gateway", AUDIENCE):
        with pytest.raises(Problem):
            Verifier(keys, audience=audience).principal(token)


def test_neither_a_key_nor_a_token_is_written_anywhere(
    made_databases: Databases, tmp_path: Path, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    from hedgerow_kit.db import Database
    from sqlalchemy import inspect, text

    caplog.set_level("DEBUG")
    url = made_databases.migrated("hedgerow_gateway")
    with serving(app) as address, gateway(tmp_path, database_url=url, registry_url=address) as made:
        client = give(made)
        token = ask(made, client).json()["access_token"]
        assert reading(made, client["key"]).status_code == reading(made, token).status_code == 200
        ask(made, {"id": client["id"], "key": client["key"][:-1] + "_"})
        reading(made, client["key"][:-1] + "_")
    secrets = [client["key"].split("_", 2)[2][:-1], token.rpartition(".")[2]]
    database = Database(url)
    with database.reading() as session:
        tables = inspect(database.engine).get_table_names()
        rows = [
            str(tuple(row)) for table in tables for row in session.execute(text(f"SELECT * FROM {table}"))
        ]
    database.dispose()
    assert any(client["id"] in row for row in rows)
    logged = [
        json.dumps(record.__dict__, default=str)
        for record in caplog.records
        if record.name.startswith("hedgerow")
    ]
    assert any("answered" in line for line in logged)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in secrets:
        assert not any(secret in line for line in (*rows, *logged))
        assert not any(secret.encode() in content for content in files)
