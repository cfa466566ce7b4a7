import os
from collections.abc import Iterator

import pytest

from tests.support import postgres
from tests.support.databases import DIALECTS, databases
from tests.support.platform import Platform, platform

APPS = ("registry", "network", "outcomes", "gateway")


@pytest.fixture(scope="module", params=DIALECTS)
def empty_platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A platform without data, on SQLite and on PostgreSQL; a module's tests share it."""
    folder = tmp_path_factory.mktemp("platform")
    with databases(request.param, folder, os.environ[postgres.SERVER]) as made:
        urls = {} if request.param == "sqlite" else {app: made.empty() for app in APPS}
        with platform(folder / "var", "--empty", databases=urls) as started:
            yield started
