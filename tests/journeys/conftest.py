from collections.abc import Iterator

import pytest

from tests.support.deployment import DEPLOYMENTS, deployed
from tests.support.platform import Platform

# On two of each app all journeys run with the slow tests, these every time: what was written through one
# gateway is read through the other, of networks with their definitions and versions, of money.
DOUBLED_EVERY_TIME = ("test_freshness", "test_delivery_networks", "test_paying_for_results")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "deployed_as" in metafunc.fixturenames:
        every_time = metafunc.module.__name__.rpartition(".")[2] in DOUBLED_EVERY_TIME
        ways = [
            pytest.param(way, marks=pytest.mark.slow) if way == "doubled" and not every_time else way
            for way in DEPLOYMENTS
        ]
        metafunc.parametrize("deployed_as", ways, indirect=True, scope="module")


@pytest.fixture(scope="module")
def deployed_as(request: pytest.FixtureRequest) -> str:
    """How the platform runs: one of `DEPLOYMENTS`."""
    return str(request.param)


@pytest.fixture(scope="module")
def empty_platform(deployed_as: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform without data, in each way it may run; a module's tests share it."""
    with deployed(deployed_as, tmp_path_factory.mktemp("platform")) as started:
        yield started
