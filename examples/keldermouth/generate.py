"""Write the fictional borough of Keldermouth as canonical files: `python generate.py [OUT_DIR]`.

Everything comes from one seed, so the files are the same at every run. Beside them `expected.json` says, file
by file, which verdict each row must get from an import.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import contracts
import dirt
import geography
import measures
import needs
import organisations
import people
import provision
import shapely
from shapely.geometry import mapping
from tables import QUARANTINED, Dirt, Table, expected_of

SEED = 20261122
VINTAGE = 2025
SWAPPED = "E05999010"


def main(out: Path) -> None:
    """Write every file into `out`, which is made where it does not exist."""
    out.mkdir(parents=True, exist_ok=True)
    place, relative = geography.build(Random(SEED))
    bodies = organisations.all_organisations(Random(SEED + 1))
    services = provision.services_of(place, bodies, Random(SEED + 2))
    tables = [
        _areas(place),
        _needs(),
        _crosswalk(),
        *_people(place, relative),
        _organisations(bodies),
        _services(services),
        _sites(provision.sites_of(place, services, Random(SEED + 3))),
        contracts.table(bodies),
        _kpis(),
        _observations(place),
    ]
    expected = {table.name: table.expected() for table in tables}
    for table in tables:
        (out / table.name).write_text(table.text(), encoding="utf-8", newline="\n")
    features = _features(place)
    _write_features(out / "boundaries.geojson", features)
    expected["boundaries.geojson"] = expected_of(features, first=0, step="feature")
    lines = [
        f"  {json.dumps(name)}: {json.dumps(expected[name], ensure_ascii=False)}" for name in sorted(expected)
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (out / "expected.json").write_text(text, encoding="utf-8", newline="\n")


def _areas(place: geography.Place) -> Table:
    table = Table(
        "areas.csv", ("code", "name", "level", "parent_code", "vintage", "successor_code", "lon", "lat")
    )
    table.extend(
        [{"code": geography.REGION, "name": "Kelder and the Wolds", "level": "region", "vintage": VINTAGE}]
    )
    for area in (place.authority, *place.wards, *place.middle, *place.small):
        table.extend(
            [
                {
                    "code": area.code,
                    "name": area.name,
                    "level": area.level,
                    "parent_code": ";".join(area.parents),
                    "vintage": VINTAGE,
                    "lon": f"{area.point[0]:.5f}",
                    "lat": f"{area.point[1]:.5f}",
                }
            ]
        )
    dirt.areas(table)
    return table


def _features(place: geography.Place) -> list[Mapping[str, object] | Dirt]:
    features: list[Mapping[str, object] | Dirt] = []
    for area in (place.authority, *place.wards, *place.middle, *place.small):
        features.append(_feature(area.code, area.name, mapping(area.geometry)))
        if area.code == SWAPPED:
            turned = shapely.transform(area.geometry.simplify(0.004), lambda at: at[:, ::-1])
            bad = _feature(area.code, area.name, mapping(turned))
            features.append(
                Dirt(bad, QUARANTINED, "longitude and latitude are swapped: not in the United Kingdom")
            )
    return features


def _feature(code: str, name: str, geometry: Mapping[str, object]) -> dict[str, object]:
    return {"type": "Feature", "properties": {"code": code, "name": name}, "geometry": geometry}


def _write_features(path: Path, features: Sequence[Mapping[str, object] | Dirt]) -> None:
    """One feature a line, so that a change of one area is a change of one line."""
    rows = [feature.row if isinstance(feature, Dirt) else feature for feature in features]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    text = '{"type":"FeatureCollection","features":[\n' + lines + "\n]}\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def _needs() -> Table:
    table = Table("needs.csv", ("taxonomy", "term", "name", "parent_term"))
    for taxonomy, terms in ((needs.TAXONOMY, needs.NEEDS), (needs.DIRECTORY, needs.DIRECTORY_TERMS)):
        table.extend({"taxonomy": taxonomy, "term": term, "name": name} for term, name in terms)
    return table


def _crosswalk() -> Table:
    table = Table("crosswalk.csv", ("from_taxonomy", "from_term", "to_taxonomy", "to_term", "relation"))
    for term, other, relation in needs.CROSSWALK:
        cells = (needs.DIRECTORY, term, needs.TAXONOMY, other, relation)
        table.extend([dict(zip(table.columns, cells, strict=True))])
    dirt.crosswalk(table)
    return table


def _people(place: geography.Place, relative: dict[str, float]) -> list[Table]:
    residents = Table("residents.csv", ("area_code", "period", "age_from", "age_to", "sex", "count"))
    bands = people.residents(place, relative, Random(SEED + 4))
    for code in sorted(bands):
        for (band, sex), count in bands[code].items():
            age_from, age_to = people.AGE_BANDS[band]
            cells = (code, people.PERIOD, age_from, age_to, sex, count)
            residents.extend([dict(zip(residents.columns, cells, strict=True))])
    dirt.residents(residents)

    indices = Table("indices.csv", ("index", "area_code", "period", "value"))
    scores = people.deprivation(place, Random(SEED + 5))
    for code, score in {**people.mean_of(place, scores, bands), **scores}.items():
        cells = ("deprivation", code, people.INDEX_PERIOD, f"{score:.1f}")
        indices.extend([dict(zip(indices.columns, cells, strict=True))])
    dirt.indices(indices)

    demand = Table("demand.csv", ("need", "area_code", "period", "count", "weight", "source"))
    for need, code, count in people.demand(bands, scores, Random(SEED + 6)):
        cells = (
            f"{needs.TAXONOMY}:{need}",
            code,
            people.DEMAND_PERIOD,
            count,
            "",
            "Keldermouth needs assessment 2025",
        )
        demand.extend([dict(zip(demand.columns, cells, strict=True))])
    dirt.demand(demand)
    return [residents, indices, demand]


def _organisations(bodies: list[organisations.Organisation]) -> Table:
    columns = ("id", "name", "identifiers", "sector", "legal_form", "size", "status", "url", "description",
               "owner_ids", "aliases")  # fmt: skip
    table = Table("organisations.csv", columns)
    table.extend(provision.organisation_row(body) for body in bodies)
    dirt.organisations(table)
    return table


def _services(services: list[provision.Service]) -> Table:
    columns = ("id", "name", "organisation_id", "needs", "area_codes", "status", "description", "phone",
               "minimum_age", "maximum_age", "capacity", "valid_from", "valid_to", "assured_on")  # fmt: skip
    table = Table("services.csv", columns)
    for service in services:
        codes = list(service.area_codes)
        if service.name == "Tideway Larder Food Bank":
            # An old code beside today's: a council's own list is rarely of one year.
            codes.append("E05999901")
        row = {name: getattr(service, name) for name in columns if hasattr(service, name)}
        row |= {
            "organisation_id": service.organisation.id,
            "needs": service.need_ids(),
            "area_codes": ";".join(codes),
        }
        table.extend([row])
    dirt.services(table)
    return table


def _sites(sites: list[provision.Site]) -> Table:
    columns = ("id", "service_id", "name", "address", "postcode", "area_code", "lon", "lat")
    table = Table("sites.csv", columns)
    for site in sites:
        cells = {name: getattr(site, name) for name in columns}
        table.extend([cells | {"lon": f"{site.lon:.5f}", "lat": f"{site.lat:.5f}"}])
    dirt.sites(table)
    return table


def _kpis() -> Table:
    columns = ("id", "name", "unit", "polarity", "level", "perspective", "frequency", "aggregation",
               "description",
               "target", "minimum", "owner")  # fmt: skip
    table = Table("kpis.csv", columns)
    for kpi in measures.KPIS:
        cells = (*kpi[:6], "monthly", *kpi[6:])
        table.extend([dict(zip(columns, cells, strict=True))])
    return table


def _observations(place: geography.Place) -> Table:
    columns = ("kpi", "subject", "period", "value", "numerator", "denominator", "lower", "upper")
    table = Table("observations.csv", columns)
    found = measures.observations(place, Random(SEED + 7))
    table.extend({name: getattr(one, name) for name in columns} for one in found)
    dirt.observations(table)
    return table


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data")
