"""`hedgerow export`: lists as files, from a running platform and from one that answers as written here."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import polars
import pytest

from tests.cli.command import Said, environment, hedgerow
from tests.cli.scripted import PROBLEM, Platform, Reply, answering
from tests.support.platform import LocalPlatform, platform

WARDS = 2_300
AREAS = (
    "code,name,level,parent_code,vintage,lon,lat\nE06000001,Harbour,authority,,2024,0.05,53.05\n"
    + "".join(f"E05{n:06},Ward {n},ward,E06000001,2024,0.1,53.1\n" for n in range(1, WARDS + 1))
)
NEEDS = "taxonomy,term,name,parent_term\nt,food,Food,\n"
RESIDENTS = "area_code,period,age_from,age_to,sex,count\nE05000001,2024,0,,all,1000\n"


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    with platform(tmp_path_factory.mktemp("export") / "var", "--empty") as started:
        for kind, rows in (("areas", AREAS), ("needs", NEEDS), ("residents", RESIDENTS)):
            assert started.send(kind, rows).json()["counts"]["quarantined"] == 0
        started.wait_for_network()
        yield started


def exported(harbour: LocalPlatform, file: Path, *arguments: str) -> bytes:
    done = harbour.command("export", *arguments, "-o", str(file))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"{file.stat().st_size:,} bytes" in done.stderr
    assert os.listdir(file.parent) == [file.name]
    return file.read_bytes()


@pytest.mark.parametrize("ending", ["csv", "ndjson", "geojson"])
def test_a_file_holds_what_the_platform_sends(harbour: LocalPlatform, tmp_path: Path, ending: str) -> None:
    found = exported(harbour, tmp_path / f"areas.{ending}", "areas")
    assert found == harbour.client.get("/v1/areas", params={"format": ending}).content
    assert found.count(b"Ward ") == WARDS


def test_a_workbook_and_typed_columns_have_all_rows(harbour: LocalPlatform, tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "columns").mkdir()
    book = exported(harbour, tmp_path / "book" / "areas.xlsx", "/v1/areas", "--option", "level=ward")
    assert openpyxl.load_workbook(io.BytesIO(book))["Rows"].max_row == WARDS + 1
    columns = exported(harbour, tmp_path / "columns" / "areas.parquet", "areas?level=ward")
    assert polars.read_parquet(io.BytesIO(columns)).height == WARDS


def test_json_is_one_document_of_all_pages(harbour: LocalPlatform, tmp_path: Path) -> None:
    found = json.loads(exported(harbour, tmp_path / "areas.json", "areas"))
    assert found["next"] is None
    assert found["items"] == harbour.items("/v1/areas")
    assert len(found["items"]) == WARDS + 1


def test_an_analysis_of_a_named_area_is_exported_with_its_options(
    harbour: LocalPlatform, tmp_path: Path
) -> None:
    asked = ["localities/harbour/gaps", "--option", "kind=uncovered", "--option", "need=t:food"]
    found = exported(harbour, tmp_path / "gaps.csv", *asked, "--format", "csv-excel")
    assert found.startswith(b"\xef\xbb\xbf")
    assert len(list(csv.DictReader(io.StringIO(found.decode("utf-8-sig"))))) == WARDS
    access = exported(harbour, tmp_path / "gaps.csv", "localities/harbour/access")
    assert access.count(b"\n") > 1_000
    said = harbour.command("export", "localities/harbour/graph", "-o", "-", "--format", "graphml")
    assert "<graphml" in said.stdout
    assert said.stderr == ""


def test_standard_output_has_rows_unless_told_otherwise(harbour: LocalPlatform) -> None:
    assert harbour.command("export", "needs").stdout.startswith("source,")
    assert json.loads(harbour.command("export", "needs", "--json").stdout)["items"][0]["id"] == "t:food"
    assert json.loads(harbour.command("export", "organisations", "--format", "json").stdout)["items"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["observation"], 1, "observation is no list of the API: perhaps observations"),
        (["gaps"], 1, "perhaps localities/{area}/gaps"),
        (["localities/E06000001/overlap"], 1, "localities/{area}/overlaps"),
        (["zzzzzzz"], 1, "zzzzzzz is no list of the API: All are at http"),
        (["areas", "--format", "graphml"], 2, "areas comes as json, ndjson, csv, csv-excel, xlsx, geojson"),
        (["needs", "-o", "needs.geojson"], 2, "needs does not come as geojson: give --format json, ndjson"),
        (["needs", "-o", "needs"], 2, "needs says nothing about its format: give --format json, ndjson"),
        (["needs", "-o", "nowhere/needs.csv"], 2, "cannot be written (no such file or directory)"),
        (["areas/E06000001", "--format", "csv"], 2, "areas/{code} comes only as it is"),
        (["areas", "--option", "colour=red"], 1, "colour"),
        (["organisations/nobody/services"], 1, "error: "),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_no_file(
    harbour: LocalPlatform, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    where = ["--url", harbour.url, "--key-file", str(harbour.data_dir / "admin.key")]
    output = (
        [] if "-o" in arguments else ["-o", "some.csv"] if "--format" not in arguments else ["-o", "some"]
    )
    done = hedgerow("export", *arguments, *output, *where, cwd=tmp_path)
    assert done.code == code, done.err
    assert said in done.err
    assert done.err.count("\n") == 1
    assert os.listdir(tmp_path) == []


DOCUMENT = {
    "paths": {
        "/v1/things": {
            "get": {
                "parameters": [
                    {"in": "query", "name": "format", "schema": {"enum": ["json", "csv"]}},
                    {"in": "query", "name": "after", "schema": {}},
                    {"in": "query", "name": "limit", "schema": {}},
                ]
            }
        }
    }
}


def ask(found: Platform, folder: Path, *arguments: str | Path) -> Said:
    key = folder.with_suffix(".key")
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow("--url", found.url, "--key-file", key, "export", *arguments, cwd=folder)


def scripted(*replies: Reply) -> dict[str, Reply | list[Reply]]:
    return {"GET /openapi.json": Reply(DOCUMENT), "GET /v1/things": list(replies)}


def test_an_answer_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "things.csv").write_text("before\n")
    with answering(scripted(Reply(b"id\r\n" * 200_000, media_type="text/csv", lacking=9))) as found:
        code, out, err = ask(found, tmp_path, "things", "-o", "things.csv")
    assert (code, out) == (3, "")
    assert "broke off in the middle" in err
    assert err.endswith("ask again.\n")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"things.csv": "before\n"}


def test_a_page_that_fails_leaves_no_document(tmp_path: Path) -> None:
    pages = (
        Reply({"items": [{"id": 1}], "next": "on", "computed": {"at": "2026-11-22"}}),
        Reply({"title": "Busy", "status": 503, "detail": "registry is away."}, 503, PROBLEM),
    )
    with answering(scripted(*pages)) as found:
        code, _out, err = ask(found, tmp_path, "things", "-o", "things.json")
    assert (code, err) == (1, "error: registry is away.\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("status", [429, 503])
def test_who_is_told_to_wait_waits_and_asks_once_more(tmp_path: Path, status: int) -> None:
    problem: dict[str, Any] = {"title": "Later", "status": status, "detail": "Wait."}
    refused = Reply(problem, status, PROBLEM, {"Retry-After": "1"})
    with answering(scripted(refused, Reply(b"id\r\n1\r\n", media_type="text/csv"))) as found:
        began = time.monotonic()
        code, _out, err = ask(found, tmp_path, "things", "-o", "things.csv", "--quiet")
        assert time.monotonic() - began >= 1
    assert (code, err) == (0, "")
    assert (tmp_path / "things.csv").read_bytes() == b"id\r\n1\r\n"
    assert [asked.query for asked in found.asked][1:] == [{"format": "csv"}] * 2
    assert found.asked[1].headers["authorization"] == "Bearer hedgerow_1_secret"


def test_a_link_a_mode_and_a_pipe_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    kept = tmp_path / "kept" / "things.csv"
    kept.touch(0o640)
    (tmp_path / "link.csv").symlink_to(kept)
    with answering(scripted(Reply(b"id\r\n", media_type="text/csv"))) as found:
        assert ask(found, tmp_path, "things", "-o", "link.csv").code == 0
        assert ask(found, tmp_path, "things", "-o", "/dev/null", "--format", "csv").code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert kept.read_bytes() == b"id\r\n"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert Path("/dev/null").is_char_device()


def test_the_length_of_a_list_costs_no_memory(tmp_path: Path) -> None:
    code = (
        "import re, sys; from hedgerow_cli.main import run; code = run(sys.argv[1:]);"
        "print(code, *re.findall(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()))"
    )
    (tmp_path / "key").write_text("hedgerow_1_secret")
    peaks = []
    for size in (1_000, 150_000_000):
        with answering(scripted(Reply(b"x" * size, media_type="text/csv"))) as found:
            where = ["--url", found.url, "--key-file", str(tmp_path / "key"), "--quiet"]
            said = subprocess.run(
                [sys.executable, "-c", code, "export", "things", "-o", str(tmp_path / "things.csv"), *where],
                capture_output=True,
                text=True,
                env=environment(),
                check=True,
            ).stdout.split()
        assert (said[0], (tmp_path / "things.csv").stat().st_size) == ("0", size)
        peaks.append(int(said[1]))
    assert peaks[1] - peaks[0] < 40_000, peaks
