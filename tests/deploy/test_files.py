"""What `deploy/` holds is what its readers expect: valid by the published schemas, and locked down."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hedgerow_gateway import actions

from tests.support.deployment import APPS, COMPOSE, compose
from tests.support.platform import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
MANIFESTS = [KUBERNETES / name for name in KUSTOMIZATION["resources"]]
BIN = Path(sys.executable).parent


def documents(kind: str) -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == kind:
                yield document


def pods() -> list[Any]:
    """The pod of every workload, under its name."""
    found = [*documents("Deployment"), *documents("Job")]
    assert len(found) == 2 * len(APPS)
    return [pytest.param(one["spec"]["template"]["spec"], id=one["metadata"]["name"]) for one in found]


def ours() -> list[Any]:
    services = compose()["services"]
    return [pytest.param(services[name], id=name) for name in services if name.partition("-")[0] in APPS]


def test_the_composition_is_valid_by_the_published_schema() -> None:
    checked = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_each_manifest_is_valid_by_the_published_schemas(manifest: Path) -> None:
    checked = subprocess.run(
        [BIN / "kubernetes-validate", "--strict", manifest], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("service", ours())
def test_no_container_of_the_composition_may_more_than_it_must(service: dict[str, Any]) -> None:
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not any(
        "PASSWORD" in name or ("URL" in name and "@" in str(value))
        for name, value in service["environment"].items()
    )


@pytest.mark.parametrize("pod", pods())
def test_no_pod_may_more_than_it_must(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])
        assert not any("@" in str(one.get("value", "")) for one in container.get("env", ()))


def test_no_app_of_the_composition_sees_what_signs_or_administers() -> None:
    for name, service in compose()["services"].items():
        sees = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert "keys" not in sees or name in ("gateway", "gateway-prepare"), name


def test_every_app_is_probed_doubled_and_kept_up_and_apart() -> None:
    for app, deployment in {one["metadata"]["name"]: one for one in documents("Deployment")}.items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), app
        assert deployment["spec"]["replicas"] >= 2
    for kind in ("Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"):
        assert {one["metadata"]["name"] for one in documents(kind)} >= set(APPS), kind


def test_every_manifest_is_named_in_the_kustomization() -> None:
    assert {path.name for path in KUBERNETES.glob("*.yaml")} == {
        "kustomization.yaml",
        *KUSTOMIZATION["resources"],
    }


def test_an_app_sees_no_key_but_its_own() -> None:
    for deployment in documents("Deployment"):
        app = deployment["metadata"]["name"]
        (keys,) = [one for one in deployment["spec"]["template"]["spec"]["volumes"] if one["name"] == "keys"]
        if app != "gateway":
            seen = {item["key"] for item in keys["secret"]["items"]}
            assert seen <= {"identity.jwks.json", f"{app}.key"}


def test_what_a_gateway_signs_with_is_laid_out_as_it_wants_it(tmp_path: Path) -> None:
    """The step before it, run here: a Secret's files for the group become files for their owner alone."""
    secret, own = tmp_path / "secret", tmp_path / "own"
    secret.mkdir()
    actions.load_keyring(tmp_path / "made").rotate()
    made = list((tmp_path / "made" / "gateway").glob("signing*.key"))
    for path in made:
        (secret / path.name).write_bytes(path.read_bytes())
    for name in ("admin.key", "network.key", "outcomes.key", "webhooks.key"):
        (secret / name).write_text("key\n")
    for path in secret.iterdir():
        path.chmod(0o440)
    (gateway,) = [one for one in documents("Deployment") if one["metadata"]["name"] == "gateway"]
    (step,) = gateway["spec"]["template"]["spec"]["initContainers"]
    script = step["args"][0].replace("/run/hedgerow", str(secret)).replace("/var/lib/hedgerow", str(own))
    subprocess.run([*step["command"], script], check=True)
    assert len(actions.load_keyring(own).believed()) == len(made) == 2
    assert {path.stat().st_mode & 0o077 for path in own.rglob("*.key")} == {0}


@pytest.mark.parametrize(
    ("app", "has", "lacks"),
    [
        (
            "gateway",
            {"aiohttp", "fastapi", "psycopg-binary", "polars"},
            {"scipy", "networkx", "shapely", "dbos"},
        ),
        ("registry", {"rapidfuzz", "dbos", "polars"}, {"scipy", "ortools", "aiohttp"}),
        ("network", {"networkx", "scipy", "ortools"}, {"dbos", "statsmodels"}),
        ("outcomes", {"polars"}, {"networkx", "ortools"}),
    ],
)
def test_an_image_holds_what_its_app_needs_and_no_more(app: str, has: set[str], lacks: set[str]) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    part = subprocess.run(
        [sys.executable, ROOT / "deploy" / "closure.py", f"hedgerow-{app}"],
        input=lock,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = set(re.findall(r"^([a-z0-9.-]+)==", part, re.MULTILINE))
    assert has <= names
    assert not names & (lacks | {"pytest", "mypy", "ruff", "hypothesis"})
    assert all(entry.count("--hash=sha256:") for entry in re.split(r"\n(?=[a-z])", part))


def test_figures_are_told_on_a_port_that_only_monitoring_reaches() -> None:
    said = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "HEDGEROW_METRICS_PORT=9464" in said
    published = [str(port) for one in compose()["services"].values() for port in one.get("ports", ())]
    assert not [port for port in published if "9464" in port]
    for service in documents("Service"):
        assert not [port for port in service["spec"]["ports"] if port["targetPort"] == "metrics"]
    for deployment in documents("Deployment"):
        template = deployment["spec"]["template"]
        assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
        assert template["metadata"]["annotations"]["prometheus.io/port"] == "9464"
        assert {"name": "metrics", "containerPort": 9464} in template["spec"]["containers"][0]["ports"]
    policies = {one["metadata"]["name"]: one["spec"] for one in documents("NetworkPolicy")}
    for app in APPS:
        rules = [
            one for one in policies[app]["ingress"] if {"protocol": "TCP", "port": "metrics"} in one["ports"]
        ]
        assert [rule["from"][0]["namespaceSelector"]["matchLabels"] for rule in rules] == [
            {"kubernetes.io/metadata.name": "monitoring"}
        ]
