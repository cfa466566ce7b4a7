"""Subscriptions: made, changed, pinged, with a secret that is shown once and kept nowhere."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.actions import webhooks
from hedgerow_gateway.domain import signing
from hedgerow_gateway.store.webhook_key import load_webhook_key
from hedgerow_gateway.tables import Webhook
from sqlalchemy import text
from standardwebhooks import WebhookVerificationError

from tests.gateway.eventful import key, subscribe
from tests.gateway.receivers import receiving
from tests.gateway.servers import Gateway, gateway, wait_until
from tests.support.databases import Databases

HOSTS = frozenset({"127.0.0.1"})


@pytest.fixture
def made(made_databases: Databases, tmp_path: Path) -> Iterator[Gateway]:
    url = made_databases.migrated("hedgerow_gateway")
    with gateway(tmp_path, database_url=url, events=True, event_seconds=0.05, webhook_hosts=HOSTS) as running:
        yield running


def deliveries(client: httpx.Client, id: str, **asked: Any) -> list[Any]:
    answer = client.get(f"/v1/webhooks/{id}/deliveries", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


def test_a_ping_arrives_signed_as_standard_webhooks_says_and_its_fate_can_be_read(made: Gateway) -> None:
    client = made.client
    with receiving() as receiver:
        hook = subscribe(client, receiver.url)
        pinged = client.post(f"/v1/webhooks/{hook['id']}/ping")
        assert (pinged.status_code, pinged.json()["status"]) == (202, "waiting")
        place = pinged.headers["location"]
        wait_until(lambda: client.get(place).json()["status"] == "delivered")
        (message,) = receiver.received
        event = message.verified(hook["secret"])
        assert event["type"] == "hedgerow.ping"
        assert event["id"] == message.headers["webhook-id"] == pinged.json()["event_id"]
        assert message.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
        assert (event["specversion"], event["source"]) == ("1.0", "/gateway")
        with pytest.raises(WebhookVerificationError):
            message._replace(body=message.body.replace(b"1.0", b"1.1")).verified(hook["secret"])
        delivery = client.get(place).json()
        assert (delivery["attempts"], delivery["last_status"]) == (1, 204)
        assert client.get("/v1/events").json()["items"] == [], "a ping is nobody else's business"
        health = client.get(f"/v1/webhooks/{hook['id']}/health").json()
        assert health["deliveries"] == {"waiting": 0, "delivered": 1, "dead": 0}


def test_what_is_asked_for_is_sent_at_once(made_databases: Databases, tmp_path: Path) -> None:
    url = made_databases.migrated("hedgerow_gateway")
    # Who is woken before there is anything to be found looks again after a minute.
    with (
        gateway(tmp_path, database_url=url, events=True, event_seconds=60, webhook_hosts=HOSTS) as running,
        receiving() as receiver,
    ):
        hook = subscribe(running.client, receiver.url)
        for number in range(1, 6):
            pinged = running.client.post(f"/v1/webhooks/{hook['id']}/ping")
            wait_until(lambda number=number: len(receiver.received) == number)
            wait_until(
                lambda place=pinged.headers["location"]: (
                    running.client.get(place).json()["status"] == "delivered"
                )
            )


def test_the_signature_is_the_one_of_the_specification() -> None:
    # The example message of the specification, with HMAC-SHA256 by hand.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    made = signing.headers([secret], id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, body='{"test": 2432232314}')
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    expected = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert made["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


def test_a_secret_is_shown_once_and_stands_in_no_table(made: Gateway) -> None:
    client = made.client
    hook = subscribe(client, "https://receiver.example/hook", description="Warehouse")
    assert hook["secret"].startswith("whsec_")
    for answer in (client.get(f"/v1/webhooks/{hook['id']}"), client.get("/v1/webhooks")):
        assert "secret" not in answer.json() | (answer.json().get("items") or [{}])[0]
        assert hook["secret"].removeprefix("whsec_") not in answer.text
    with made.database.reading() as session:
        rows = session.execute(text("SELECT * FROM webhooks")).all()
    assert hook["secret"].removeprefix("whsec_")[:16] not in repr(rows)
    file = made.data_dir / "gateway" / "webhooks.key"
    assert file.stat().st_mode & 0o777 == 0o600


def test_after_a_rotation_both_secrets_are_good_for_a_day(made: Gateway) -> None:
    client = made.client
    with receiving() as receiver:
        hook = subscribe(client, receiver.url)
        rotated = client.post(f"/v1/webhooks/{hook['id']}/secret")
        assert rotated.status_code == 200
        assert rotated.headers["cache-control"] == "no-store"
        left = datetime.fromisoformat(rotated.json()["former_until"]) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
        client.post(f"/v1/webhooks/{hook['id']}/ping")
        wait_until(lambda: bool(receiver.received))
        message = receiver.received[0]
        assert rotated.json()["secret"] != hook["secret"]
        assert message.verified(rotated.json()["secret"]) == message.verified(hook["secret"])
        assert len(message.headers["webhook-signature"].split(" ")) == 2
        tomorrow = datetime.now(UTC) + timedelta(hours=24, minutes=1)
        with made.database.reading() as session:
            held = session.get(Webhook, hook["id"])
            assert held is not None
            assert webhooks.salts_of(held, now=tomorrow) == [held.salt]


def test_a_webhook_is_read_changed_and_removed_as_it_was_read(made: Gateway) -> None:
    client = made.client
    hook = subscribe(
        client, "https://receiver.example/hook", types=["hedgerow.breach.*"], areas=["E06999001"]
    )
    address = f"/v1/webhooks/{hook['id']}"
    read = client.get(address)
    assert read.json()["types"] == ["hedgerow.breach.*"]
    body = {"url": "https://receiver.example/other", "types": ["*"], "enabled": False}
    assert client.put(address, json=body).status_code == 428
    assert client.put(address, json=body, headers={"If-Match": '"x"'}).status_code == 412
    changed = client.put(address, json=body, headers={"If-Match": read.headers["etag"]})
    assert (changed.status_code, changed.json()["url"]) == (200, body["url"])
    assert changed.json()["disabled_reason"] == "an administrator disabled it"
    assert changed.headers["etag"] == client.get(address).headers["etag"] != read.headers["etag"]
    refused = client.post(f"{address}/ping")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:hedgerow:problem:webhook-disabled")
    again = client.put(address, json=body | {"enabled": True}, headers={"If-Match": changed.headers["etag"]})
    assert (again.json()["enabled"], again.json()["disabled_reason"]) == (True, None)
    assert client.delete(address, headers={"If-Match": "*"}).status_code == 204
    assert client.get(address).status_code == 404
    assert client.get("/v1/webhooks").json()["items"] == []


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"types": ["hedgerow.weather.*"]}, "/types/0"),
        ({"types": ["hedgerow.breach*"]}, "/types/0"),
        ({"types": []}, "/types"),
        ({"areas": ["E06999001", "Skerrow"]}, "/areas/1"),
        ({"authorities": ["*", "E06999001"]}, "/authorities"),
        ({"roles": ["emperor"]}, "/roles"),
        ({"roles": ["open"]}, "/roles"),
        ({"url": "http://receiver.example/"}, "/url"),
        ({"url": "https://user:word@receiver.example/"}, "/url"),
        ({"url": "https://receiver.example/#x"}, "/url"),
        ({"url": "https://"}, "/url"),
        ({"url": "https://receiver.example:99999/"}, "/url"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_with_the_place_and_the_reason(
    lone: Gateway, wrong: dict[str, Any], pointer: str
) -> None:
    body = {"url": "https://receiver.example/hook"} | wrong
    answer = lone.client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "user:word" not in answer.text
    assert "Skerrow" not in answer.text


def test_webhooks_are_for_administrators_and_reach_no_further_than_they_do(made: Gateway) -> None:
    client = made.client
    hook = subscribe(client, "https://receiver.example/hook")
    address = f"/v1/webhooks/{hook['id']}"
    for role in ("reader", "coordinator", "system", "commissioner"):
        who = key(client, role)
        assert client.get("/v1/webhooks", headers=who).status_code == 403
        assert client.post("/v1/webhooks", json={"url": "https://a.example/"}, headers=who).status_code == 403
    local = key(client, "administrator", "E06999001")
    assert client.get("/v1/webhooks", headers=local).json()["items"] == []
    for method, path in (
        *(("GET", ""), ("GET", "/health"), ("GET", "/deliveries"), ("DELETE", "")),
        *(("POST", "/ping"), ("POST", "/secret")),
    ):
        unseen = client.request(method, f"{address}{path}", headers=local | {"If-Match": "*"})
        absent = client.request(method, f"/v1/webhooks/x{path}", headers=local | {"If-Match": "*"})
        assert (unseen.status_code, unseen.json()) == (404, absent.json())
    beyond = {"url": "https://a.example/", "authorities": ["E06999002"]}
    assert client.post("/v1/webhooks", json=beyond, headers=local).status_code == 422
    own = client.post("/v1/webhooks", json={"url": "https://a.example/"}, headers=local)
    assert own.json()["authorities"] == ["E06999001"]
    assert [item["id"] for item in client.get("/v1/webhooks").json()["items"]] == [
        hook["id"],
        own.json()["id"],
    ]


def test_secrets_and_addresses_stand_in_no_log(made: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    client = made.client
    with caplog.at_level("DEBUG"), receiving() as receiver:
        hook = subscribe(client, f"{receiver.url}?token=canary", description="canary words")
        client.post(f"/v1/webhooks/{hook['id']}/ping")
        wait_until(lambda: bool(receiver.received))
    lines = [
        record.getMessage() + repr(vars(record)) for record in caplog.records if "hedgerow" in record.name
    ]
    assert not [line for line in lines if "canary" in line or hook["secret"] in line]


def test_the_secrets_need_the_gateways_own_key(tmp_path: Path) -> None:
    one, other = (load_webhook_key(tmp_path / name) for name in ("one", "other"))
    assert one == load_webhook_key(tmp_path / "one") != other
    assert signing.secret_of(one, "hook", "salt") != signing.secret_of(other, "hook", "salt")
