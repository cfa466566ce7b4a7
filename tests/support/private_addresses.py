"""Addresses that nothing may be sent to on a caller's word, in many spellings, and a door that counts."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

PRIVATE = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.254",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.0.192",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "168.63.129.16",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[2001:db8::1]",
    "[100::1]",
    "[100:0:0:1::1]",
    "[2001:1::1]",
    "[2001:3::1]",
    "[2001:20::1]",
    "[2620:4f:8000::1]",
    "[3fff::1]",
    "[4000::1]",
    "[5f00::1]",
    "[::ffff:168.63.129.16]",
    "[::ffff:192.88.99.1]",
    "[::127.0.0.1]",
    "[::10.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "[::ffff:172.16.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:100.64.0.1]",
    "[::ffff:0.0.0.0]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::1]",
    "[2002:a9fe:a9fe::1]",
    "[2002:c0a8:1::1]",
    "[2001:0:7f00:1::1]",
    "[2001::f5ff:fffe]",
    "2130706433",
    "3232235521",
    "2852039166",
    "167772161",
    "0",
    "2822734096",
    "0x7f000001",
    "0xa83f8110",
    "0x7f.0.0.1",
    "0x7f.1",
    "0xa9fea9fe",
    "0xc0a80001",
    "0x0",
    "0177.0.0.1",
    "017700000001",
    "0177.1",
    "0300.0250.0.1",
    "0250.077.0201.020",
    "0251.0376.0251.0376",
    "127.1",
    "127.0.1",
    "10.1",
    "192.168.1",
    "169.254.43518",
    "127.0.0.01",
]
# Names, and what they lead to.
NAMES = {
    "localhost": "127.0.0.1", "localhost.": "127.0.0.1", "LOCALHOST": "127.0.0.1", "127.0.0.1.": "127.0.0.1",
    "metadata.example": "169.254.169.254", "inside.example": "10.0.0.7", "home.example": "192.168.1.1",
    "six.example": "::1", "unique.example": "fd00::5", "mapped.example": "::ffff:127.0.0.1",
    "shared.example": "100.64.0.9", "127.0.0.1.nip.example": "127.0.0.1",
}  # fmt: skip
USERS = ("user@127.0.0.1", "a.example@127.0.0.1", "a.example:80@127.0.0.1", "user:word@[::1]")


class Door:
    """A real listener on the loopback that counts who comes in, and every connection that is begun at all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.come_in = 0
        self.begun: list[Any] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()
        plain = socket.create_connection

        def counted(address: Any, *rest: Any, **terms: Any) -> socket.socket:
            self.begun.append(address)
            return plain(address, *rest, **terms)

        monkeypatch.setattr(socket, "create_connection", counted)

    def _listen(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            self.come_in += 1
            taken.close()

    def close(self) -> None:
        self._listener.close()


def named(name: str) -> str | None:
    """Where one of `NAMES` leads."""
    return NAMES.get(name) or NAMES.get(name.lower())


def resolve(monkeypatch: pytest.MonkeyPatch, answers: Callable[[str], str | None] = named) -> None:
    """Names lead where a test says; everything else is resolved as ever."""
    plain = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **terms: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return plain(answers(str(name)) or host, *rest, **terms)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
