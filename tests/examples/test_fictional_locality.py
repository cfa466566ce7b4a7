"""Keldermouth: that the script makes the committed files, and that they tell what its README says."""

import csv
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import correlation, mean
from typing import Any

import pytest
import shapely
from hedgerow_cli.manifest import read_manifest
from hedgerow_registry.domain import gss
from hedgerow_registry.domain.identifiers import identifier
from shapely.geometry import Point, shape

from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity

PLACE = Path(__file__).parents[2] / "examples" / "keldermouth"
DATA = PLACE / "data"
TODAY = "2026-11-22"
AUTHORITY = "E06999001"

# One letter a ward: . nobody, 1 one provider, + two or more. Wards in the order of their codes.
COVER = """
need               OT FD NG RW GW LH SP OX MS MC SC TH UK KB SB EN HE HW SF BW
adult-social-care  +  +  +  +  +  +  +  +  +  +  +  +  +  +  +  +  +  +  +  +
carers             +  +  +  +  +  +  +  1  +  +  .  1  .  .  1  .  +  1  1  1
debt-advice        +  +  +  +  +  +  +  +  +  1  1  1  1  1  +  1  +  1  1  1
digital-inclusion  +  +  +  +  +  +  +  +  +  1  1  .  .  .  +  1  +  +  1  +
domestic-abuse     1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1
early-years        +  +  +  +  +  +  +  1  +  +  +  1  .  1  1  .  +  +  1  +
employment         +  +  +  +  +  +  +  +  +  .  .  .  1  .  +  1  +  +  1  +
food               +  +  +  +  +  +  +  1  +  +  1  .  .  1  +  .  +  +  .  +
housing-advice     +  +  +  +  +  +  +  +  +  1  1  1  1  1  +  +  +  +  1  1
mental-health      +  +  +  +  +  +  +  +  +  +  +  1  1  1  +  1  +  +  1  +
substance-misuse   +  1  +  +  +  1  1  1  1  .  .  .  .  .  1  .  .  .  .  .
youth-work         +  +  +  +  +  +  +  .  +  .  1  1  .  1  +  1  +  +  1  .
"""
GAPS, SINGLES, SINGLE_OWNERS = 31, 73, 75
VERDICTS = ("accepted", "changed", "unchanged", "quarantined")
REGISTRY_FILES = (
    "areas.csv",
    "boundaries.geojson",
    "needs.csv",
    "crosswalk.csv",
    "residents.csv",
    "indices.csv",
    "demand.csv",
    "organisations.csv",
    "services.csv",
    "sites.csv",
    "contracts.csv",
)
OUTCOMES_FILES = ("kpis.csv", "observations.csv")


@cache
def table(name: str) -> list[dict[str, str]]:
    """The clean rows of a file: those an import is expected to accept."""
    refused = {
        row["line"] for row in expected()[name]["rows"] if row["verdict"] in ("quarantined", "unchanged")
    }
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return [row for line, row in enumerate(csv.DictReader(file), start=2) if line not in refused]


@cache
def expected() -> dict[str, dict[str, Any]]:
    return json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


@cache
def outlines() -> dict[str, shapely.Geometry]:
    features = json.loads((DATA / "boundaries.geojson").read_text(encoding="utf-8"))["features"]
    refused = {row["feature"] for row in expected()["boundaries.geojson"]["rows"]}
    return {
        feature["properties"]["code"]: shape(feature["geometry"])
        for number, feature in enumerate(features)
        if number not in refused
    }


def of_level(level: str) -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in table("areas.csv") if row["level"] == level and row["parent_code"]}


@cache
def residents() -> Counter[str]:
    people: Counter[str] = Counter()
    for row in table("residents.csv"):
        people[row["area_code"]] += int(row["count"])
    for code, row in of_level("lsoa").items():
        people[row["parent_code"].split(";")[0]] += people[code]
    return people


@cache
def cells() -> dict[str, set[tuple[str, str]]]:
    """The (need, ward) pairs that each service of today covers, by the areas it declares."""
    wards = of_level("ward")
    means = {
        f"{row['from_taxonomy']}:{row['from_term']}": row["to_term"]
        for row in table("crosswalk.csv")
        if row["relation"] in ("exact", "broader") and row["from_term"] != "pet-care"
    }
    found = {}
    for row in table("services.csv"):
        if row["status"] != "active" or (row["valid_to"] and row["valid_to"] < TODAY):
            continue
        needs = {means.get(need, need.split(":")[1]) for need in row["needs"].split(";")}
        codes = row["area_codes"].split(";")
        serves = set(wards) if AUTHORITY in codes else set(codes) & set(wards)
        found[row["id"]] = {(need, ward) for need in needs for ward in serves}
    return found


