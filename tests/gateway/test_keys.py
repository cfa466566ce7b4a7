"""Keys: given out once, kept as a hash, refused when over."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hedgerow_gateway import actions
from hedgerow_gateway.store import keys
from hedgerow_kit.db import Database
from sqlalchemy import text

from tests.gateway.servers import App, Gateway, gateway, serving, wait_until
from tests.support.databases import Databases


@pytest.fixture
def url(made_databases: Databases) -> str:
    return made_databases.migrated("hedgerow_gateway")


@pytest.fixture
def made(url: str, tmp_path: Path, app: App) -> Iterator[Gateway]:
    with serving(app) as address, gateway(tmp_path, database_url=url, registry_url=address) as running:
        yield running


def give(made: Gateway, **changes: Any) -> dict[str, Any]:
    wanted = {"name": "council feed", "roles": ["reader"], "authorities": ["E08000009"]} | changes
    answer = made.client.post("/v1/keys", json=wanted)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def status(made: Gateway, key: str, path: str = "/v1/areas") -> int:
    with made.stranger() as stranger:
        return stranger.get(path, headers={"Authorization": f"Bearer {key}"}).status_code


def test_a_key_is_shown_once_and_opens_the_door(made: Gateway, app: App) -> None:
    given = give(made)
    assert given["key"].startswith(f"hedgerow_{given['id']}_")
    assert status(made, given["key"]) == 200
    one = made.client.get(f"/v1/keys/{given['id']}").json()
    assert "key" not in one
    assert given["key"].startswith(one["prefix"])
    assert one["name"] == "council feed"
    assert one["roles"] == ["reader"]
    assert one["authorities"] == ["E08000009"]
    assert given["key"] not in made.client.get("/v1/keys").text


def test_the_identity_carries_the_keys_roles_and_authorities(made: Gateway, app: App) -> None:
    import jwt

    given = give(made, roles=["commissioner", "reader"], authorities=["E08000009", "E08000003"])
    status(made, given["key"])
    token = dict(app.last["headers"])["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == f"key:{given['id']}"
    assert claims["roles"] == ["commissioner", "reader"]
    assert claims["authorities"] == ["E08000003", "E08000009"]


def test_only_the_hash_is_kept(made: Gateway, url: str, tmp_path: Path) -> None:
    given = give(made)
    status(made, given["key"])
    secret = given["key"].split("_", 2)[2]
    database = Database(url)
    with database.reading() as session:
        rows = [str(row) for row in session.execute(text("SELECT * FROM api_keys"))]
    database.dispose()
    assert len(rows) == 4
    for row in rows:
        assert secret not in row
        assert made.key.split("_", 2)[2] not in row
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".key":
            assert secret.encode() not in path.read_bytes()


def test_a_revoked_key_is_refused_here_at_once_and_everywhere_within_five_seconds(
    made: Gateway, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = give(made)
    with gateway(tmp_path_factory.mktemp("replica"), database_url=url) as replica:
        assert status(made, given["key"]) == 200
        assert status(replica, given["key"]) == 503
        assert made.client.delete(f"/v1/keys/{given['id']}").status_code == 204
        revoked = time.monotonic()
        assert status(made, given["key"]) == 401
        wait_until(lambda: status(replica, given["key"]) == 401, seconds=5)
        assert time.monotonic() - revoked <= 5
    again = made.client.delete(f"/v1/keys/{given['id']}")
    assert again.status_code == 204
    assert made.client.get(f"/v1/keys/{given['id']}").json()["revoked_at"] is not None


def test_a_key_ends_when_it_says(made: Gateway) -> None:
    # Long enough for a busy machine to create the key and use it once before it ends.
    ends = datetime.now(UTC) + timedelta(seconds=8)
    given = give(made, expires_at=ends.isoformat())
    assert status(made, given["key"]) == 200
    wait_until(lambda: status(made, given["key"]) == 401, seconds=30)
    assert datetime.now(UTC) >= ends


def test_the_use_of_a_key_is_noted_to_the_hour(made: Gateway) -> None:
    given = give(made)
    assert made.client.get(f"/v1/keys/{given['id']}").json()["last_used_at"] is None
    status(made, given["key"])
    used = datetime.fromisoformat(made.client.get(f"/v1/keys/{given['id']}").json()["last_used_at"])
    assert (used.minute, used.second, used.microsecond) == (0, 0, 0)
    assert timedelta(0) <= datetime.now(UTC) - used < timedelta(hours=1, minutes=1)


def test_a_wrong_secret_with_a_known_id_is_refused_alike(made: Gateway) -> None:
    given = give(made)
    _, identifier, secret = given["key"].split("_", 2)
    other = "A" if secret[0] != "A" else "B"
    wrong = [
        f"hedgerow_{identifier}_{other}{secret[1:]}",
        f"hedgerow_{identifier}_{secret[:-1]}",
        f"hedgerow_{identifier}_{secret}x",
        f"hedgerow_{identifier.upper()}_{secret}",
        f"Hedgerow_{identifier}_{secret}",
        f"hedgerow_{'0' * 16}_{secret}",
        given["prefix"],
    ]
    with made.stranger() as stranger:
        answers = {
            stranger.get("/v1/areas", headers={"Authorization": f"Bearer {key}"}).text for key in wrong
        }
        answers.add(stranger.get("/v1/areas").text)
    assert len(answers) == 1
    assert json.loads(answers.pop())["status"] == 401


@pytest.mark.parametrize("role", ["reader", "coordinator", "system", "commissioner"])
def test_only_an_administrator_manages_keys(made: Gateway, role: str) -> None:
    given = give(made, roles=[role], authorities=["*"])
    with made.stranger() as other:
        other.headers["Authorization"] = f"Bearer {given['key']}"
        wanted = {"name": "mine", "roles": ["administrator"], "authorities": ["*"]}
        assert other.post("/v1/keys", json=wanted).status_code == 403
        assert other.get("/v1/keys").status_code == 403
        assert other.get(f"/v1/keys/{given['id']}").status_code == 403
        assert other.delete(f"/v1/keys/{given['id']}").status_code == 403


def test_an_administrator_of_one_authority_does_not_manage_keys(made: Gateway) -> None:
    given = give(made, roles=["administrator"], authorities=["E08000009"])
    assert status(made, given["key"], "/v1/keys") == 403


def test_the_last_administrator_key_cannot_be_taken_back(made: Gateway) -> None:
    own = made.key.split("_")[1]
    answer = made.client.delete(f"/v1/keys/{own}")
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("last-administrator")
    second = give(made, name="second", roles=["administrator"], authorities=["*"])
    assert made.client.delete(f"/v1/keys/{own}").status_code == 204
    assert status(made, made.key, "/v1/keys") == 401
    assert status(made, second["key"], "/v1/keys") == 200


def test_the_list_is_paged_in_the_order_of_making(made: Gateway) -> None:
    names = [give(made, name=f"key {number}")["name"] for number in range(5)]
    found: list[str] = []
    path: str | None = "/v1/keys?limit=3"
    while path is not None:
        answer = made.client.get(path)
        assert len(answer.json()["items"]) <= 3
        found += [item["name"] for item in answer.json()["items"]]
        following = answer.links.get("next")
        path = following["url"] if following else None
        assert (answer.json()["next"] is None) == (path is None)
    assert found[3:] == names
    assert set(found[:3]) == {actions.FIRST_KEY_NAME, "network app", "outcomes app"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"roles": ["king"]}, "/roles"),
        ({"roles": []}, "/roles"),
        ({"authorities": []}, "/authorities"),
        ({"authorities": ["E0800009"]}, "/authorities"),
        ({"authorities": ["*", "E08000009"]}, "/authorities"),
        ({"authorities": ["everywhere"]}, "/authorities"),
        ({"name": "   "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": 5}, "/name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"id": "0123456789abcdef"}, "/id"),
        ({"sha256": "0" * 64}, "/sha256"),
        ({"revoked_at": None}, "/revoked_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_name(lone: Gateway, changes: Any, place: str) -> None:
    wanted = {"name": "x", "roles": ["reader"], "authorities": ["*"]} | changes
    answer = lone.client.post("/v1/keys", json=wanted)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert place in [error["pointer"] for error in answer.json()["errors"]]


def test_a_new_key_is_never_cached(lone: Gateway) -> None:
    assert (
        lone.client.post("/v1/keys", json={"name": "x", "roles": ["reader"], "authorities": ["*"]}).headers[
            "cache-control"
        ]
        == "no-store"
    )


@pytest.mark.parametrize("identifier", ["nothing", "0" * 16, "%00", "a" * 500, "..%20"])
def test_a_key_that_is_not_there_is_a_404_or_a_400(lone: Gateway, identifier: str) -> None:
    for method in ("GET", "DELETE"):
        answer = lone.client.request(method, f"/v1/keys/{identifier}")
        assert answer.status_code in (400, 404)
        assert answer.headers["content-type"] == "application/problem+json"


def test_what_the_keys_do_not_take_is_a_405_or_a_422(lone: Gateway) -> None:
    assert lone.client.put("/v1/keys", json={}).status_code == 405
    assert lone.client.get("/v1/keys?colour=red").status_code == 422
    assert lone.client.get("/v1/keys?limit=0").status_code == 422
    assert lone.client.get("/v1/keys?after=nonsense").status_code == 422
    assert lone.client.post("/v1/keys", content=b"name=x").status_code == 415


def test_a_key_stored_on_either_database_reads_back_with_its_times(database: Database) -> None:
    now = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    ends = datetime.fromisoformat("2026-10-25T01:30:00+01:00")
    with database.writing() as session:
        key, _ = actions.give_key(
            session, name="x", roles=["reader"], authorities=["*"], expires_at=ends, now=now
        )
        identifier = key.id
    with database.reading() as session:
        held = keys.held(session, identifier)
    assert held is not None
    assert held.expires_at == ends
