"""Loading a council's files by a manifest, against a real server that accounts for every row."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hedgerow_cli.client import Client
from hedgerow_cli.load_progress import LoadBars
from hedgerow_cli.load_report import LoadReport
from hedgerow_cli.loading import check_manifest, load_manifest
from hedgerow_cli.manifest import ManifestError
from hedgerow_cli.uploads import count_records, gzipped
from rich.progress import Progress

from tests.cli.command import Said, hedgerow
from tests.cli.import_stand_in import Imports, importing

HEAD = 'name = "Keldermouth"\narea = "E06999001"\nsource = "keldermouth-open-data"\nmissing = ["NA"]\n'
WARDS = "ward,title,type\nE05999001,Harbour,W\nE05999002,Saltings,W\nE06999001,Keldermouth,A\n"
WARDS_AS_AREAS = """
[[file]]
path = "wards.csv"
kind = "areas"
columns = { code = "ward", name = "title" }
constants = { level = "ward", vintage = "2024" }
where = { type = "W" }
"""


@pytest.fixture
def platform() -> Iterator[Imports]:
    with importing() as imports:
        yield imports


def written(folder: Path, manifest: str, **files: str | bytes) -> Path:
    """A folder with a manifest and its files; `__` in a name is a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "manifest.toml").write_text(HEAD + manifest, encoding="utf-8")
    return folder / "manifest.toml"


def loaded(platform: Imports, manifest: Path, **more: Any) -> LoadReport:
    with Client(platform.url, "hedgerow_1_secret") as client:
        return load_manifest(client, manifest, manifest.parent, quiet=True, **more)


def command(platform: Imports, manifest: Path, *arguments: str) -> Said:
    key = manifest.parent / "admin.key"
    key.write_text("hedgerow_1_secret\n", encoding="utf-8")
    return hedgerow("--url", platform.url, "--key-file", key, "load", manifest, *arguments)


def test_rows_left_out_sent_and_refused_add_up_to_the_rows_read(platform: Imports, tmp_path: Path) -> None:
    ragged = WARDS + "E05999003,Two,many,fields,W\n"
    report = loaded(platform, written(tmp_path, WARDS_AS_AREAS, wards__csv=ragged))
    [file] = report.files
    assert (file.read, file.left_out, file.sent, file.refused) == (4, 1, 3, 1)
    assert file.counts == {"accepted": 2, "changed": 0, "unchanged": 0, "quarantined": 1}
    assert report.complete


def test_files_that_are_refused_for_now_are_sent_again_whole(platform: Imports, tmp_path: Path) -> None:
    platform.busy = 1
    canonical = '\n[[file]]\npath = "needs.csv"\nkind = "needs"\n'
    needs = "taxonomy,term,name\nhedgerow,food,Food\n"
    manifest = written(tmp_path, WARDS_AS_AREAS + canonical, wards__csv=WARDS, needs__csv=needs)
    report = loaded(platform, manifest)
    assert report.complete
    assert [(file.read, file.left_out, file.sent) for file in report.files] == [(3, 1, 2), (1, 0, 1)]
    first, again, _ = platform.sent
    assert first.body == again.body
    platform.busy = 1
    report = loaded(platform, written(tmp_path, canonical, needs__csv=needs))
    assert report.complete
    assert platform.sent[-1].body == platform.sent[-2].body == needs.encode()


def test_a_receipt_names_the_line_of_the_councils_own_file(platform: Imports, tmp_path: Path) -> None:
    told = (
        'ward,title,type\nE05999001,"Harbour\nand Quay",W\n\n'
        "E06999001,Keldermouth,A\nE05999002,Salt,W\nE05999003\n"
    )
    report = loaded(platform, written(tmp_path, WARDS_AS_AREAS, wards__csv=told))
    assert [row["_line"] for row in platform.of("areas")] == ["2", "6", "7"]
    assert report.files[0].quarantined == [
        {"line": 7, "column": "", "reason": "has 1 fields where the header has 3", "records": 1}
    ]


def test_the_manifests_source_and_options_go_along(platform: Imports, tmp_path: Path) -> None:
    manifest = """
[[file]]
path = "kpis.csv"
kind = "observations"
period = "financial"
blank = "missing"
source = "annual-return"
columns = { kpi = "kpi", subject = "area", period = "year", value = "value" }
"""
    loaded(
        platform,
        written(tmp_path, manifest, kpis__csv="kpi,area,year,value\nrecycling,E06999001,2023-24,NA\n"),
    )
    [sent] = platform.sent
    assert sent.query == {"source": "annual-return", "period": "financial", "blank": "missing"}
    assert sent.rows[0]["value"] == ""