@cache
def providers() -> dict[tuple[str, str], set[str]]:
    provider = {row["id"]: row["organisation_id"] for row in table("services.csv")}
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for service, covered in cells().items():
        for cell in covered:
            found[cell].add(provider[service])
    return found


def owners_of(id: str) -> list[str]:
    """The chain from an organisation to its ultimate owner, itself first."""
    owners = {row["id"]: row["owner_ids"] for row in table("organisations.csv")}
    chain = [id]
    while owners[chain[-1]]:
        chain.append(owners[chain[-1]].split(";")[0])
    return chain


def named(name: str) -> str:
    return next(row["id"] for row in table("organisations.csv") if row["name"] == name)


def service(name: str) -> dict[str, str]:
    return next(row for row in table("services.csv") if row["name"] == name)


def test_the_script_makes_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, PLACE / "generate.py", tmp_path], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in DATA.iterdir()}
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 2_000_000


def test_the_manifest_names_every_file_in_the_order_in_which_one_needs_another() -> None:
    written = tomllib.loads((PLACE / "manifest.toml").read_text(encoding="utf-8"))["file"]
    manifest = read_manifest(PLACE / "manifest.toml")
    assert manifest.area == AUTHORITY
    files = (*REGISTRY_FILES, *OUTCOMES_FILES)
    assert [file["path"] for file in written] == [f"data/{name}" for name in files]
    assert [file["kind"] for file in written] == [name.partition(".")[0] for name in files]
    assert not any(file.mapped for file in manifest.file)


@pytest.mark.parametrize(("level", "count"), [("ward", 20), ("msoa", 28), ("lsoa", 140)])
def test_areas_of_a_level_tile_the_authority_without_a_gap_or_an_overlap(level: str, count: int) -> None:
    tiles = [outlines()[code] for code in of_level(level)]
    assert len(tiles) == count
    assert all(tile.is_valid for tile in tiles)
    assert shapely.coverage_is_valid(tiles)
    assert shapely.union_all(tiles).equals(outlines()[AUTHORITY])


def test_every_small_area_lies_in_its_ward_and_in_its_msoa() -> None:
    for code, row in of_level("lsoa").items():
        for parent in row["parent_code"].split(";"):
            assert outlines()[parent].covers(outlines()[code])


def test_every_area_is_one_piece_and_holds_its_representative_point() -> None:
    for row in table("areas.csv"):
        if row["lon"]:
            assert outlines()[row["code"]].geom_type == "Polygon"
            assert outlines()[row["code"]].contains(Point(float(row["lon"]), float(row["lat"])))


def test_the_place_lies_in_the_sea_and_its_codes_and_postcodes_belong_to_nobody() -> None:
    west, south, east, north = outlines()[AUTHORITY].bounds
    assert 0.9 <= west < east <= 1.3
    assert 53.2 <= south < north <= 53.45
    codes = {row["code"] for row in table("areas.csv")}
    assert all(gss.is_gss(code) and code[3:6] == "999" for code in codes)
    postcodes = {row["postcode"] for row in table("sites.csv")} - {"ZQ1O 3IB"}
    assert all(re.fullmatch(r"ZQ\d{1,2} \d[A-Z]{2}", postcode) for postcode in postcodes)
    assert all(row["phone"].startswith("01632 960") for row in table("services.csv"))
    assert all(row["url"].endswith(".example") for row in table("organisations.csv") if row["url"])


def test_sites_stand_in_the_small_area_they_name() -> None:
    placed = [row for row in table("sites.csv") if gss.is_gss(row["area_code"])]
    assert len(placed) > 200
    for row in placed:
        assert outlines()[row["area_code"]].contains(Point(float(row["lon"]), float(row["lat"])))


def test_about_230_000_people_live_there_in_areas_of_a_usual_size() -> None:
    people = {code: residents()[code] for code in of_level("lsoa")}
    assert 229_000 < sum(people.values()) < 231_000
    assert f"{sum(people.values()):,} residents" in (PLACE / "README.md").read_text(encoding="utf-8")
    assert min(people.values()) > 1_000
    assert max(people.values()) < 3_000
    assert len(table("residents.csv")) == 140 * 11 * 2


def test_deprivation_is_deepest_at_the_docks_and_alike_among_neighbours() -> None:
    score = {row["area_code"]: float(row["value"]) for row in table("indices.csv")}
    ward = {row["name"]: score[code] for code, row in of_level("ward").items()}
    assert sorted(ward, key=ward.__getitem__, reverse=True)[:3] == ["Fishdocks", "Greywell", "Southbank"]
    assert min(ward, key=ward.__getitem__) == "Brackenwold"
    small = list(of_level("lsoa"))
    left, right = shapely.STRtree([outlines()[code] for code in small]).query(
        [outlines()[code] for code in small], predicate="touches"
    )
    assert correlation([score[small[i]] for i in left], [score[small[j]] for j in right]) > 0.6


