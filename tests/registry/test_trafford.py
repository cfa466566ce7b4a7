"""Real open data of one place, with the faults it was published with."""

import csv
import gzip
from pathlib import Path

from tests.registry.files import GEOJSON, counts, notes, quarantined, send
from tests.support.http import Client

HEAD = "code,name,level,parent_code,vintage"


def _areas(shared: Path) -> bytes:
    lines = [HEAD, "E08000009,Trafford,authority,E12000002,2024"]
    with (shared / "data/trafford/areas/lookup_lsoa21_msoa21_ward24_ltla24.csv").open() as file:
        rows = list(csv.DictReader(file))
    for level, code, parent in (
        ("ward", "ward24", "ltla24_code"),
        ("msoa", "msoa21", "ltla24_code"),
        ("lsoa", "lsoa21", "msoa21_code"),
        ("lsoa", "lsoa21", "ward24_code"),
    ):
        lines += [f'{r[f"{code}_code"]},"{r[f"{code}_name"]}",{level},{r[parent]},2024' for r in rows]
    return "\n".join(lines).encode()


def test_the_areas_of_trafford_lie_in_wards_and_in_msoas(registry: Client, shared: Path) -> None:
    made = send(registry, "areas", gzip.compress(_areas(shared)), headers={"content-encoding": "gzip"})
    assert counts(made)[3] == 0
    assert sum(counts(made)) == 1 + 4 * 139
    assert notes(registry, made) == [(2, "parent_code", "the parent E12000002 is not known yet")]
    levels = [area["level"] for area in registry.items("/v1/areas", params={"within": "E08000009"})]
    assert {level: levels.count(level) for level in set(levels)} == {"ward": 21, "msoa": 28, "lsoa": 139}
    assert counts(send(registry, "areas", _areas(shared)))[:2] == (0, 0)

    for name, code, features in (
        ("electoral_ward", "area_code", 21),
        ("lsoa21_trafford", "lsoa21_code", 139),
        ("msoa21_trafford", "msoa21_code", 28),
    ):
        body = (shared / f"data/trafford/areas/{name}.geojson").read_bytes()
        made = send(registry, "boundaries", body, media_type=GEOJSON, code_property=code)
        assert counts(made) == (features, 0, 0, 0), quarantined(registry, made)
        again = send(registry, "boundaries", body, media_type=GEOJSON, code_property=code)
        assert counts(again) == (0, 0, features, 0)
    drawn = registry.get("/v1/areas.geojson", params={"within": "E08000009", "level": "ward"}).json()
    assert len(drawn["features"]) == 21


def test_the_dentists_with_the_impossible_code_are_all_placed_by_their_coordinates(
    registry: Client, shared: Path
) -> None:
    with (shared / "data/trafford/providers/trafford_dentists.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = ["id,name,address,postcode,site_area_code,lon,lat"]
    lines += [
        f'{n},"{r["name"]}","{r["address"]}",{r["postcode"]},{r["area_code"]},{r["lon"]},{r["lat"]}'
        for n, r in enumerate(rows)
    ]
    made = send(registry, "services", "\n".join(lines).encode())
    assert counts(made) == (53, 0, 0, 0)
    told = notes(registry, made)
    assert len(told) == 53
    assert all("E0800009" in str(note) and "placed by coordinates" in str(note) for _, _, note in told)
