"""Requests to addresses that callers give reach public addresses only."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hedgerow_kit.outgoing import HostRefused, PublicTransport, is_public

from tests.support.private_addresses import NAMES, PRIVATE, USERS, Door, resolve

# Every range of IANA's special-purpose registries, multicast and what is not assigned, each by both its ends.
NOT_PUBLIC = """
    0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.255.255.255
    169.254.0.0 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.0 192.0.2.255
    192.31.196.0 192.31.196.255 192.52.193.0 192.52.193.255 192.88.99.0 192.88.99.255 192.168.0.0
    192.168.255.255 192.175.48.0 192.175.48.255 198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255
    203.0.113.0 203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255 168.63.129.16
    ::ffff:168.63.129.16 ::ffff:192.88.99.1 :: ::1 ::ffff:0:0 ::ffff:10.0.0.1 64:ff9b::
    64:ff9b::ffff:ffff 64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100::ffff:ffff:ffff:ffff
    100:0:0:1:: 100:0:0:1:ffff:ffff:ffff:ffff 2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8::
    2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2620:4f:8000::
    2620:4f:8000:ffff:ffff:ffff:ffff:ffff 3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000:: 5f00::
    5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80::
    fe80::1%eth0 febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
    ff00:: ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff x 8.8.8
"""
# Neighbours of those ranges, and well-known hosts.
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 168.63.129.15 168.63.129.17
    172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 198.17.255.255 198.20.0.0
    223.255.255.255 ::ffff:8.8.8.8 2001:200::1 2001:db7::1 2606:4700::1111 2a00:1450::1 3ffe::1
"""


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with closing(Door(monkeypatch)) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    """A server on the loopback, as host:port, and the bodies sent to it; its GET redirects to the path."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", self.path[1:])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", sent
    server.shutdown()
    server.server_close()


def _client(*allowed: str, redirects: bool = False) -> httpx.Client:
    transport = PublicTransport(allowed_hosts=frozenset(allowed))
    return httpx.Client(transport=transport, follow_redirects=redirects, timeout=5)


def test_ranges_kept_for_a_special_purpose_are_not_public() -> None:
    assert [address for address in NOT_PUBLIC.split() if is_public(address)] == []


def test_the_rest_is_public() -> None:
    assert [address for address in PUBLIC.split() if not is_public(address)] == []


def test_nothing_is_sent_to_a_private_address_however_it_is_written(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch)
    hosts = [*PRIVATE, *NAMES, *USERS]
    assert len(set(hosts)) >= 100
    reached = []
    with _client() as client:
        for host in hosts:
            try:
                client.post(f"http://{host}:{door.port}/", json={})
            except (HostRefused, httpx.InvalidURL, httpx.TransportError):
                continue
            reached.append(host)
    assert reached == []
    assert (door.come_in, door.begun) == (0, [])


def test_a_host_the_operator_allows_receives_the_body_that_was_sent(
    receiver: tuple[str, list[bytes]],
) -> None:
    host, sent = receiver
    with _client(host) as client:
        assert client.post(f"http://{host}/", content=b"one event").status_code == 204
    assert sent == [b"one event"]


def test_an_allowed_host_is_allowed_at_its_own_port_only(
    receiver: tuple[str, list[bytes]], door: Door
) -> None:
    host, _ = receiver
    with _client(host) as client, pytest.raises(HostRefused):
        client.post(f"http://127.0.0.1:{door.port}/", content=b"")
    assert door.begun == []


def test_no_redirect_leads_to_a_private_address(
    receiver: tuple[str, list[bytes]], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch)
    host, _ = receiver
    reached = []
    with _client(host, redirects=True) as client:
        for to in [*PRIVATE, *NAMES, *USERS]:
            try:
                client.get(f"http://{host}/http://{to}:{door.port}/")
            except (HostRefused, httpx.InvalidURL, httpx.TransportError):
                continue
            reached.append(to)
    assert reached == []
    assert door.come_in == 0
    assert {f"{at}:{port}" for at, port in door.begun} == {host}


def test_the_connection_goes_to_the_address_that_was_looked_at(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is asked for and private ever after."""
    answers = iter(["8.8.8.8"])
    resolve(monkeypatch, lambda name: next(answers, "127.0.0.1") if name == "rebinding.example" else None)

    def unreachable(address: Any, *_: Any, **__: Any) -> socket.socket:
        door.begun.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with _client() as client:
        for error in (httpx.TransportError, HostRefused):
            with pytest.raises(error):
                client.get(f"http://rebinding.example:{door.port}/")
    assert (door.come_in, door.begun) == (0, [("8.8.8.8", door.port)])


def test_a_name_with_a_private_address_beside_a_public_one_is_refused(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(_host: Any, port: int, **_: Any) -> list[Any]:
        found = ("8.8.8.8", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with _client() as client, pytest.raises(HostRefused):
        client.get(f"http://both.example:{door.port}/")
    assert door.begun == []