def test_wards_lack_what_the_readme_says_they_lack() -> None:
    header, *lines = [line.split() for line in COVER.split("\n") if line]
    wards = sorted(of_level("ward"))
    assert len(header) == len(wards) + 1
    drawn = {(line[0], ward): mark for line in lines for ward, mark in zip(wards, line[1:], strict=True)}
    found = {cell: ".1+"[min(2, len(providers().get(cell, ())))] for cell in drawn}
    assert found == drawn
    assert Counter(drawn.values())["."] == GAPS
    assert Counter(drawn.values())["1"] == SINGLES


def test_harbourlight_is_the_provider_whose_exit_hurts_most() -> None:
    alone: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for cell, bodies in providers().items():
        if len(bodies) == 1:
            alone[next(iter(bodies))].append(cell)
    first, second = sorted(alone, key=lambda body: len(alone[body]), reverse=True)[:2]
    assert first == named("Harbourlight Trust")
    assert len(alone[first]) == 23
    assert sum(residents()[ward] for _, ward in alone[first]) == 265_820
    assert second == named("Keldermouth Advice Centre")
    assert len(alone[second]) == 9


def test_counted_by_ultimate_owner_two_more_cells_hang_on_one_body() -> None:
    owned = {cell: {owners_of(body)[-1] for body in bodies} for cell, bodies in providers().items()}
    assert sum(len(owners) == 1 for owners in owned.values()) == SINGLE_OWNERS
    single = {cell for cell in owned if len(owned[cell]) == 1 < len(providers()[cell])}
    names = {code: row["name"] for code, row in of_level("ward").items()}
    assert {(need, names[ward]) for need, ward in single} == {
        ("substance-misuse", "Northgate"),
        ("substance-misuse", "Greywell"),
    }


def test_there_is_a_chain_of_three_and_one_owner_stands_behind_five_providers() -> None:
    chain = owners_of(named("Kelder Valley Recovery Limited"))
    assert len(chain) == 3
    assert chain[-1] == named("Quorvane Group SE")
    known = {row["organisation_id"] for row in table("services.csv")}
    assert sum(owners_of(body)[-1] == chain[-1] for body in known) >= 5


def test_two_services_double_up_and_no_other_pair_comes_near() -> None:
    names = {row["id"]: row["name"] for row in table("services.csv")}
    shared = {
        (names[one], names[other]): len(cells()[one] & cells()[other]) / len(cells()[one] | cells()[other])
        for one, other in combinations(sorted(cells()), 2)
        if len(cells()[one] & cells()[other]) > 20
    }
    assert {frozenset(pair): ratio for pair, ratio in shared.items()} == {
        frozenset(("Steps into Work", "Working Kelder")): 1.0
    }


def test_no_mental_health_service_takes_anyone_of_16_or_17() -> None:
    services = [
        row
        for row in table("services.csv")
        if any(need == "mental-health" for need, _ in cells().get(row["id"], ()))
    ]
    assert len(services) > 10
    for row in services:
        low, high = float(row["minimum_age"] or 0), float(row["maximum_age"] or 130)
        assert high < 16 or low >= 18


def test_the_only_early_years_provision_of_southbank_expires_in_march_2027() -> None:
    hub = service("Southbank Family Hub")
    ((need, ward),) = cells()[hub["id"]]
    assert hub["valid_to"] == "2027-03-31"
    assert providers()[need, ward] == {hub["organisation_id"]}


@pytest.mark.parametrize(
    "name",
    [
        "Oxmarsh Youth Club",
        "Upper Kelder Mobile Pantry",
        "Thornwold Rural Jobs Bus",
        "Eastness Children's Centre",
    ],
)
def test_provision_that_has_gone_covers_nothing(name: str) -> None:
    assert service(name)["id"] not in cells()


def test_demand_is_counted_for_some_needs_and_left_to_be_derived_for_others() -> None:
    counted = {row["need"] for row in table("demand.csv")}
    assert counted == {
        f"hedgerow:{need}"
        for need in ("food", "mental-health", "adult-social-care", "early-years", "youth-work")
    }


