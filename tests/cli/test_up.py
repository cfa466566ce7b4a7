import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.command import environment, hedgerow
from tests.cli.processes import alive, children_of, eventually

START_SECONDS = 180.0
TINYTOWN = Path(__file__).with_name("tinytown.toml")
# The manifest says who lives where and who serves whom; this is the same by hand. Larder serves food in North
# alone: that leaves food in South (500 residents) and debt advice in both, where 120 were counted in North.
GAPS_OF_TINYTOWN = """\
Debt advice (t:debt) South (E05999002) ≈500 uncovered nobody
Food (t:food) South (E05999002) ≈500 uncovered nobody
Debt advice (t:debt) North (E05999001) 120 uncovered nobody
"""


class Running:
    """`hedgerow up` in a process of its own, its words kept in files."""

    def __init__(self, data_dir: Path, *arguments: str, **more: str) -> None:
        self.data_dir = data_dir
        self.words = data_dir.parent / f"{data_dir.name}.said"
        with self.words.open("ab") as words:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "hedgerow_cli",
                    "up",
                    "--data-dir",
                    str(data_dir),
                    "--port",
                    "0",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                env=environment(**more),
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.words.read_text(encoding="utf-8")

    def says(self, words: str) -> bool:
        return eventually(
            lambda: words in self.said or self.process.poll() is not None, seconds=START_SECONDS
        ) and (words in self.said)

    def until_up(self) -> "Running":
        assert self.says("Ctrl-C stops everything."), self.said
        return self

    @property
    def url(self) -> str:
        return str(json.loads((self.data_dir / "gateway.json").read_text(encoding="utf-8"))["url"])

    def apps(self) -> dict[str, int]:
        """The process of each app."""
        found = {}
        for child in children_of(self.process.pid):
            command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\x00")
            found[command[command.index(b"-m") + 1].decode().removeprefix("hedgerow_")] = child
        return found

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


@contextmanager
def running(data_dir: Path, *arguments: str, **more: str) -> Iterator[Running]:
    up = Running(data_dir, *arguments, **more)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            with suppress(ProcessLookupError):
                up.process.send_signal(signal.SIGTERM)
            try:
                up.process.wait(40)
            except subprocess.TimeoutExpired:
                up.process.kill()
                up.process.wait()


@pytest.fixture(scope="module")
def tinytown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A platform with a tiny place that the tests of this module share; none of them stops it."""
    with running(tmp_path_factory.mktemp("up") / "var", "--manifest", str(TINYTOWN)) as up:
        yield up.until_up()


def rows(text: str) -> str:
    """The words of a table, without its padding and its lines."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines()) + "\n"


def test_the_platform_comes_up_loads_the_place_and_shows_it(tinytown: Running) -> None:
    assert sorted(tinytown.apps()) == ["gateway", "network", "outcomes", "registry"]
    assert tinytown.get("/readyz") == (200, b'{"status":"ready"}')
    assert "First start: loading" in tinytown.said
    shown = rows(tinytown.said)
    assert (
        "Tinytown (E06999001): 1,500 residents, 2 areas by ward, 2 needs, 1 service of 1 provider\n"
        "4 cells of one need in one area: 3 gaps, 0 partial, 1 with a single provider, 0 overlaps;"
        " about 1,120 people left out (one person counts once for each need)\n"
    ) in shown
    assert GAPS_OF_TINYTOWN in shown
    assert f"Overlaps (hedgerow overlaps E06999001 --data-dir {tinytown.data_dir}): none\n" in shown
    assert "\nLarder Trust 1,000 1 1 1 1\n" in shown
    assert "\nParcels (parcels) 2026-10 100 parcels +10 worse\n" in shown


def test_the_addresses_and_the_key_are_named(tinytown: Running) -> None:
    assert f"API        {tinytown.url}/v1" in tinytown.said
    assert f"Your key   {tinytown.data_dir}/admin.key" in tinytown.said
    assert (tinytown.data_dir / "admin.key").stat().st_mode & 0o777 == 0o600


def test_gaps_by_name_are_those_worked_out_by_hand(tinytown: Running) -> None:
    code, out, err = hedgerow("gaps", "tinytown", "--data-dir", tinytown.data_dir)
    assert (code, err) == (0, "")
    assert rows(out).splitlines()[0] == (
        "Gaps of Tinytown (E06999001): 3 cells, ≈1,120 people (one person counts once for each need)"
    )
    assert GAPS_OF_TINYTOWN in rows(out)
    single = hedgerow(
        "gaps", "tinytown", "--data-dir", tinytown.data_dir, "--kind", "single", "--need", "food"
    ).out
    assert "\nFood (t:food) North (E05999001) ≈1,000 single Larder Trust\n" in rows(single)
    none = hedgerow("overlaps", "E06999001", "--data-dir", tinytown.data_dir).out
    assert none.startswith("Overlaps of Tinytown (E06999001): none\nAs of ")


