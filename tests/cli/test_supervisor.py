import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hedgerow_cli import supervisor as supervising
from hedgerow_cli.errors import AppFailed, DatabaseUnusable
from hedgerow_cli.preflight import free_ports
from hedgerow_cli.supervisor import Supervisor, last_words

from tests.cli import standin
from tests.cli.processes import alive, eventually


@pytest.fixture
def ports() -> list[int]:
    return free_ports(2, start=os.getpid() * 11)


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def crash(port: int) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        get(port, "/crash")


def answers(port: int) -> bool:
    try:
        return get(port, "/readyz") == 200
    except (OSError, http.client.HTTPException):
        return False


def test_all_apps_run_until_the_supervisor_is_left(tmp_path: Path, ports: list[int]) -> None:
    apps = [standin.app("gateway", tmp_path, ports[0]), standin.app("registry", tmp_path, ports[1])]
    seen: set[str] = set()
    with Supervisor(apps, say=print) as supervisor:
        supervisor.wait_until_ready(30, tell=lambda stages: seen.update(stages.values()))
        running = list(supervisor.process_ids().values())
        assert len(running) == 2
        assert all(map(alive, running))
        assert all(map(answers, ports))
    assert not any(map(alive, running))
    assert {"preparing its database", "ready"} <= seen


def test_a_crashed_app_is_started_again_and_it_is_said(tmp_path: Path, ports: list[int]) -> None:
    said: list[str] = []
    with Supervisor([standin.app("registry", tmp_path, ports[0])], say=said.append) as supervisor:
        supervisor.wait_until_ready(30, tell=lambda _stages: None)
        before = supervisor.process_ids()["registry"]
        crash(ports[0])
        assert eventually(lambda: answers(ports[0]))
        assert supervisor.process_ids()["registry"] != before
    assert len(said) == 1
    assert said[0].startswith("registry stopped (exit code 7): starting it again in 0.5 s; see ")


def test_an_app_that_keeps_crashing_waits_longer_each_time(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.05)
    said: list[str] = []
    with Supervisor([standin.app("registry", tmp_path, ports[0])], say=said.append) as supervisor:
        supervisor.wait_until_ready(30, tell=lambda _stages: None)
        for _ in range(3):
            assert eventually(lambda: answers(ports[0]))
            crash(ports[0])
        assert eventually(lambda: len(said) == 3)
    assert [line.split(" in ")[1].split(" s;")[0] for line in said] == ["0.05", "0.1", "0.2"]


def test_an_app_that_dies_while_starting_is_named_with_its_last_words(
    tmp_path: Path, ports: list[int]
) -> None:
    app = standin.app("outcomes", tmp_path, ports[0], STANDIN_FAULT="dies")
    with (
        Supervisor([app], say=print) as supervisor,
        pytest.raises(
            AppFailed, match=r"^outcomes stopped while starting \(exit code 1; the thing it needs is not"
        ),
    ):
        supervisor.wait_until_ready(30, tell=lambda _stages: None)


def test_an_app_that_cannot_migrate_names_its_database(tmp_path: Path, ports: list[int]) -> None:
    app = standin.app("network", tmp_path, ports[0], STANDIN_FAULT="cannot migrate")
    with Supervisor([app], say=print) as supervisor, pytest.raises(DatabaseUnusable) as raised:
        supervisor.wait_until_ready(30, tell=lambda _stages: None)
    assert str(raised.value) == (
        f"network could not prepare its database {tmp_path}/network.db"
        f" (sqlalchemy.exc.DatabaseError: file is not a database): see {tmp_path}/network.log."
    )


def test_an_app_that_never_becomes_ready_says_what_it_lacks(tmp_path: Path, ports: list[int]) -> None:
    app = standin.app("registry", tmp_path, ports[0], STANDIN_NOT_READY=str(tmp_path))
    with (
        Supervisor([app], say=print) as supervisor,
        pytest.raises(
            AppFailed, match=r"^registry is not ready after 3 s \(database: is not migrated\): see "
        ),
    ):
        supervisor.wait_until_ready(3, tell=lambda _stages: None)


def test_an_app_that_ignores_the_request_to_stop_is_killed(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "GRACE_SECONDS", 0.5)
    said: list[str] = []
    app = standin.app("registry", tmp_path, ports[0], STANDIN_FAULT="ignores SIGTERM")
    with Supervisor([app], say=said.append) as supervisor:
        supervisor.wait_until_ready(30, tell=lambda _stages: None)
        running = supervisor.process_ids()["registry"]
    assert not alive(running)
    assert said == ["registry did not stop in 0.5 s and is killed."]


def test_no_app_outlives_a_supervisor_killed_with_kill_9(tmp_path: Path, ports: list[int]) -> None:
    command = [sys.executable, standin.__file__, "supervise", str(tmp_path), *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        running = list(json.loads(supervisor.stdout.readline()).values())
        assert all(map(alive, running))
        supervisor.send_signal(signal.SIGKILL)
    assert eventually(lambda: not any(map(alive, running)))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Traceback\n  File\nValueError: no such thing.\n", "ValueError: no such thing"),
        ('{"message": "a\\nb", "level": "error"}\n{"message": "ended", "level": "info"}\n', "a b"),
        ('{"message": "started", "level": "info"}\n{"message": "ended", "level": "info"}\n\n', "ended"),
        ("DatabaseError: broken\n(Background on this error at: a page)\n", "DatabaseError: broken"),
        ("OperationalError: connection refused\n\tIs it running?\n", "OperationalError: connection refused"),
        ("", ""),
    ],
)
def test_the_last_words_of_a_log_are_one_line(tmp_path: Path, written: str, words: str) -> None:
    log = tmp_path / "app.log"
    log.write_text(written, encoding="utf-8")
    assert last_words(log) == words


def test_the_words_of_an_earlier_run_are_not_the_last_ones(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("ValueError: of yesterday\n", encoding="utf-8")
    assert last_words(log, since=log.stat().st_size) == ""
