"""Signing keys that follow one another while requests go on."""

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.errors import RotationUnderWay
from hedgerow_gateway.store import signing
from hedgerow_gateway.store.signing import BELIEVED_SECONDS, LEAD_SECONDS, Keyring
from hedgerow_kit.auth import LONGEST_LIFE_S, Principal, Verifier
from hedgerow_kit.problems import Problem

from tests.gateway.servers import App, Gateway, gateway, reply, serving, wait_until
from tests.support.databases import Databases

WHO = Principal("key:1", frozenset({"reader"}), frozenset({"*"}))


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(tmp_path: Path, clock: Clock) -> Keyring:
    return Keyring(tmp_path, clock=clock)


def published(folder: Path) -> list[str]:
    jwks = json.loads((folder / "identity.jwks.json").read_bytes())
    return [key["kid"] for key in jwks["keys"]]


def test_a_new_key_is_published_then_signs_and_the_old_one_goes_when_nothing_of_it_is_good(
    ring: Keyring, clock: Clock, tmp_path: Path
) -> None:
    other = Keyring(tmp_path, clock=clock)
    verifier = Verifier(tmp_path / "identity.jwks.json", audience="registry", clock=clock)
    old = ring.key_id
    new = ring.rotate().signer.key_id
    assert published(tmp_path) == [old, new]
    began = clock.now
    signed_by: list[str] = []
    while clock.now < began + LEAD_SECONDS + BELIEVED_SECONDS:
        clock.now += 5
        for one in (ring, other):
            assert verifier.principal(one.token(WHO, audience="registry")).subject == "key:1"
            assert one.key_id == (new if clock.now >= began + LEAD_SECONDS else old)
            signed_by.append(one.key_id)
        assert new in published(tmp_path)
    assert set(signed_by) == {old, new}
    assert published(tmp_path) == [new]
    assert [path.name for path in tmp_path.glob("*.key")] == [f"signing-{int(began) + LEAD_SECONDS}.key"]
    with pytest.raises(KeyError):
        other.public_key(old)


def test_the_last_token_of_the_old_key_is_good_until_its_own_end(
    ring: Keyring, clock: Clock, tmp_path: Path
) -> None:
    verifier = Verifier(tmp_path / "identity.jwks.json", audience="registry", clock=clock)
    ring.rotate()
    clock.now += LEAD_SECONDS - 1
    last = ring.token(WHO, audience="registry")
    clock.now += LONGEST_LIFE_S - 1
    ring.refresh()
    assert verifier.principal(last).subject == "key:1"
    assert BELIEVED_SECONDS > LONGEST_LIFE_S


def test_a_second_rotation_waits_for_the_first(ring: Keyring, clock: Clock) -> None:
    ring.rotate()
    with pytest.raises(RotationUnderWay):
        ring.rotate()
    clock.now += LEAD_SECONDS
    ring.rotate()
    assert len(ring.believed()) == 3


def test_a_key_that_leaked_is_believed_no_longer_at_once(ring: Keyring, clock: Clock, tmp_path: Path) -> None:
    other = Keyring(tmp_path, clock=clock)
    verifier = Verifier(tmp_path / "identity.jwks.json", audience="registry", clock=clock)
    forged = ring.token(WHO, audience="registry")
    ring.rotate()
    new = ring.rotate(at_once=True).signer.key_id
    assert published(tmp_path) == [new]
    clock.now += 5
    assert ring.key_id == other.key_id == new
    with pytest.raises(Problem):
        verifier.principal(forged)
    assert len(list(tmp_path.glob("*.key"))) == 1


def test_a_clock_that_was_put_back_makes_no_gateway_mute(ring: Keyring, clock: Clock) -> None:
    ring.rotate(at_once=True)
    clock.now -= 3600
    assert ring.token(WHO, audience="registry")


def test_a_new_key_that_others_can_read_changes_nothing(ring: Keyring, clock: Clock, tmp_path: Path) -> None:
    path = ring.rotate().path
    other = Keyring(tmp_path, clock=clock)
    later = path.with_name(f"signing-{int(clock.now) + 90}.key")
    later.write_bytes(path.read_bytes())
    later.chmod(0o644)
    clock.now += 2
    assert other.token(WHO, audience="registry")
    assert len(other.believed()) == 2


