"""A directory's live feed, registered and pulled through the gateway."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.registry.publisher import Directory, Publisher
from tests.support.deployment import deployed
from tests.support.platform import Platform


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with closing(Publisher(Directory(7))) as made:
        yield made


@pytest.fixture
def allowing(deployed_as: str, publisher: Publisher, tmp_path: Path) -> Iterator[Platform]:
    """A platform whose operator allows the publisher of the test, by host and port."""
    named = {"HEDGEROW_REGISTRY_ALLOWED_HOSTS": publisher.host}
    with deployed(deployed_as, tmp_path, environment=named) as started:
        yield started


def test_a_registered_feed_is_pulled_and_its_services_are_in_the_registry_and_in_the_open_feed(
    allowing: Platform, publisher: Publisher
) -> None:
    answer = allowing.client.post("/v1/feeds", json={"url": publisher.url, "source": "directory"})
    assert answer.status_code == 201, answer.text
    path = f"/v1/feeds/{answer.json()['id']}"
    asked = allowing.client.post(f"{path}/pull")
    assert asked.status_code == 202, asked.text
    deadline = time.monotonic() + 60
    while (pull := allowing.get(f"{path}/pulls/{asked.json()['id']}"))["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, pull
        time.sleep(0.1)

    assert (pull["state"], pull["verdict"], pull["counts"]["accepted"]) == ("completed", "whole", 7), pull
    names = {f"Service {number}" for number in range(7)}
    assert {one["name"] for one in allowing.items("/v1/services")} == names
    assert {one["name"] for one in allowing.get("/hsds/services", per_page=50)["contents"]} == names
    assert allowing.get(path)["last_pull"]["state"] == "completed"
