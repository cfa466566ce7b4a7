"""What each app promises is what its code does."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.platform import ROOT

APPS = ("registry", "network", "outcomes", "gateway")


@pytest.mark.parametrize("app", APPS)
def test_the_committed_openapi_is_what_the_code_generates(app, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEDGEROW_")}
    made = subprocess.run(
        [sys.executable, "-m", f"hedgerow_{app}", "openapi"],
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    committed = (ROOT / "services" / app / "openapi.json").read_bytes()
    assert json.loads(made.stdout) == json.loads(committed), "run `make openapi`"
    assert list(tmp_path.iterdir()) == [], "printing the document leaves no file behind"


@pytest.mark.parametrize("app", APPS)
def test_every_operation_is_described_and_named_once(app):
    document = json.loads((ROOT / "services" / app / "openapi.json").read_bytes())
    assert document["openapi"].startswith("3.1")
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert operations
    for path, method, operation in operations:
        assert operation.get("description") or operation.get("summary"), f"{method} {path}"
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))