def test_json_is_what_the_api_answers(tinytown: Running) -> None:
    code, out, _err = hedgerow("fragility", "E06999001", "--json", "--data-dir", tinytown.data_dir)
    assert code == 0
    answer = json.loads(out)
    assert [item["name"] for item in answer["items"]] == ["Larder Trust"]
    assert answer["next"] is None
    assert answer["computed"]["thresholds"]["level"] == "ward"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gaps", "E06999999"], "error: No such area is held."),
        (["gaps", "tinytown", "--need", "nothing"], "error: No such need is held."),
        (
            ["gaps", "tinytown", "--rule", "within:x"],
            "error: A rule is `declared`, `sited`, or `within:<km>`",
        ),
        (["gaps", "tinytown", "--at", "tomorrow"], "error: at: not a day written as 2024-05-31."),
        (["import", "nothing", str(TINYTOWN), "--type", "csv"], "error: "),
    ],
)
def test_what_the_platform_refuses_is_one_line_and_ends_with_1(
    tinytown: Running, arguments: list[str], said: str
) -> None:
    code, out, err = hedgerow(*arguments, "--data-dir", tinytown.data_dir)
    assert (code, out) == (1, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_output_that_is_no_terminal_is_plain(tinytown: Running) -> None:
    assert "\x1b" not in tinytown.said
    assert "\r" not in tinytown.said


def test_the_command_finds_the_running_platform_by_its_data_directory(tinytown: Running) -> None:
    code, out, err = hedgerow("--data-dir", tinytown.data_dir, "keys", "list")
    assert (code, err) == (0, "")
    assert "administrator, made at the first start" in out


def test_a_second_up_on_the_same_data_directory_is_refused_in_one_line(tinytown: Running) -> None:
    code, out, err = hedgerow("up", "--data-dir", tinytown.data_dir, "--port", "0", "--empty")
    assert (code, out) == (13, "")
    assert err == (
        f"error: Another `hedgerow up` (process {tinytown.process.pid}) already runs on {tinytown.data_dir}"
        f" at {tinytown.url}:"
        " use that one, stop it, or choose another --data-dir.\n"
    )


def test_a_taken_port_is_refused_in_one_line(tinytown: Running, tmp_path: Path) -> None:
    port = str(urlsplit(tinytown.url).port)
    code, out, err = hedgerow("up", "--data-dir", tmp_path, "--port", port, "--empty")
    assert (code, out) == (12, "")
    assert err == (
        f"error: Port {port} is taken by another program: stop that, or choose another port with --port.\n"
    )


def test_doctor_finds_a_running_platform_well(tinytown: Running) -> None:
    code, out, err = hedgerow("doctor", "--data-dir", tinytown.data_dir)
    assert (code, err) == (0, "")
    assert f"ok     platform: every app is ready at {tinytown.url}" in out
    assert "wrong" not in out


def test_an_app_killed_with_kill_9_is_started_again(tinytown: Running) -> None:
    before = tinytown.apps()["outcomes"]
    os.kill(before, signal.SIGKILL)
    assert tinytown.says("outcomes stopped (killed by SIGKILL): starting it again in 0.5 s")
    assert eventually(lambda: tinytown.apps().get("outcomes", before) != before)
    assert eventually(tinytown.ready, seconds=START_SECONDS)


def test_a_data_directory_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for where in (tmp_path / "file" / "var", Path("/proc/var")):
        code, out, err = hedgerow("up", "--data-dir", where, "--port", "0", "--empty")
        assert (code, out) == (11, "")
        assert err.startswith(f"error: The data directory {where} cannot be written (")
        assert err.count("\n") == 1


@pytest.mark.parametrize("app", ["registry", "network", "outcomes", "gateway"])
def test_a_broken_database_is_refused_in_one_line_naming_app_and_file(tmp_path: Path, app: str) -> None:
    (tmp_path / app).mkdir()
    (tmp_path / app / f"{app}.db").write_bytes(b"this is no database" * 1000)
    code, out, err = hedgerow("up", "--data-dir", tmp_path, "--port", "0", "--empty")
    assert (code, out) == (14, "")
    assert err == (
        f"error: The database of {app}, {tmp_path}/{app}/{app}.db, is broken (file is not a database):"
        " put a good copy in its place, or move it away to start empty.\n"
    )


def test_a_database_that_is_not_ours_is_refused_and_nothing_is_left_running(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "registry").mkdir()
    connection = sqlite3.connect(tmp_path / "registry" / "registry.db")
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.execute("INSERT INTO alembic_version VALUES ('of another program')")
    connection.commit()
    connection.close()
    code, _out, err = hedgerow("up", "--data-dir", tmp_path, "--port", "0", "--empty")
    assert code == 14
    last = err.splitlines()[-1]
    assert last.startswith(
        f"error: registry could not prepare its database {tmp_path}/registry/registry.db ("
    )
    assert "of another program" in last


def test_ctrl_c_in_a_terminal_stops_everything_in_order(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    process, terminal = pty.fork()
    if process == 0:
        os.execve(
            sys.executable,
            [
                sys.executable,
                "-m",
                "hedgerow_cli",
                "up",
                "--data-dir",
                str(data_dir),
                "--port",
                "0",
                "--empty",
            ],
            environment(TERM="xterm", COLUMNS="100"),
        )
    said = b""

    def read_on() -> bool:
        nonlocal said
        with suppress(OSError):
            said += os.read(terminal, 65536)
        return b"Ctrl-C stops everything." in said

    assert eventually(read_on, seconds=START_SECONDS), said.decode()
    apps = children_of(process)
    assert len(apps) == 4
    os.write(terminal, b"\x03")
    ended = time.monotonic()
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        read_on()
        assert time.monotonic() - ended < 40
    assert not any(map(alive, apps))
    read_on()
    os.close(terminal)
    assert b"Stopped." in said
    assert not (data_dir / "gateway.json").exists()


def test_no_app_outlives_up_killed_with_kill_9_and_the_next_start_shows_the_same(tmp_path: Path) -> None:
    with running(tmp_path / "var", "--manifest", str(TINYTOWN)) as up:
        up.until_up()
        apps = list(up.apps().values())
        assert len(apps) == 4
        up.process.kill()
        up.process.wait()
        assert eventually(lambda: not any(map(alive, apps)), seconds=30)
    first = up.said
    up.words.unlink()
    with running(tmp_path / "var") as up:
        up.until_up()
        up.process.terminate()
        assert up.process.wait(40) == 0
    assert up.said.endswith("Stopped.\n")
    assert "First start" not in up.said
    summary = first[first.index("Tinytown (E06999001)") : first.index("API  ")]
    assert summary in up.said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -9)])
