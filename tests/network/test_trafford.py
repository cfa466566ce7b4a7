"""A real borough by ward, from open data straight into the domain: where its sites lie decides."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hedgerow_network.domain.caveats import caveats
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.serving import Rule

from tests.network.world import Records, area, ask, facts_of, service

TABLES = {  # need: file, column with the name, whether it carries coordinates
    "general-practice": ("trafford_general_practices.csv", "name", True),
    "pharmacy": ("trafford_pharmacies.csv", "pharmacy_name", False),
    "food-bank": ("trafford_food_banks.csv", "Name", False),
}


def read(path: Path) -> list[dict[str, str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def by_postcode(folder: Path) -> dict[str, tuple[float, float]]:
    rows = read(folder / "areas" / "postcodes_trafford.csv.gz")
    return {row["pcd"].replace(" ", ""): (float(row["lon"]), float(row["lat"])) for row in rows if row["lon"]}


@pytest.fixture(scope="module")
def borough(shared) -> Assessment:
    folder = shared / "data" / "trafford"
    made: Records = [("area", "E08000009", area("E08000009", "Trafford", "authority"))]
    for feature in json.loads((folder / "areas" / "electoral_ward.geojson").read_text())["features"]:
        code, name = feature["properties"]["area_code"], feature["properties"]["area_name"]
        made.append(("area", code, area(code, name, "ward", parents=["E08000009"])))
        made.append(("boundary", code, {"code": code, "geometry": feature["geometry"]}))
    for row in read(folder / "areas" / "lookup_lsoa21_msoa21_ward24_ltla24.csv"):
        code = row["lsoa21_code"]
        made.append(("area", code, area(code, row["lsoa21_name"], "lsoa", parents=[row["ward24_code"]])))
    for row in read(folder / "population" / "mid_year_2024_trafford.csv"):
        if row["sex"] == "Persons":
            band = {
                "period": row["period"],
                "age_from": 0,
                "age_to": None,
                "sex": "all",
                "count": row["all_ages"],
            }
            made.append(("residents", row["area_code"], {"area_code": row["area_code"], "rows": [band]}))
    for row in read(folder / "need" / "imd2025_england_lsoa21_trafford.csv"):
        code, value = row["lsoa21_code"], {"period": "2025", "value": float(row["IMD_score"])}
        made.append(
            ("index", f"imd-score/{code}", {"index": "imd-score", "area_code": code, "values": [value]})
        )
    postcodes = by_postcode(folder)
    for need, (name, column, has_coordinates) in TABLES.items():
        made.append(("need", f"t:{need}", {"id": f"t:{need}", "taxonomy": "t", "term": need, "name": need}))
        for number, row in enumerate(read(folder / "providers" / name)):
            id = f"{need}-{number:03}"
            made.append(("service", id, service(id, needs=[f"t:{need}"], name=row[column])))
            lower = {key.lower(): value for key, value in row.items()}
            if has_coordinates:
                lon, lat = float(row["lon"]), float(row["lat"])
            else:
                lon, lat = postcodes.get(lower["postcode"].replace(" ", ""), (None, None))
            site = {"id": id, "service_id": id, "name": row[column], "lon": lon, "lat": lat}
            made.append(("site", id, site | {"area_code": lower.get("ward_code") or lower.get("area code")}))
    return ask(facts_of(made), "E08000009", rule=Rule("sited"))


def gaps(of: Assessment, need: str) -> list[str]:
    row = of.needs.index(need)
    return [
        of.facts.hierarchy.areas[place].name
        for place, status in zip(of.areas, of.status[row], strict=True)
        if status == "gap"
    ]


def test_the_gaps_of_trafford_by_ward(borough):
    assert borough.areas.size == 21
    assert len(gaps(borough, "t:food-bank")) == 14
    assert gaps(borough, "t:general-practice") == [
        "Ashton upon Mersey",
        "Bowdon",
        "Flixton",
        "Hale",
        "Longford",
    ]
    assert gaps(borough, "t:pharmacy") == []


def test_people_of_trafford_are_derived_and_the_most_deprived_ward_weighs_most(borough):
    people = borough.people.count[0]
    heaviest = borough.facts.hierarchy.areas[borough.areas[people.argmax()]].name
    assert heaviest == "Bucklow-St Martins"
    assert borough.people.index == "imd-score"
    assert "derived, not counted, in 63 of 63 cells" in caveats(borough)[0]
    residents = borough.figures.whole_residents[borough.areas]
    assert (people <= residents).all()
