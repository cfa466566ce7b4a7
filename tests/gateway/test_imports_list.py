"""The imports of all apps in one list, page by page, also when one of them is down."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.gateway.servers import App, Gateway, gateway, reply, serving


def an_import(id: str, kind: str) -> dict[str, Any]:
    return {
        "id": id,
        "kind": kind,
        "status": "completed",
        "detail": None,
        "notes": [],
        "options": {},
        "counts": {"accepted": 1, "changed": 0, "unchanged": 0, "quarantined": 0},
        "receipts": f"/v1/imports/{id}/receipts",
        "started_at": "2026-01-15T10:00:00Z",
        "touched_at": "2026-01-15T10:00:01Z",
    }


def with_imports(name: str, moments: list[int]) -> App:
    """An app that lists imports as every app does: by id, `limit` at a time, with a marker of its own."""
    app = App()
    ids = [f"{name}-{moment:012x}" for moment in moments]

    async def imports(scope: Any, receive: Any, send: Any) -> None:
        query = parse_qs(scope["query_string"].decode())
        limit, after = int(query["limit"][0]), query.get("after", [""])[0]
        if after and not after.startswith("after-"):
            await reply(send, 422, b'{"title": "no such marker"}')
            return
        rest = [id for id in ids if id > after.removeprefix("after-")]
        page = rest[:limit]
        following = f"after-{page[-1]}" if len(rest) > limit else None
        body = {"items": [an_import(id, name) for id in page], "next": following}
        await reply(send, 200, json.dumps(body).encode())

    app.answers["imports"] = imports
    return app


MOMENTS = {"registry": [1, 4, 5, 6, 10, 11], "outcomes": [2, 3, 7, 12], "network": []}
IN_ORDER = [1, 2, 3, 4, 5, 6, 7, 10, 11, 12]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Gateway]:
    with ExitStack() as stack:
        addresses = {
            f"{name}_url": stack.enter_context(serving(with_imports(name, moments)))
            for name, moments in MOMENTS.items()
        }
        yield stack.enter_context(gateway(tmp_path, **addresses))


def moments(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["id"].partition("-")[2], 16) for item in items]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 9, 10, 11, 1000])
def test_pages_of_any_size_give_every_import_once_and_in_order(made: Gateway, limit: int) -> None:
    found: list[int] = []
    path: str | None = f"/v1/imports?limit={limit}"
    while path is not None:
        answer = made.client.get(path)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) <= limit
        assert answer.json()["missing"] == []
        found += moments(answer.json()["items"])
        path = answer.links["next"]["url"] if answer.json()["next"] else None
    assert found == IN_ORDER


def test_an_app_that_is_down_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    with (
        serving(with_imports("outcomes", [2, 3])) as address,
        gateway(tmp_path, outcomes_url=address) as made,
    ):
        answer = made.client.get("/v1/imports").json()
    assert moments(answer["items"]) == [2, 3]
    assert answer["missing"] == ["network", "registry"]


def test_all_apps_down_is_a_503(lone: Gateway) -> None:
    answer = lone.client.get("/v1/imports")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


def test_an_app_without_imports_counts_as_having_none(tmp_path: Path) -> None:
    bare = App()

    async def none(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 404, b"{}")

    bare.answers["imports"] = none
    with (
        serving(with_imports("registry", [1])) as registry,
        serving(bare) as other,
        gateway(tmp_path, registry_url=registry, network_url=other, outcomes_url=other) as made,
    ):
        assert made.client.get("/v1/imports").json() == {
            "items": [an_import("registry-000000000001", "registry")],
            "next": None,
            "missing": [],
        }


@pytest.mark.parametrize(
    "after", ["nonsense", "e30x", "bnVsbA", "W10", "eyJldmlsIjoiIn0", "eyJyZWdpc3RyeSI6IngifQ", "é", "%00"]
)
def test_a_made_up_marker_is_refused(made: Gateway, after: str) -> None:
    answer = made.client.get("/v1/imports", params={"after": after})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "after"


def test_a_reader_may_not_list_imports(made: Gateway) -> None:
    key = made.client.post("/v1/keys", json={"name": "r", "roles": ["reader"], "authorities": ["*"]}).json()[
        "key"
    ]
    with made.stranger() as reader:
        assert reader.get("/v1/imports", headers={"Authorization": f"Bearer {key}"}).status_code == 403
