"""`hedgerow erase`: one person, all apps; nothing before it was looked at and agreed to."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Said, hedgerow
from tests.cli.scripted import PROBLEM, Platform, Reply, answering
from tests.support.platform import platform

APPS = ("registry", "network", "outcomes", "gateway")
NAME = "Canary Person"


def view(app: str, *, dry_run: bool, rows: int = 0, standing: int = 0) -> dict[str, Any]:
    held = [{"table": "services", "rows": rows}] if rows else []
    stands = [{"table": "relations", "rows": standing}] if standing else []
    return {"id": "1", "app": app, "dry_run": dry_run, "erased": held, "audit": rows, "standing": stands}


def erasing(**replies: list[Reply]) -> dict[str, Reply | list[Reply]]:
    """What each app says in turn; one that is not named holds nothing."""
    nothing = {app: [Reply(view(app, dry_run=True))] for app in APPS}
    return {f"POST /v1/erasures/{app}": said for app, said in (nothing | replies).items()}


def looked_erased_looked(app: str, *, left: int = 0) -> list[Reply]:
    views = ((True, 3), (False, 3), (True, left))
    return [Reply(view(app, dry_run=trial, rows=rows)) for trial, rows in views]


def ask(found: Platform, folder: Path, *arguments: str, stdin: bytes | None = None) -> Said:
    key = folder / "admin.key"
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    given = ("erase", "--reason", "request 12", *arguments, "--url", found.url, "--key-file", str(key))
    return hedgerow(*given, stdin=stdin)


def sent(found: Platform) -> list[tuple[str, bool]]:
    return [(one.path.rpartition("/")[2], json.loads(one.body)["dry_run"]) for one in found.asked]


def test_all_apps_are_looked_at_then_erased_in_order_then_looked_at_again(tmp_path: Path) -> None:
    file = tmp_path / "texts"
    file.write_text(f"{NAME}\n\n  canary@example.org \n", encoding="utf-8")
    with answering(erasing(registry=looked_erased_looked("registry"))) as found:
        code, out, _ = ask(found, tmp_path, "--texts-from", str(file), "--yes")
        assert code == 0
    assert sent(found) == [(app, trial) for trial in (True, False, True) for app in APPS]
    body = json.loads(found.asked[0].body)
    assert (body["texts"], body["reason"]) == ([NAME, "canary@example.org"], "request 12")
    assert "Erased" in out
    assert "3 rows" in out
    assert "Canary" not in out


def test_nothing_is_erased_unless_it_is_agreed_to(tmp_path: Path) -> None:
    for answer, code in ((b"n\n", 1), (b"", 1), (b"y\n", 0)):
        with answering(erasing(registry=looked_erased_looked("registry"))) as found:
            said = ask(found, tmp_path, NAME, stdin=answer)
            assert said.code == code
            assert "3 rows" in said.err
        assert any(not trial for _, trial in sent(found)) == (code == 0)


def test_a_trial_and_a_person_that_nobody_tells_of_change_nothing(tmp_path: Path) -> None:
    held = [Reply(view("registry", dry_run=True, rows=3, standing=2))]
    with answering(erasing(registry=held)) as found:
        code, out, err = ask(found, tmp_path, NAME, "--dry-run")
        assert (code, "2 rows" in out, "delete them where they come from" in err) == (0, True, True)
    assert sent(found) == [(app, True) for app in APPS]
    with answering(erasing()) as found:
        assert ask(found, tmp_path, NAME).code == 0
    assert sent(found) == [(app, True) for app in APPS]


def test_an_app_that_is_away_stops_it_before_anything_is_changed(tmp_path: Path) -> None:
    away = Reply({"title": "Away", "status": 503}, 503, PROBLEM)
    with answering(erasing(registry=looked_erased_looked("registry"), outcomes=[away])) as found:
        assert ask(found, tmp_path, NAME, "--yes").code == 1
    assert all(trial for _, trial in sent(found))


def test_what_broke_off_or_came_back_is_said(tmp_path: Path) -> None:
    away = Reply({"title": "Away", "status": 503}, 503, PROBLEM)
    broken = [Reply(view("network", dry_run=True)), away]
    with answering(erasing(registry=looked_erased_looked("registry"), network=broken)) as found:
        code, _, err = ask(found, tmp_path, NAME, "--yes")
        assert (code, "Erased so far: registry; network did not" in err) == (1, True)
    with answering(erasing(registry=looked_erased_looked("registry", left=1))) as found:
        code, _, err = ask(found, tmp_path, NAME, "--yes")
        assert (code, "Written again meanwhile: registry" in err) == (1, True)
    assert ask(found, tmp_path).code == 2


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_of_a_running_platform_nothing_is_left(tmp_path: Path, dialect: str) -> None:
    data_dir = tmp_path / "var"
    with platform(data_dir, "--empty") as up:
        rows = f'id,name,description\nc1,Body of {NAME},"Run by {NAME}"\n'
        assert up.send("organisations", rows).json()["counts"]["accepted"] == 1
        up.wait_for_network()
        looked = up.command_json("erase", NAME, "--reason", "request 12", "--dry-run")
        held = {view["app"]: {one["table"] for one in view["erased"]} for view in looked["items"]}
        assert "records" in held["network"]
        said = up.command_json("erase", NAME, "--reason", "request 12", "--yes")
        erased = {view["app"]: {one["table"] for one in view["erased"]} for view in said["items"]}
        assert "organisations" in erased["registry"]
        # Network has heard of it from the registry by the time that it is asked.
        assert erased["network"] <= {"records"}
        assert not any(view["standing"] for view in said["items"])
        again = up.command_json("erase", NAME, "--reason", "request 12", "--dry-run")
        assert not any(view["erased"] or view["audit"] for view in again["items"])
        (held,) = up.items("/v1/organisations")
        assert held["name"] == "Body of [erased]"