def test_canonical_files_go_through_untouched(platform: Imports, tmp_path: Path) -> None:
    canonical = "taxonomy,term,name\nhedgerow,food,Food\n"
    feed = json.dumps({"total_items": 2, "contents": [{"id": "1"}, {"id": "2"}]})
    manifest = """
[[file]]
path = "needs.csv.gz"
kind = "needs"
[[file]]
path = "services.json"
kind = "hsds"
"""
    packed = gzip.compress(canonical.encode())
    report = loaded(platform, written(tmp_path, manifest, needs__csv__gz=packed, services__json=feed))
    needs, hsds = platform.sent
    assert needs.body == packed
    assert needs.headers["content-encoding"] == "gzip"
    assert (hsds.body, hsds.headers["content-type"]) == (feed.encode(), "application/json")
    assert [file.sent for file in report.files] == [1, 2]
    assert report.complete


def test_one_file_may_feed_several_kinds_and_a_wide_table_becomes_long(
    platform: Imports, tmp_path: Path
) -> None:
    manifest = """
[[file]]
path = "people.csv"
kind = "areas"
columns = { code = "code", name = "name" }
constants = { level = "ward", vintage = "2024" }
[[file]]
path = "people.csv"
kind = "residents"
columns = { area_code = "code", age_from = "from", age_to = "to", count = "people" }
constants = { period = "2024", sex = "all" }
[file.unpivot]
columns = ["aged_*"]
value = "people"
[file.unpivot.set]
aged_0_15 = { from = 0, to = 15 }
aged_16_up = { from = 16, to = "" }
"""
    people = "code,name,aged_0_15,aged_16_up\nE05999001,Harbour,210,900\n"
    report = loaded(platform, written(tmp_path, manifest, people__csv=people))
    young, old = platform.of("residents")
    assert (young["age_from"], young["age_to"], young["count"], young["_line"]) == ("0", "15", "210", "2")
    assert (old["age_from"], old["age_to"], old["count"], old["_line"]) == ("16", "", "900", "2")
    assert [(file.read, file.sent) for file in report.files] == [(1, 1), (1, 2)]


def test_kpis_are_defined_once_before_the_first_observation(platform: Imports, tmp_path: Path) -> None:
    manifest = """
[[kpi]]
id = "recycling-percentage"
name = "Household waste recycled"
unit = "%"
polarity = "higher"
[mapping.indicator]
kind = "observations"
kpi = { name = "indicator", unit = ["unit", "units"] }
[mapping.indicator.columns]
kpi = { template = "{indicator} {measure}", slug = true }
subject = "area"
period = "year"
value = "value"
[[file]]
use = "indicator"
path = "kpi_*.csv"
"""
    one = (
        "area,year,indicator,measure,unit,value\n"
        "E06999001,2023,Recycling,Percentage,%,41\nE06999001,2024,Recycling,Percentage,%,42\n"
    )
    two = "area,year,indicator,measure,units,value\nE06999001,2024,Fly-tipping,Count,reports,7\n"
    loaded(platform, written(tmp_path, manifest, kpi_1__csv=one, kpi_2__csv=two))
    assert [sent.kind for sent in platform.sent] == ["kpis", "observations", "observations"]
    assert [(row["id"], row["name"], row["unit"]) for row in platform.of("kpis")] == [
        ("recycling-percentage", "Household waste recycled", "%"),
        ("fly-tipping-count", "Fly-tipping", "reports"),
    ]
    assert {row["kpi"] for row in platform.of("observations")} == {
        "recycling-percentage",
        "fly-tipping-count",
    }


def test_boundaries_are_sent_as_features_with_a_code(platform: Imports, tmp_path: Path) -> None:
    square = {"type": "Polygon", "coordinates": [[[1.0, 53.3], [1.1, 53.3], [1.1, 53.4], [1.0, 53.3]]]}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::27700"}}
    features = [
        {"type": "Feature", "properties": {"WD24CD": "E05999001"}, "geometry": square},
        {"type": "Feature", "properties": {"WD24CD": None}, "geometry": square},
    ]
    collection = json.dumps({"type": "FeatureCollection", "crs": crs, "features": features})
    manifest = '[[file]]\npath = "wards.geojson"\nkind = "boundaries"\ncolumns = { code = "WD24CD" }\n'
    report = loaded(platform, written(tmp_path, manifest, wards__geojson=collection))
    [sent] = platform.sent
    assert sent.headers["content-type"] == "application/geo+json"
    assert [(feature["properties"]["code"], feature["geometry"]) for feature in sent.features] == [
        ("E05999001", square),
        ("", square),
    ]
    assert json.loads(sent.text)["crs"] == crs
    assert report.files[0].sent == 2


