"""What a first start leaves behind, and what a later one leaves alone."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hedgerow_gateway import actions
from hedgerow_gateway.domain.keys import digest, identifier_of, is_good
from hedgerow_gateway.errors import UnsafeFile
from hedgerow_gateway.store import keys
from hedgerow_gateway.tables import ApiKey
from hedgerow_kit import migrations
from hedgerow_kit.auth import Principal, Verifier
from hedgerow_kit.db import Database
from sqlalchemy import delete, select

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_first_start_makes_keys_that_only_the_owner_can_read(database: Database, tmp_path: Path) -> None:
    actions.prepare(database, tmp_path, now=NOW)
    for secret in ("admin.key", "network.key", "outcomes.key", "gateway/signing.key"):
        assert mode(tmp_path / secret) == 0o600
    assert mode(tmp_path / "gateway" / "identity.jwks.json") == 0o644
    published = json.loads((tmp_path / "gateway" / "identity.jwks.json").read_bytes())
    assert [key["crv"] for key in published["keys"]] == ["Ed25519"]
    assert "d" not in published["keys"][0]
    with database.reading() as session:
        roles = {key.name: (key.roles, key.authorities) for key in session.scalars(select(ApiKey))}
        for file in ("admin.key", "network.key", "outcomes.key"):
            text = (tmp_path / file).read_text().strip()
            held = keys.held(session, identifier_of(text) or "")
            assert held is not None
            assert is_good(held, digest(text), now=NOW)
    assert roles == {
        actions.FIRST_KEY_NAME: (["administrator"], ["*"]),
        "network app": (["follower"], ["*"]),
        "outcomes app": (["follower"], ["*"]),
    }


def test_a_second_start_changes_nothing(database: Database, tmp_path: Path) -> None:
    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}

    actions.prepare(database, tmp_path, now=NOW)
    before = everything()
    actions.prepare(database, tmp_path, now=NOW)
    assert everything() == before
    with database.reading() as session:
        assert len(session.scalars(select(ApiKey)).all()) == 3


def test_an_administrator_key_that_was_put_away_is_not_made_again(database: Database, tmp_path: Path) -> None:
    actions.prepare(database, tmp_path, now=NOW)
    (tmp_path / "admin.key").unlink()
    actions.prepare(database, tmp_path, now=NOW)
    assert not (tmp_path / "admin.key").exists()


def test_an_empty_database_beside_old_files_gets_new_keys(database: Database, tmp_path: Path) -> None:
    actions.prepare(database, tmp_path, now=NOW)
    before = [(tmp_path / name).read_text() for name in ("admin.key", "network.key", "outcomes.key")]
    with database.writing() as session:
        session.execute(delete(ApiKey))
    actions.prepare(database, tmp_path, now=NOW)
    after = [(tmp_path / name).read_text() for name in ("admin.key", "network.key", "outcomes.key")]
    assert not set(before) & set(after)


@pytest.mark.parametrize("content", [None, "", "nonsense", "hedgerow_0123456789abcdef_" + "a" * 43])
def test_a_lost_network_key_is_replaced_and_that_of_another_replica_still_holds(
    database: Database, tmp_path: Path, content: str | None
) -> None:
    actions.prepare(database, tmp_path, now=NOW)
    path = tmp_path / "network.key"
    old = identifier_of(path.read_text().strip())
    path.unlink()
    if content is not None:
        path.write_text(content)
    actions.prepare(database, tmp_path, now=NOW)
    new = identifier_of(path.read_text().strip())
    assert new not in (None, old)
    with database.reading() as session:
        lost = keys.held(session, old or "")
        assert lost is not None
        assert lost.revoked_at is None


def test_a_signing_key_that_others_can_read_is_refused(database: Database, tmp_path: Path) -> None:
    actions.prepare(database, tmp_path, now=NOW)
    (tmp_path / "gateway" / "signing.key").chmod(0o644)
    with pytest.raises(UnsafeFile, match="0600"):
        actions.prepare(database, tmp_path, now=NOW)


def test_identities_outlive_a_restart(database: Database, tmp_path: Path) -> None:
    before = actions.prepare(database, tmp_path, now=NOW)
    after = actions.prepare(database, tmp_path, now=NOW)
    token = before.token(Principal("key:1", frozenset({"reader"}), frozenset({"*"})), audience="registry")
    verifier = Verifier(after.jwks, audience="registry")
    assert verifier.principal(token).subject == "key:1"


def test_two_gateways_that_start_at_once_sign_with_one_key(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "hedgerow_gateway", "prepare"],
            env=os.environ | {"HEDGEROW_GATEWAY_DATA_DIR": str(tmp_path)},
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    key = tmp_path / "gateway" / "signing.key"
    assert key.exists()
    assert not list(tmp_path.rglob(".signing.key.*"))
    assert len(json.loads((tmp_path / "gateway" / "identity.jwks.json").read_bytes())["keys"]) == 1


def test_the_key_command_makes_a_key_that_is_good(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "hedgerow_gateway", "key", "--name", "rescue", "--role", "administrator"],
        env=os.environ | {"HEDGEROW_GATEWAY_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    text = made.stdout.strip()
    database = Database(f"sqlite:///{tmp_path / 'gateway' / 'gateway.db'}")
    with database.reading() as session:
        held = keys.held(session, identifier_of(text) or "")
    database.dispose()
    assert held is not None
    assert is_good(held, digest(text), now=datetime.now(UTC))


def test_the_tables_are_what_the_migrations_make(database: Database) -> None:
    migrations.check(database, "hedgerow_gateway")


def test_the_migrations_go_down_and_up_over_rows(database: Database, tmp_path: Path) -> None:
    actions.prepare(database, tmp_path, now=NOW)
    migrations.downgrade(database, "hedgerow_gateway", "base")
    migrations.upgrade(database, "hedgerow_gateway")
    actions.prepare(database, tmp_path, now=NOW)
    with database.reading() as session:
        assert len(session.scalars(select(ApiKey)).all()) == 3
