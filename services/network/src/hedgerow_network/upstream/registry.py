"""What network reads of the registry."""

from pathlib import Path

import httpx
from hedgerow_kit.following import ChangeReader, key_in

from hedgerow_network.domain.facts import KINDS


def registry(
    gateway_url: str, key_file: Path, *, transport: httpx.BaseTransport | None = None
) -> ChangeReader:
    """The registry's change feed, read through the gateway."""
    return ChangeReader(gateway_url, key_in(key_file), followed="registry", kinds=KINDS, transport=transport)
