"""The API does what its OpenAPI document says, whatever it is asked: Schemathesis over the whole platform.

All checks, all phases, every operation, both databases, an administrator's key. What Schemathesis is told
beside the document, and why, stands in `schemathesis.toml`.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.databases import DIALECTS, databases
from tests.support.platform import ROOT, Platform, platform

APPS = ("registry", "network", "outcomes", "gateway")
COMMAND = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
# Limits are told of by tests/gateway/test_limits.py; here thousands of requests come from one address.
UNLIMITED = {
    f"HEDGEROW_GATEWAY_{kind}_PER_MINUTE": "100000000"
    for kind in ("READS", "WRITES", "IMPORTS", "OPEN", "ATTEMPTS")
}

SMALL_PLACE = ROOT / "tests" / "cli" / "tinytown.toml"


def is_tried(line: str) -> bool:
    return line.startswith('{"ScenarioFinished"')


def run(place: Platform, folder: Path, *arguments: str) -> tuple[Counter[str], str]:
    """Cases by phase, and what Schemathesis said of failures (empty: there is none)."""
    events = folder / "events.ndjson"
    done = subprocess.run(
        [
            *(COMMAND, "--no-color", "--config-file", CONFIGURATION),
            *("run", f"{place.url}/openapi.json", "--header", place_key(place)),
            *("--report", "ndjson", "--report-ndjson-path", events, "--generation-database", "none"),
            *("--continue-on-failure", "--no-shrink", "--seed", "1", "--suppress-health-check", "all"),
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
        check=False,
    )
    cases: Counter[str] = Counter()
    with events.open() as lines:
        for line in filter(is_tried, lines):
            scenario = json.loads(line)["ScenarioFinished"]
            cases[scenario["phase"]] += len((scenario.get("recorder") or {}).get("cases", ()))
    return cases, "" if done.returncode == 0 else done.stdout[-20_000:] + done.stderr[-2_000:]


def place_key(place: Platform) -> str:
    return f"Authorization: {place.client.headers['Authorization']}"


def some_operations(place: Platform, dialect: str) -> list[str]:
    """One in 24 operations, others on the one database than on the other: each has some hundred cases."""
    paths = place.get("/openapi.json")["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    chosen = operations[12 * DIALECTS.index(dialect) :: 24]
    return [part for one in chosen for part in ("--include-operation-id", one["operationId"])]


@contextmanager
def started(dialect: str, folder: Path, *arguments: str) -> Iterator[Platform]:
    with databases(dialect, folder, os.environ[postgres.SERVER]) as made:
        urls = {} if dialect == "sqlite" else {app: made.empty() for app in APPS}
        with platform(folder / "var", *arguments, databases=urls, environment=UNLIMITED) as place:
            yield place


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operation_answers_as_its_document_says(
    dialect: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with started(dialect, tmp_path, "--manifest", str(SMALL_PLACE)) as place:
        place.wait_until_loaded()
        place.wait_for_network()
        phases = ("--phases", "examples,fuzzing,stateful", "--max-examples", "2")
        cases, failures = run(place, tmp_path, *phases)
        assert not failures, failures
        more, failures = run(place, tmp_path, "--phases", "coverage", *some_operations(place, dialect))
    cases += more
    with capsys.disabled():
        print(f"\n{dialect}: {cases.total():,} cases {dict(cases)}")
    assert not failures, failures
    assert set(cases) == {"examples", "coverage", "fuzzing", "stateful"}
    assert cases["fuzzing"] >= 450
    assert cases["coverage"] >= 500


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_twenty_thousand_requests_are_answered_as_the_document_says(
    dialect: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with started(dialect, tmp_path) as place:
        place.wait_until_loaded()
        place.wait_for_network()
        cases, failures = run(place, tmp_path, "--max-examples", "10", "--workers", "2")
    with capsys.disabled():
        print(f"\n{dialect}: {cases.total():,} cases {dict(cases)}")
    assert not failures, failures
    assert set(cases) == {"examples", "coverage", "fuzzing", "stateful"}
    assert cases.total() >= 20_000
