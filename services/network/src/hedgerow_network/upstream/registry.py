"""The registry's change feed, read through the gateway."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from hedgerow_network.errors import FeedUnreadable

PAGE = 1000
KINDS = frozenset(
    (
        "area",
        "boundary",
        "residents",
        "index",
        "demand",
        "need",
        "crosswalk",
        "organisation",
        "service",
        "site",
        "contract",
    )
)


@dataclass(frozen=True)
class Change:
    """One entity in its present state; data None = it was deleted."""

    seq: int
    kind: str
    id: str
    data: dict[str, Any] | None


@dataclass(frozen=True)
class Changes:
    """A page of the feed. position: the last change it speaks for · last: the registry's last change of
    all.
    """

    items: tuple[Change, ...]
    position: int
    last: int


class Registry:
    """Reads the registry. The key file is read for each call: it may appear, or change, while we run."""

    def __init__(
        self, gateway_url: str, key_file: Path, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._key_file = key_file
        self._client = httpx.Client(
            base_url=gateway_url, timeout=httpx.Timeout(30.0, connect=3.0), transport=transport
        )

    def close(self) -> None:
        self._client.close()

    def changes(self, after: int) -> Changes:
        """The changes after a number, oldest first, at most a page; raises FeedUnreadable with the reason."""
        try:
            key = self._key_file.read_text().strip()
        except OSError as error:
            raise FeedUnreadable("The file with network's API key cannot be read.") from error
        try:
            answer = self._client.get(
                "/v1/changes",
                params={"after": str(after), "limit": str(PAGE)},
                headers={"Authorization": f"Bearer {key}"},
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise FeedUnreadable(f"The registry cannot be reached ({type(error).__name__}).") from error
        if answer.status_code != 200:
            raise FeedUnreadable(f"The registry's change feed answers with status {answer.status_code}.")
        try:
            return _page(orjson.loads(answer.content), after)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FeedUnreadable("The registry's change feed gives an answer of an unknown shape.") from error


def _page(body: Any, after: int) -> Changes:
    items = []
    position = after
    for event in body["items"]:
        seq = int(event["id"])
        if seq <= position:
            raise ValueError("the feed is out of order")
        position = seq
        family, kind, what = event["type"].split(".")
        if family == "hedgerow" and kind in KINDS:
            data = event["data"] if what == "updated" else None
            items.append(Change(seq, kind, str(event["subject"]), data))
    last = int(body["last"])
    if not items and body["next"] is None:
        # An empty page at the end speaks for all changes up to the last, whatever was left out of it.
        position = max(position, last)
    return Changes(tuple(items), position, last)
