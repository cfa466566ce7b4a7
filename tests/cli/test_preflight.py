import os
import socket
import sqlite3
from pathlib import Path

import pytest
from hedgerow_cli import preflight
from hedgerow_cli.errors import AlreadyRunning, DatabaseUnusable, DataDirUnusable, PortTaken, UnsuitablePython


def test_an_old_python_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsuitablePython, match=r"needs Python 3.11 or later, this is 3.10: .*make setup"):
        preflight.check_python((3, 10))
    preflight.check_python()


def test_a_data_directory_is_made_and_left_without_a_trace(tmp_path: Path) -> None:
    preflight.prepare_data_dir(tmp_path / "a" / "b")
    folders = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert folders == ["gateway", "logs", "network", "outcomes", "registry"]
    assert list((tmp_path / "a" / "b").glob("*/*")) == []


@pytest.mark.parametrize("where", ["file/below", "/proc/hedgerow"])
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(
        DataDirUnusable, match=r"^The data directory .* cannot be written \(.*\): mend its rights"
    ):
        preflight.prepare_data_dir(tmp_path / where)


def test_a_data_directory_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with preflight.locked(tmp_path):
        (tmp_path / "gateway.json").write_text('{"url": "http://127.0.0.1:8123"}', encoding="utf-8")
        with (
            pytest.raises(
                AlreadyRunning,
                match=rf"\(process {os.getpid()}\) already runs on .* at http://127.0.0.1:8123: use that one",
            ),
            preflight.locked(tmp_path),
        ):
            pass
    with preflight.locked(tmp_path):
        pass


def test_a_port_in_use_is_refused_and_a_free_one_is_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"^Port {port} is taken by another program: .* --port\.$"):
            preflight.check_port("127.0.0.1", port)
    assert preflight.check_port("127.0.0.1", port) == port
    assert preflight.check_port("127.0.0.1", 0) > 0


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 8000), ("no.such.host.invalid", 1)]
)
def test_an_address_that_is_none_is_refused_in_one_line(host: str, port: int) -> None:
    with pytest.raises(PortTaken, match=r"choose another|choose one") as refused:
        preflight.check_port(host, port)
    assert "\n" not in str(refused.value)


def test_app_ports_are_free_and_differ() -> None:
    ports = preflight.free_ports(3, start=5)
    assert len(set(ports)) == 3
    assert all(port in preflight.APP_PORTS for port in ports)


def test_a_database_is_a_file_in_the_data_directory_unless_the_environment_says_otherwise(
    tmp_path: Path,
) -> None:
    urls = preflight.database_urls(
        tmp_path / "a b", {"HEDGEROW_OUTCOMES_DATABASE_URL": "postgresql://me:secret@db.local:5432/outcomes"}
    )
    assert preflight.sqlite_file(urls["registry"]) == tmp_path / "a b" / "registry" / "registry.db"
    assert preflight.sqlite_file(urls["outcomes"]) is None
    assert preflight.without_password(urls["outcomes"]) == "postgresql://db.local:5432/outcomes"


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize(
    "content", [b"this is no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000]
)
def test_a_broken_database_is_named_with_its_app_and_file(
    tmp_path: Path, content: bytes, thorough: bool
) -> None:
    file = tmp_path / "registry.db"
    file.write_bytes(content)
    with pytest.raises(DatabaseUnusable, match=rf"^The database of registry, {file}, is broken \(") as raised:
        preflight.check_database("registry", f"sqlite:///{file}", thorough=thorough)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("thorough", [False, True])
def test_a_whole_database_passes_and_a_missing_one_is_not_made(tmp_path: Path, thorough: bool) -> None:
    file = tmp_path / "registry.db"
    preflight.check_database("registry", f"sqlite:///{file}", thorough=thorough)
    assert not file.exists()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE areas (code TEXT PRIMARY KEY)")
    connection.close()
    preflight.check_database("registry", f"sqlite:///{file}", thorough=thorough)


def test_a_damaged_page_is_found_by_the_thorough_check(tmp_path: Path) -> None:
    file = tmp_path / "network.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE cells (n INTEGER PRIMARY KEY, said TEXT)")
    connection.executemany("INSERT INTO cells (said) VALUES (?)", [("x" * 500,)] * 500)
    connection.commit()
    connection.close()
    content = bytearray(file.read_bytes())
    content[4096 * 5 : 4096 * 6] = b"\xa5" * 4096
    file.write_bytes(content)
    with pytest.raises(DatabaseUnusable, match="The database of network"):
        preflight.check_database("network", f"sqlite:///{file}", thorough=True)