def test_organisations_are_of_every_sector_with_identifiers_of_the_right_shape() -> None:
    rows = table("organisations.csv")
    assert {row["sector"] for row in rows} == {
        "public", "private", "charity", "social enterprise", "mutual", "informal",
    }  # fmt: skip
    given = [row["identifiers"] for row in rows if row["identifiers"] and row["name"] != "Moorings Project"]
    assert len(given) > 80
    assert all(":".join(identifier(text)) == text for text in given)
    # One charity number stands on two rows: the near-duplicate that the README names.
    assert [text for text, count in Counter(given).items() if count > 1] == ["GB-CHC:9900341"]


def test_there_are_two_years_of_months_for_every_kpi_and_subject() -> None:
    kpis = {row["id"]: row for row in table("kpis.csv")}
    assert {row["level"] for row in kpis.values()} == {"input", "activity", "output", "outcome"}
    assert {row["perspective"] for row in kpis.values()} == {"inward", "outward", "user voice"}
    months = defaultdict(set)
    for row in table("observations.csv"):
        months[row["kpi"], row["subject"]].add("2025-03" if row["period"] == "Mar-25" else row["period"])
    assert {kpi for kpi, _ in months} == set(kpis)
    oxmarsh = ("youth-attendances", "E05999008")
    assert max(months.pop(oxmarsh)) == "2025-08"
    assert {len(found) for found in months.values()} == {24}
    bodies = {row["id"] for row in table("organisations.csv")}
    subjects = {subject.removeprefix("organisation:") for _, subject in months}
    assert subjects <= bodies | set(of_level("ward")) | {AUTHORITY}


def test_referrals_for_domestic_abuse_rise_in_february_2026_and_stay_up() -> None:
    series = {
        row["period"]: float(row["value"])
        for row in table("observations.csv")
        if row["kpi"] == "abuse-referrals"
    }
    before = [value for month, value in series.items() if month < "2026-02"]
    after = [value for month, value in series.items() if month >= "2026-02"]
    assert mean(after) > 1.3 * mean(before)
    assert min(after) > mean(before)


@pytest.mark.parametrize("name", sorted(json.loads((DATA / "expected.json").read_text(encoding="utf-8"))))
def test_verdicts_add_up_to_the_rows_of_the_file(name: str) -> None:
    told = expected()[name]
    if name.endswith(".csv"):
        with (DATA / name).open(encoding="utf-8", newline="") as file:
            rows = sum(1 for _ in csv.DictReader(file))
    else:
        rows = len(json.loads((DATA / name).read_text(encoding="utf-8"))["features"])
    assert told["sent"] == rows
    assert sum(told[verdict] for verdict in VERDICTS) == rows


@pytest.mark.parametrize("name", sorted(json.loads((DATA / "expected.json").read_text(encoding="utf-8"))))
def test_every_dirty_row_stands_in_the_readme_with_its_verdict(name: str) -> None:
    readme = (PLACE / "README.md").read_text(encoding="utf-8")
    for row in expected()[name]["rows"]:
        place = row.get("line", row.get("feature"))
        assert f"| `{name}` | {place} | {row['verdict']} | {row['why']} |" in readme
    counts = [expected()[name][key] for key in ("sent", *VERDICTS)]
    assert f"| `{name}` | {' | '.join(str(count) for count in counts)} |" in readme


@pytest.mark.parametrize(("app", "files"), [("registry", REGISTRY_FILES), ("outcomes", OUTCOMES_FILES)])
def test_an_import_reaches_every_expected_verdict_and_a_second_one_changes_nothing(
    made_databases: Databases, app: str, files: Sequence[str]
) -> None:
    url = made_databases.migrated(f"hedgerow_{app}")
    made = apps.made(app, url)
    with running(made, headers=identity(app)) as client:
        for name in files:
            answer, rows = loaded(client, name)
            assert answer["counts"] == {verdict: expected()[name][verdict] for verdict in VERDICTS}, name
            for row in expected()[name]["rows"]:
                place = row["line"] if "line" in row else f"/features/{row['feature']}"
                assert rows.get(place, "accepted") == row["verdict"], (name, place)
        for name in files:
            counts = loaded(client, name)[0]["counts"]
            assert (counts["accepted"], counts["changed"]) == (0, 0), name


def loaded(client: Client, name: str) -> tuple[dict[str, Any], dict[Any, str]]:
    """A file sent to its app: its import, and the verdicts of single rows by line or pointer."""
    kind, _, suffix = name.partition(".")
    answer = client.post(
        f"/v1/imports/{kind}",
        params={"source": "keldermouth"},
        content=(DATA / name).read_bytes(),
        headers={"Content-Type": "text/csv" if suffix == "csv" else "application/geo+json"},
    )
    assert answer.status_code == 200, answer.text
    receipts = client.items(answer.json()["receipts"])
    return answer.json(), {
        row["line"] or row["pointer"]: row["verdict"] for row in receipts if not row["line_to"]
    }
