"""The example manifests on the real open data they are written for, mapped and not sent."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hedgerow_cli.loading import Job, Plan, check_manifest, plan_manifest
from hedgerow_cli.mapping.rows import Record
from hedgerow_outcomes.domain.periods import PeriodForm
from hedgerow_outcomes.domain.spellings import parse_period
from shapely.geometry import Point, shape

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WITHOUT_GP = {"Ashton upon Mersey", "Bowdon", "Flixton", "Hale", "Longford"}


@pytest.fixture(scope="module")
def trafford(shared: Path) -> Plan:
    return plan_manifest(EXAMPLES / "trafford" / "manifest.toml", shared / "data" / "trafford")


def records(plan: Plan, job: Job) -> list[tuple[Record, dict[str, str]]]:
    mapper = plan.mapper(job)
    return [
        (record, dict(zip(mapper.columns, record.cells, strict=True)))
        for record in mapper.records(job.source())
    ]


def rows(plan: Plan, ending: str, kind: str) -> list[dict[str, str]]:
    found = [
        row
        for job in plan.jobs
        if job.kind == kind and job.label.endswith(ending)
        for row in records(plan, job)
    ]
    assert not [record for record, _ in found if record.reason]
    return [row for _, row in found]


def wards_with(plan: Plan, shared: Path, ending: str) -> Iterator[str]:
    text = (shared / "data" / "trafford" / "areas" / "electoral_ward.geojson").read_text(encoding="utf-8")
    wards = [
        (feature["properties"]["area_name"], shape(feature["geometry"]))
        for feature in json.loads(text)["features"]
    ]
    assert len(wards) == 21
    for row in rows(plan, ending, "services"):
        here = Point(float(row["lon"]), float(row["lat"]))
        yield from (name for name, outline in wards if outline.contains(here))


def test_every_file_of_the_bundle_that_can_be_loaded_is(trafford: Plan, shared: Path) -> None:
    report = check_manifest(EXAMPLES / "trafford" / "manifest.toml", shared / "data" / "trafford", quiet=True)
    assert report.complete
    assert sum(file.refused for file in report.files) == 0
    assert report.totals()["sent"] == 22_473
    read = {job.label for job in trafford.jobs}
    indicators = {path.name for path in (shared / "data" / "trafford" / "kpis").glob("*.csv")}
    assert len(indicators) == 57
    assert {f"kpis/{name}" for name in indicators} <= read
    services = [job for job in trafford.jobs if job.kind == "services"]
    assert len(services) == 14
    assert sum(len(records(trafford, job)) for job in services) == 570


def test_the_places_to_be_found_are_there(trafford: Plan) -> None:
    levels = Counter(row["level"] for row in rows(trafford, "", "areas") if row["name"])
    assert levels == {
        "country": 1, "region": 9, "authority": 296, "neighbourhood": 4, "ward": 21, "msoa": 28, "lsoa": 139,
    }  # fmt: skip
    assert {
        row["parent_code"].count(";") for row in rows(trafford, "ltla24.csv", "areas") if row["name"]
    } == {1}
    parents = {row["parent_code"] for row in rows(trafford, "pharmacies.csv", "areas")}
    assert parents == {"trafford-central", "trafford-north", "trafford-south", "trafford-west"}


def test_the_109_impossible_codes_are_sent_with_the_coordinates_that_place_them(trafford: Plan) -> None:
    sent = rows(trafford, "care_homes.csv", "services") + rows(trafford, "dentists.csv", "services")
    assert len(sent) == 109
    assert {row["site_area_code"] for row in sent} == {"E0800009"}
    assert all(row["lon"] and row["lat"] for row in sent)


def test_the_known_gaps_are_in_what_is_sent(trafford: Plan, shared: Path) -> None:
    wards = set(wards_with(trafford, shared, "trafford_pharmacies.csv"))
    assert len(wards) == 21
    assert wards - set(wards_with(trafford, shared, "general_practices.csv")) == WITHOUT_GP
    assert len(set(wards_with(trafford, shared, "food_banks.csv"))) == 7


def test_every_period_of_the_57_tables_is_understood(trafford: Plan) -> None:
    spellings: set[tuple[str, str]] = set()
    for job in trafford.jobs:
        if job.kind == "observations":
            form = job.parameters.get("period", "auto")
            spellings |= {(row["period"], form) for _, row in records(trafford, job)}
    assert len(spellings) > 300
    for text, form in sorted(spellings):
        assert parse_period(text, PeriodForm(form)).end.year >= 2008


def test_no_observation_is_sent_twice_for_a_kpi_subject_and_period(trafford: Plan) -> None:
    keys: Counter[tuple[str, str, str]] = Counter()
    for job in trafford.jobs:
        if job.kind == "observations":
            keys.update((row["kpi"], row["subject"], row["period"]) for _, row in records(trafford, job))
    assert [key for key, times in keys.items() if times > 1] == []


def test_bristol_is_another_manifest_and_no_code(shared: Path) -> None:
    manifest, folder = EXAMPLES / "bristol" / "manifest.toml", shared / "data"
    report = check_manifest(manifest, folder, quiet=True)
    assert report.complete
    sent = {(file.file.rpartition("/")[2], file.kind): file.sent for file in report.files}
    assert sent["services.json", "hsds"] == 819
    assert sent["lookup_lsoa21_ward24_ltla24.csv.gz", "areas"] == 268
    assert sent["imd2025_england_lsoa21.csv.gz", "indices"] == 268 * 9
    plan = plan_manifest(manifest, folder)
    small = rows(plan, "ltla24.csv.gz", "areas")
    assert all(row["parent_code"].startswith("E05") and ";E02" in row["parent_code"] for row in small)


def test_edge_lists_of_numbered_nodes_become_relations_between_names(shared: Path) -> None:
    manifest, folder = EXAMPLES / "networks" / "manifest.toml", shared / "data" / "networks"
    report = check_manifest(manifest, folder, quiet=True)
    assert report.complete
    assert [file.sent for file in report.files] == [175, 161, 447, 2708]
    plan = plan_manifest(manifest, folder)
    contact = rows(plan, "TCcnt_edges.csv", "relations")
    assert contact[0]["network"] == "indiana-tobacco-contact"
    assert (contact[0]["from"], contact[0]["to"], contact[0]["weight"]) == ("ITPC", "Promotus", "5.0")
    assert all("source" not in job.parameters for job in plan.jobs)


def test_a_line_of_the_long_file_is_the_line_of_its_record(shared: Path) -> None:
    folder = shared / "data" / "kpi_iod2025_long"
    plan = plan_manifest(EXAMPLES / "iod2025" / "manifest.toml", folder)
    definitions, observations = plan.jobs
    assert len(definitions.given) == 36
    with gzip.open(folder / "iod2025_lsoa_long.csv.gz", "rt", encoding="utf-8") as text:
        for number, (line, record) in enumerate(
            zip(text, [None, *_first(plan, observations, 40_000)], strict=False), start=1
        ):
            if record is not None:
                assert record.line == number
                assert line.startswith(f"{record.cells[1]},")


def _first(plan: Plan, job: Job, count: int) -> list[Record]:
    found = plan.mapper(job).records(job.source())
    return [next(found) for _ in range(count)]