def test_an_end_while_the_apps_still_start_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with running(tmp_path / "var", "--empty") as up:
        assert eventually(lambda: len(children_of(up.process.pid)) == 4, seconds=60)
        children = children_of(up.process.pid)
        up.process.send_signal(number)
        assert up.process.wait(120) == code
        assert eventually(lambda: not any(map(alive, children)), seconds=60)


def test_doctor_names_each_fault_and_ends_with_1(tmp_path: Path) -> None:
    for name in ("registry", "gateway"):
        (tmp_path / name).mkdir()
    (tmp_path / "registry" / "registry.db").write_bytes(b"no database" * 1000)
    (tmp_path / "admin.key").write_text("hedgerow_1_x", encoding="utf-8")
    (tmp_path / "admin.key").chmod(0o644)
    late = time.time() + 3600
    (tmp_path / "gateway" / "gateway.db").touch()
    os.utime(tmp_path / "gateway" / "gateway.db", (late, late))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    code, out, err = hedgerow("doctor", "--data-dir", tmp_path, "--url", url)
    assert code == 1
    wrong = [
        line.split(":")[0].removeprefix("wrong  ") for line in out.splitlines() if line.startswith("wrong")
    ]
    assert wrong == ["database of registry", "key admin.key", "clock", "platform"]
    assert f"run chmod 600 {tmp_path}/admin.key" in out
    assert err == (
        "error: 4 of 11 checks found something wrong: database of registry, key admin.key, clock, platform.\n"
    )


def test_doctor_takes_a_platform_that_is_not_running_for_no_fault(tmp_path: Path) -> None:
    code, out, _err = hedgerow("doctor", "--data-dir", tmp_path / "none")
    assert code in (0, 1)
    assert (
        f"note   data directory: {tmp_path}/none is not there yet: `hedgerow up` makes it at first start."
        in out
    )
    assert not (tmp_path / "none").exists()