def test_sending_again_changes_nothing(platform: Imports, tmp_path: Path) -> None:
    manifest = written(tmp_path, WARDS_AS_AREAS, wards__csv=WARDS)
    loaded(platform, manifest)
    assert loaded(platform, manifest).files[0].counts["unchanged"] == 2


def test_a_row_the_platform_does_not_account_for_is_said_aloud(platform: Imports, tmp_path: Path) -> None:
    platform.lost = 1
    said = command(platform, written(tmp_path, WARDS_AS_AREAS, wards__csv=WARDS))
    assert said.code == 1
    assert "2 records were sent, the platform accounts for 1" in said.out
    assert said.err.startswith("error: 1 of 1 files did not load as they should")


def test_an_import_still_running_is_waited_for(platform: Imports, tmp_path: Path) -> None:
    platform.running = 1
    report = loaded(platform, written(tmp_path, WARDS_AS_AREAS, wards__csv=WARDS))
    assert report.files[0].status == "completed"


def test_a_file_the_platform_refuses_does_not_stop_the_next(platform: Imports, tmp_path: Path) -> None:
    platform.refused["areas"] = "The first line must name the columns."
    manifest = WARDS_AS_AREAS + '[[file]]\npath = "needs.csv"\nkind = "needs"\n'
    report = loaded(
        platform, written(tmp_path, manifest, wards__csv=WARDS, needs__csv="taxonomy,term,name\na,b,c\n")
    )
    refused, taken = report.files
    assert (refused.status, refused.problem) == ("refused", "The first line must name the columns.")
    assert taken.complete
    assert not report.complete


def test_a_platform_that_goes_away_ends_the_load_and_tells_how_far_it_came(
    platform: Imports, tmp_path: Path
) -> None:
    platform.closed = True
    manifest = WARDS_AS_AREAS + '[[file]]\npath = "needs.csv"\nkind = "needs"\n'
    said = command(
        platform, written(tmp_path, manifest, wards__csv=WARDS, needs__csv="taxonomy,term,name\na,b,c\n")
    )
    assert said.code == 3
    assert "not sent" in said.out
    assert "broke" in said.err


def test_nothing_is_sent_when_a_file_or_a_column_is_missing(platform: Imports, tmp_path: Path) -> None:
    manifest = WARDS_AS_AREAS + (
        '[lookup.codes]\npath = "codes.csv"\nkey = "name"\n'
        '[[file]]\npath = "gone.csv"\nkind = "needs"\n'
        '[[file]]\npath = "wards.csv"\nkind = "needs"\n'
        "[file.columns]\n"
        'taxonomy = "type"\nterm = "tiel"\nname = { lookup = "codes", from = "title", take = "code" }\n'
    )
    said = command(platform, written(tmp_path, manifest, wards__csv=WARDS))
    assert said.code == 2
    assert "[[file]] 2 (gone.csv), key 'path':" in said.err
    assert "gone.csv is missing" in said.err
    assert (
        "wards.csv, key 'columns.term': there is no column 'tiel'; the file has ward, title, type" in said.err
    )
    assert "[lookup.codes], key 'path':" in said.err
    assert platform.sent == []


def test_a_wrong_folder_is_told_once(platform: Imports, tmp_path: Path) -> None:
    manifest = written(tmp_path, WARDS_AS_AREAS + '[[file]]\npath = "needs.csv"\nkind = "needs"\n')
    said = command(platform, manifest, "--from", str(tmp_path / "elsewhere"))
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "none of its files lies in" in said.err
    assert "--from" in said.err


def test_a_broken_archive_is_found_before_anything_is_sent(platform: Imports, tmp_path: Path) -> None:
    manifest = WARDS_AS_AREAS.replace("wards.csv", "wards.csv.gz")
    packed = gzip.compress(WARDS.encode())[:-12]
    with pytest.raises(ManifestError, match="the gzip archive is broken"):
        loaded(platform, written(tmp_path, manifest, wards__csv__gz=packed))
    assert platform.sent == []


