"""Publishers that are broken or mean: bad certificates, half, slow and huge answers, private addresses."""

import functools
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hedgerow_kit.db import Database
from hedgerow_registry.actions import pulls
from hedgerow_registry.errors import FeedFailed, FeedRefused
from hedgerow_registry.upstream import feed as upstream
from hedgerow_registry.upstream.feed import Feed

from tests.registry.publisher import Answer, Directory, Publish, Publisher
from tests.registry.test_feeds import held, pulled, register, registry_for
from tests.support.private_addresses import NAMES, PRIVATE, USERS, Door, resolve

KEY = ec.generate_private_key(ec.SECP256R1())


def _certificate(folder: Path, address: str, days: int, *, trusted: bool = True) -> Path:
    """A certificate for an address, with its key; trusted: made by the authority of the test."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "publisher")])
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    other = ipaddress.ip_address(address)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority if trusted else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(other)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((KEY if trusted else key).public_key()), False
        )
        .sign(KEY if trusted else key, hashes.SHA256())
    )
    path = folder / f"{address}_{days}_{trusted}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def _authority(folder: Path) -> Path:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    usage = {
        "digital_signature": True, "content_commitment": False, "key_encipherment": False,
        "data_encipherment": False, "key_agreement": False, "key_cert_sign": True, "crl_sign": True,
        "encipher_only": False, "decipher_only": False,
    }  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=40))
        .not_valid_after(now + timedelta(days=40))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()), critical=False)
        .sign(KEY, hashes.SHA256())
    )
    path = folder / "authority.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (("127.0.0.1", 10, False), "self-signed certificate"),
        (("127.0.0.1", -5, True), "certificate has expired"),
        (("127.0.0.9", 10, True), "certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_feed_whose_certificate_is_no_longer_valid_is_not_believed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Any, why: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(_authority(tmp_path)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(_certificate(tmp_path, "127.0.0.1", 10))
    directory = Directory(4)
    with (
        closing(Publisher(directory, tls=tls)) as publisher,
        registry_for(database, publisher) as client,
    ):
        feed = register(client, publisher)
        assert pulled(client, feed)["state"] == "completed"
        there = held(client)
        directory.services.popitem()
        directory.services["new"] = directory.services["s000000"] | {"id": "new"}
        address, days, trusted = bad
        tls.load_cert_chain(_certificate(tmp_path, address, days, trusted=trusted))
        publisher.asked.clear()
        done = pulled(client, feed)

        assert (done["state"], done["gone"], done["pages"]) == ("failed", 0, 0)
        assert "its certificate is not valid" in done["error"]
        assert why in done["error"]
        assert publisher.asked == []
        assert held(client) == there


def _half(answer: Answer, *, promised: bool) -> Answer:
    """The first half of an answer; promised: its headers promise the rest."""
    cut = len(answer.body) // 2
    return Answer(answer.body[:cut], missing=cut if promised else 0)


@pytest.mark.parametrize(
    ("promised", "why"), [(True, "the answer broke off"), (False, "something that is not JSON")]
)
def test_half_an_answer_is_asked_for_again_and_never_believed(
    database: Database, publish: Publish, promised: bool, why: str
) -> None:
    directory = Directory(10)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        there = held(client)
        halves = [-1]

        def before(path: str, query: dict[str, str]) -> Answer | None:
            if "/services/" in path or query.get("page") != "3" or not halves[0]:
                return None
            halves[0] -= 1
            return _half(directory._page(query), promised=promised)

        directory.before = before
        gone = directory.services.pop("s000001")
        failed = pulled(client, feed)
        assert (failed["state"], failed["gone"], failed["pages"]) == ("failed", 0, 2)
        assert why in failed["error"]
        assert held(client) == there

        directory.services["s000001"] = gone
        halves[0] = 1
        done = pulled(client, feed)
        assert (done["state"], done["verdict"], done["error"], halves) == ("completed", "whole", None, [0])
        assert held(client) == there


def test_an_answer_that_takes_too_long_is_not_waited_for(
    database: Database, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls, "Feed", functools.partial(Feed, timeout_s=0.05))
    publisher = publish(lambda _path, _query: Answer([], delay_s=0.3))
    with registry_for(database, publisher) as client:
        done = pulled(client, register(client, publisher))
        assert done["state"] == "failed"
        assert "no answer within the time limit" in done["error"]


def test_a_page_that_is_too_large_is_left(
    database: Database, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LONGEST_BODY", 10_000)
    directory = Directory(4)
    publisher = publish(directory)
    with registry_for(database, publisher) as client:
        feed = register(client, publisher)
        pulled(client, feed)
        there = held(client)
        directory.before = lambda _path, _query: Answer(b"[" + b" " * 20_000 + b"]")
        done = pulled(client, feed)
        assert (done["state"], done["gone"]) == ("failed", 0)
        assert "an answer of more than 10,000 bytes" in done["error"]
        assert held(client) == there


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with closing(Door(monkeypatch)) as made:
        yield made


def _refused(url: str, **terms: Any) -> None:
    # A spelling that is no address at all has no answer; the rest is refused.
    with pytest.raises((FeedRefused, FeedFailed)):
        _read(url, **terms)


def _read(url: str, **terms: Any) -> None:
    with closing(Feed(url, sleep=lambda _: None, **terms)) as reader:
        list(reader.pages())


def test_the_door_is_a_real_one(door: Door) -> None:
    """Were the address allowed, the listener would be reached: what follows can fail."""
    with pytest.raises(FeedFailed):
        _read(f"http://127.0.0.1:{door.port}/", allowed_hosts=frozenset({"127.0.0.1"}))
    assert door.come_in
    assert door.begun


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_private_address_is_reached_however_it_is_written(
    door: Door, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    resolve(monkeypatch)
    hosts = [*PRIVATE, *NAMES, *USERS]
    assert len(set(hosts)) >= 80
    reached = []
    for host in hosts:
        try:
            _refused(f"{scheme}://{host}:{door.port}/services")
        except (Exception, pytest.fail.Exception) as error:
            reached.append((host, repr(error)))
    assert reached == []
    assert (door.come_in, door.begun) == (0, [])


def test_no_redirect_leads_to_a_private_address(
    door: Door, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch)
    to = [""]
    publisher = publish(
        lambda _path, _query: Answer({}, 302, {"Location": f"http://{to[0]}:{door.port}/services"})
    )
    for to[0] in [*PRIVATE, *NAMES, *USERS]:
        _refused(publisher.url, allowed_hosts=frozenset({publisher.host}))
    assert door.come_in == 0
    assert {f"{host}:{port}" for host, port in door.begun} == {publisher.host}


def test_a_name_that_turns_private_after_it_was_asked_for_is_not_followed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer is public, every later one private: the connection goes to what was looked at."""
    asked: list[str] = []

    def rebinding(name: str) -> str | None:
        if name != "rebinding.example":
            return None
        asked.append(name)
        return "8.8.8.8" if len(asked) == 1 else "127.0.0.1"

    resolve(monkeypatch, rebinding)

    def unreachable(address: Any, *_: Any, **__: Any) -> socket.socket:
        door.begun.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    _refused(f"http://rebinding.example:{door.port}/services")
    assert door.begun == [("8.8.8.8", door.port)]
    assert (door.come_in, len(asked)) == (0, 2)


def test_a_feed_at_a_private_address_fails_in_words(database: Database, door: Door) -> None:
    with registry_for(database) as client:
        for number, host in enumerate(("127.0.0.1", "[::ffff:169.254.169.254]", "2130706433")):
            body = {"url": f"http://{host}:{door.port}/services", "source": f"s{number}"}
            answer = client.post("/v1/feeds", json=body)
            assert answer.status_code == 201, answer.text
            done = pulled(client, answer.json())
            assert (done["state"], done["tries"]) == ("failed", 0)
            assert "not one on the public internet" in done["error"]
    assert (door.come_in, door.begun) == (0, [])
