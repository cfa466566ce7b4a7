"""Webhooks lead to the public internet only, however an address is written and wherever its name leads."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hedgerow_gateway.upstream.receiver import Receiver

from tests.gateway.receivers import receiving
from tests.gateway.servers import Gateway
from tests.support.private_addresses import NAMES, PRIVATE, USERS, Door, resolve


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with closing(Door(monkeypatch)) as made:
        yield made


def test_no_delivery_opens_a_connection_to_a_private_address(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch)
    receiver = Receiver(frozenset(), seconds=2)
    asked = [f"https://{host}:{door.port}/hook" for host in (*PRIVATE, *NAMES, *USERS)]
    outcomes = {url: receiver.send(url, {}, "{}") for url in asked}
    receiver.close()
    assert len(outcomes) >= 80
    assert [url for url, outcome in outcomes.items() if outcome.reason is None] == []
    assert (door.come_in, door.begun) == (0, [])
    print(f"{len(outcomes)} addresses, {len(door.begun)} connections")


def test_no_webhook_is_kept_whose_address_says_by_itself_that_it_is_private(lone: Gateway) -> None:
    kept = []
    for host in (*PRIVATE, *USERS):
        answer = lone.client.post("/v1/webhooks", json={"url": f"https://{host}/hook"})
        assert answer.status_code in (201, 422), host
        if answer.status_code == 201:
            kept.append(host)
        else:
            assert answer.json()["errors"][0]["pointer"] == "/url"
            assert host not in answer.text
    # What only a resolver takes for a number is stopped by the delivery, as the test before shows.
    assert kept == []


def test_a_name_that_leads_elsewhere_by_the_time_of_delivery_leads_nowhere(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(frozenset(), seconds=2)
    resolve(monkeypatch, lambda name: "127.0.0.1" if name == "moving.example" else None)
    outcome = receiver.send(f"https://moving.example:{door.port}/hook", {}, "{}")
    receiver.close()
    assert outcome.reason == "the address is not on the public internet"
    assert door.begun == []


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "gopher", "unix", "javascript"])
def test_only_tls_unless_the_operator_names_the_host(scheme: str) -> None:
    with receiving() as receiver:
        plain = receiver.url.replace("http", scheme, 1)
        sender = Receiver(frozenset(), seconds=2)
        assert sender.send(plain, {}, "{}").reason == "the address does not begin with https://"
        sender.close()
        other = Receiver(frozenset({"127.0.0.1:1"}), seconds=2)
        assert other.send(receiver.url, {}, "{}").reason == "the address does not begin with https://"
        other.close()
        assert receiver.received == []
        named = Receiver(frozenset({receiver.host}), seconds=2)
        assert named.send(receiver.url, {}, "{}").reason is None
        named.close()
