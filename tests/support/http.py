"""Calling a real app in this process, its lifespan included, without awaiting in every test."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal


class Client:
    """An httpx client whose calls block; `headers` go with each call."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client
        self.headers = client.headers

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.request, method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", url, **options)

    def items(self, url: str, **options: Any) -> list[Any]:
        """All items of a list, page after page."""
        found: list[Any] = []
        # Merged: parameters that are handed over, even none, would take the place of those in the address.
        asked = httpx.URL(url).copy_merge_params(options.pop("params", {}))
        while True:
            answer = self.get(str(asked), **options)
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            if answer.json()["next"] is None:
                return found
            asked = asked.copy_set_param("after", answer.json()["next"])


@contextmanager
def running(app: Any, *, headers: dict[str, str] | None = None) -> Iterator[Client]:
    """The app with its lifespan, and a client that calls it over ASGI."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://hedgerow.test",
            headers=headers or {},
            timeout=60,
        )
        try:
            yield Client(portal, client)
        finally:
            portal.call(client.aclose)
