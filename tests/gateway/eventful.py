"""A gateway that follows a real registry and a real outcomes, and delivers what happens there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.gateway.servers import Gateway, gateway, real_apps, wait_until
from tests.support.databases import Databases

AREAS = """code,name,level,parent_code,vintage
E12999001,Offshore,region,,2025
E06999001,Skerrow,authority,E12999001,2025
E05999001,Anchor Quay,ward,E06999001,2025
E05999002,Beacon Hill,ward,E06999001,2025
E06999002,Farland,authority,E12999001,2025
E05999009,Far Field,ward,E06999002,2025
"""


@contextmanager
def eventful(
    made_databases: Databases, data_dir: Path, *, url: str | None = None, **settings: Any
) -> Iterator[Gateway]:
    """The whole of it; receivers on the loopback are allowed."""
    quick = {"events": True, "event_seconds": 0.05, "webhook_hosts": frozenset({"127.0.0.1"})}
    with (
        real_apps(made_databases, data_dir) as addresses,
        gateway(
            data_dir,
            database_url=url or made_databases.migrated("hedgerow_gateway"),
            **(quick | addresses | settings),
        ) as made,
    ):
        yield made


def send(client: httpx.Client, kind: str, text: str) -> None:
    answer = client.post(f"/v1/imports/{kind}", content=text, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"]["quarantined"] == 0, client.get(answer.json()["receipts"]).text


def events(client: httpx.Client, **asked: Any) -> list[Any]:
    """All events there are, read page by page."""
    found: list[Any] = []
    while True:
        answer = client.get("/v1/events", params=asked)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        asked["after"] = answer.json()["next"]


def wait_for(client: httpx.Client, number: int, **asked: Any) -> list[Any]:
    """The events asked for, once there are so many of them."""
    wait_until(lambda: len(events(client, **asked)) >= number)
    return events(client, **asked)


def subscribe(client: httpx.Client, url: str, **terms: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": url, **terms})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def key(client: httpx.Client, role: str, *authorities: str) -> dict[str, str]:
    """The header of a new key."""
    body = {"name": role, "roles": [role], "authorities": list(authorities) or ["*"]}
    answer = client.post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['key']}"}