def test_only_chooses_files_by_path_or_kind(platform: Imports, tmp_path: Path) -> None:
    manifest = written(
        tmp_path,
        WARDS_AS_AREAS + '[[file]]\npath = "needs.csv"\nkind = "needs"\n',
        wards__csv=WARDS,
        needs__csv="taxonomy,term,name\na,b,c\n",
    )
    loaded(platform, manifest, only=["need*"])
    assert [sent.kind for sent in platform.sent] == ["needs"]
    loaded(platform, manifest, only=["wards.csv"])
    assert [sent.kind for sent in platform.sent] == ["needs", "areas"]
    with pytest.raises(ManifestError, match="no file matches --only"):
        loaded(platform, manifest, only=["*.xlsx"])


def test_the_command_prints_a_table_or_json(platform: Imports, tmp_path: Path) -> None:
    manifest = written(tmp_path, WARDS_AS_AREAS, wards__csv=WARDS)
    said = command(platform, manifest)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[2].split() == ["wards.csv", "areas", "3", "1", "2", "2", "0", "0", "0"]
    answer = json.loads(command(platform, manifest, "--json").out)
    assert answer["complete"] is True
    [file] = answer["files"]
    assert (file["path"], file["rows"], file["imports"]) == ("wards.csv", 2, ["registry-2"])
    assert file["counts"] == {"accepted": 0, "changed": 0, "unchanged": 2, "quarantined": 0}


def test_check_maps_and_sends_nothing(platform: Imports, tmp_path: Path) -> None:
    manifest = written(tmp_path, WARDS_AS_AREAS, wards__csv=WARDS + "short\n")
    said = command(platform, manifest, "--check")
    assert said.code == 0
    assert "has 1 fields where the header has 3" in said.out
    assert platform.sent == []


def test_a_large_file_is_mapped_in_flat_memory(tmp_path: Path) -> None:
    manifest = """
[[file]]
path = "long.csv"
kind = "observations"
columns = { kpi = { column = "indicator", slug = true }, subject = "area", period = "year", value = "value" }
kpi = { name = "indicator" }
"""
    line = "E01999001,IMD score,2025,8.7\n"
    path = written(tmp_path, manifest, long__csv="area,indicator,year,value\n" + line * 200_000)
    tracemalloc.start()
    try:
        report = check_manifest(path, tmp_path, quiet=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.files[-1].sent == 200_000
    assert peak < 8_000_000


def test_what_goes_over_a_network_is_compressed_on_the_way() -> None:
    pieces = [b"code,name\n", b"E05999001,Harbour\n" * 10_000]
    packed = list(gzipped(pieces))
    assert gzip.decompress(b"".join(packed)) == b"".join(pieces)
    assert sum(map(len, packed)) < 10_000


def test_each_file_has_a_bar_while_it_is_under_way_and_all_have_one_together(tmp_path: Path) -> None:
    paths = [tmp_path / "wards.csv", tmp_path / "needs.csv"]
    for path in paths:
        path.write_text("x" * 100, encoding="utf-8")
    with Progress(disable=True) as shown:
        bars = LoadBars(shown)
        bars.begin("Keldermouth", paths)
        with bars.file("wards.csv", paths[0]) as bar:
            bar.moved(40)
            assert [(task.description, task.completed, task.total) for task in shown.tasks] == [
                ("Keldermouth", 0, 200),
                ("wards.csv", 40, 100),
            ]
            bar.waiting()
            assert shown.tasks[1].description == "wards.csv: sent, now being taken in"
        assert [(task.description, task.completed) for task in shown.tasks] == [("Keldermouth", 100)]


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("a.csv", 'code,name\nA,"two\nlines"\n\nB,x\n', 2),
        ("a.ndjson", '{"a": 1}\n\n{"a": 2}\n', 2),
        ("a.json", '[{"a": {"b": 1}}, {"a": 2}, 3]', 3),
        ("a.json", '{"total_items": 2, "contents": [{"a": [1, 2]}, {}]}', 2),
        (
            "a.geojson",
            '{"type": "FeatureCollection", "features": [{"geometry": {"coordinates": [1, 2]}}]}',
            1,
        ),
        ("a.json", '{"id": "1", "services": [{}, {}]}', None),
        ("a.parquet", "PAR1", None),
    ],
)
def test_the_records_of_a_canonical_file_are_counted(
    tmp_path: Path, name: str, content: str, count: int | None
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert count_records(tmp_path / name) == count
