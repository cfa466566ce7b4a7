"""From which address somebody comes, and for whom it stands."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# The part of an IPv6 address that is one customer's: the rest they choose themselves.
IPV6_PREFIX = 64


class Addresses:
    """Knows callers by their address, also behind proxies that are trusted to say it."""

    def __init__(self, proxies: Iterable[Network] = ()) -> None:
        self._proxies = tuple(proxies)
        self.of = lru_cache(maxsize=4096)(self._of)

    @property
    def trusts_some(self) -> bool:
        return bool(self._proxies)

    def _of(self, peer: str, forwarded: tuple[str, ...] = ()) -> str:
        """For whom a request is counted: an IPv4 address, or a /64 of IPv6.

        peer: the other end of the connection · forwarded: the values of X-Forwarded-For in order. They are
        read from the end, where the nearest proxy wrote, and only as far as trusted ones have written.

        >>> behind = Addresses([ip_network("10.0.0.0/8")])
        >>> behind.of("10.0.0.1", ("6.6.6.6, 192.0.2.7, 10.0.0.2",))
        '192.0.2.7'
        >>> behind.of("192.0.2.9", ("6.6.6.6",))
        '192.0.2.9'
        >>> behind.of("2001:db8:1:2:3::4")
        '2001:db8:1:2::/64'
        """
        found = _read(peer)
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        while found is not None and hops and self._is_trusted(found):
            before = _read(hops.pop())
            if before is None:
                # What cannot be read was written by nobody that is trusted: the proxy stands for it.
                break
            found = before
        if found is None:
            return "nowhere"
        if isinstance(found, IPv6Address):
            return str(ip_network((int(found), IPV6_PREFIX), strict=False))
        return str(found)

    def _is_trusted(self, address: object) -> bool:
        return any(address in network for network in self._proxies)


def _read(text: str) -> object:
    """An address, without the port that some proxies write; IPv4 in IPv6 is IPv4."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def forwarded_for(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """The values of X-Forwarded-For; names are lower case, as ASGI gives them."""
    return tuple(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