def only_key(made: Gateway) -> str | None:
    """The key that signs, once it is the only one that is believed."""
    keys = made.client.get("/v1/signing-keys").json()["items"]
    return keys[0]["id"] if len(keys) == 1 else None


def test_no_request_fails_while_keys_are_rotated_under_two_gateways(
    made_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A minute's lead and a quarter of an hour of belief, at a thirtieth of their length.
    monkeypatch.setattr(signing, "LEAD_SECONDS", 2)
    monkeypatch.setattr(signing, "BELIEVED_SECONDS", 3)
    verifier = Verifier(tmp_path / "gateway" / "identity.jwks.json", audience="registry")
    signed_by: set[str] = set()

    async def believing(scope: Any, _receive: Any, send: Any) -> None:
        """An app that answers whom it believes, as the real ones do."""
        token = dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer ")
        try:
            verifier.principal(token)
        except Problem as problem:
            await reply(send, problem.kind.status, b"{}")
            return
        signed_by.add(token.partition(".")[0])
        await reply(send, 200, b"{}")

    app = App()
    app.answers["areas"] = believing
    shared: dict[str, Any] = {
        "database_url": made_databases.migrated("hedgerow_gateway"),
        "HEDGEROW_PUBLIC_URL": "https://hedgerow.example",
    }
    statuses: list[int] = []
    stop = threading.Event()
    with (
        serving(app) as address,
        gateway(tmp_path, registry_url=address, **shared) as one,
        gateway(tmp_path, registry_url=address, **shared) as two,
    ):
        key = one.client.post(
            "/v1/keys", json={"name": "load", "roles": ["reader"], "authorities": ["*"]}
        ).json()

        def load(url: str) -> None:
            with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
                token = ""
                fresh_until = 0.0
                while not stop.is_set():
                    if time.monotonic() > fresh_until:
                        given = client.post(
                            "/oauth/token",
                            data={"grant_type": "client_credentials"},
                            auth=(key["id"], key["key"]),
                        )
                        statuses.append(given.status_code)
                        token, fresh_until = given.json()["access_token"], time.monotonic() + 1
                    for shown in (token, key["key"]):
                        answer = client.get("/v1/areas", headers={"Authorization": f"Bearer {shown}"})
                        statuses.append(answer.status_code)

        threads = [threading.Thread(target=load, args=(made.url,)) for made in (one, two)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                new = one.client.post("/v1/signing-keys", json={}).json()
                assert new["state"] == "published"
                wait_until(lambda new=new: only_key(one) == only_key(two) == new["id"])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert len(statuses) > 200
    assert set(statuses) == {200}
    assert len(signed_by) == 3


def entered(made: Gateway) -> list[str]:
    items = made.client.get("/v1/audit", params={"app": "gateway", "limit": 1000}).json()["items"]
    return [change["id"] for item in items for change in item["changes"] if change["type"] == "signing key"]


def test_a_rotation_that_was_cut_off_is_not_made_twice(lone: Gateway) -> None:
    # The file is made, and then the process ends before anything of it is written down.
    ring = lone.door._own.state.keyring
    cut_off = ring.rotate().signer.key_id
    known = len(ring.believed())
    again = lone.client.post("/v1/signing-keys", json={}, headers={"Idempotency-Key": "rotate"})
    assert (again.status_code, again.json()["id"]) == (201, cut_off)
    assert len(ring.believed()) == known
    assert entered(lone).count(cut_off) == 1
    assert lone.client.post("/v1/signing-keys", json={}).status_code == 409
    leaked = ring.rotate(at_once=True).signer.key_id
    at_once = lone.client.post("/v1/signing-keys", json={"at_once": True}).json()["id"]
    assert at_once != leaked
    assert [key.signer.key_id for key in ring.believed()] == [at_once]


def test_the_command_rotates_and_says_when(tmp_path: Path) -> None:
    def rotate(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "hedgerow_gateway", "rotate", *more],
            env=environ | {"HEDGEROW_GATEWAY_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    first = rotate("--lead", "1800")
    assert first.returncode == 0, first.stderr
    starts = datetime.strptime(first.stdout.strip()[-23:-4], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert 1700 < (starts - datetime.now(UTC)).total_seconds() <= 1800
    again = rotate()
    assert again.returncode == 2
    assert "its turn comes first" in again.stderr
    assert rotate("--at-once").returncode == 0
    assert len(published(tmp_path / "gateway")) == 1
