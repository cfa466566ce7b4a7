"""Places drawn as little text tables, and what network knows of them."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from hedgerow_network.domain.directory import Directory
from hedgerow_network.domain.facts import (
    Facts,
    read_areas,
    read_contracts,
    read_organisation,
    read_outline,
    read_people,
    read_service,
    read_site,
    read_taxonomies,
)
from hedgerow_network.domain.locality import Assessment, Question, assess
from hedgerow_network.domain.places import Boundaries

TODAY = date(2026, 1, 15)

Records = list[tuple[str, str, dict[str, Any]]]


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a text table: columns parted by `|`, the first line names them."""
    lines = [line.strip() for line in table.strip().splitlines() if line.strip()]
    names = [name.strip() for name in lines[0].split("|")]
    return [dict(zip(names, (cell.strip() for cell in line.split("|")), strict=True)) for line in lines[1:]]


def several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def number(text: str | None) -> float | None:
    return float(text) if text else None


def square(lon: float, lat: float, side: float = 0.1) -> dict[str, Any]:
    """A square as GeoJSON, its lower left corner given."""
    ring = [[lon, lat], [lon + side, lat], [lon + side, lat + side], [lon, lat + side], [lon, lat]]
    return {"type": "Polygon", "coordinates": [ring]}


def area(code: str, name: str, level: str, *, parents: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": name,
        "level": level,
        "vintage": 2025,
        "parents": list(parents),
        "successors": [],
        "lon": None,
        "lat": None,
        **more,
    }


def service(id: str, *, needs: Iterable[str], areas: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": f"Service {id}",
        "organisation_id": f"org-{id}",
        "status": "active",
        "needs": list(needs),
        "area_codes": list(areas),
        "minimum_age": None,
        "maximum_age": None,
        "capacity": None,
        "valid_from": None,
        "valid_to": None,
        "assured_on": None,
        **more,
    }


def records(
    *,
    areas: str = "",
    boundaries: dict[str, dict[str, Any]] | None = None,
    needs: str = "",
    crosswalk: str = "",
    organisations: str = "",
    services: str = "",
    sites: str = "",
    residents: str = "",
    indices: str = "",
    demand: str = "",
    contracts: str = "",
) -> Records:
    """The registry's records of a place.

    areas: code | name | level | parents [| successors | lon | lat] · needs: id | name | parent ·
    crosswalk: from | to | relation · organisations: id | name | owners ·
    services: id | provider | needs | areas [| status | from | to | age_from | age_to | for | capacity] ·
    sites: id | service | lon | lat | area · residents: area | count [| age_from | age_to] ·
    indices: index | area | value · demand: need | area | count | weight ·
    contracts: id | services | start | end [| status | needs | areas | buyers | suppliers | value |
    successor | extended_to | authority | published]; published: `no`, else it is
    """
    made: Records = []
    for row in rows(areas) if areas else []:
        found = area(
            row["code"],
            row["name"],
            row["level"],
            parents=several(row["parents"]),
            successors=several(row.get("successors", "")),
            lon=number(row.get("lon")),
            lat=number(row.get("lat")),
        )
        made.append(("area", row["code"], found))
    for code, geometry in (boundaries or {}).items():
        made.append(("boundary", code, {"code": code, "geometry": geometry}))
    for row in rows(needs) if needs else []:
        taxonomy, _, term = row["id"].partition(":")
        found = {"id": row["id"], "taxonomy": taxonomy, "term": term, "name": row["name"]}
        made.append(("need", row["id"], found | {"parent": row.get("parent") or None}))
    for row in rows(crosswalk) if crosswalk else []:
        made.append(("crosswalk", f"{row['from']}>{row['to']}", dict(row)))
    for row in rows(organisations) if organisations else []:
        found = {"id": row["id"], "name": row["name"], "owner_ids": several(row.get("owners", ""))}
        made.append(("organisation", row["id"], found | {"status": "active", "identifiers": []}))
    for row in rows(services) if services else []:
        found = service(
            row["id"],
            needs=several(row["needs"]),
            areas=several(row["areas"]),
            organisation_id=row["provider"] or None,
            status=row.get("status") or "active",
            valid_from=row.get("from") or None,
            valid_to=row.get("to") or None,
            minimum_age=number(row.get("age_from", "")),
            maximum_age=number(row.get("age_to", "")),
            circumstances=several(row.get("for", "")),
            capacity=number(row.get("capacity", "")),
        )
        made.append(("service", row["id"], found))
    for row in rows(sites) if sites else []:
        found = {
            "id": row["id"],
            "service_id": row["service"],
            "name": f"Site {row['id']}",
            "lon": number(row["lon"]),
            "lat": number(row["lat"]),
            "area_code": row.get("area") or None,
        }
        made.append(("site", row["id"], found))
    bands: dict[str, list[dict[str, Any]]] = {}
    for row in rows(residents) if residents else []:
        band = {
            "period": "2024",
            "age_from": int(row.get("age_from") or 0),
            "age_to": int(row["age_to"]) if row.get("age_to") else None,
            "sex": "all",
            "count": float(row["count"]),
        }
        bands.setdefault(row["area"], []).append(band)
    for code, of_area in bands.items():
        made.append(("residents", code, {"area_code": code, "rows": of_area}))
    for row in rows(indices) if indices else []:
        value = {"period": "2025", "value": float(row["value"])}
        found = {"index": row["index"], "area_code": row["area"], "values": [value]}
        made.append(("index", f"{row['index']}/{row['area']}", found))
    for row in rows(demand) if demand else []:
        found = {
            "need": row["need"],
            "area_code": row["area"],
            "period": row.get("period") or "2025",
            "count": number(row.get("count")),
            "weight": number(row.get("weight")),
            "source": "survey",
        }
        made.append(("demand", f"{row['need']}/{row['area']}/{found['period']}", found))
    for row in rows(contracts) if contracts else []:
        found = {
            "id": row["id"],
            "ocid": f"ocds-{row['id']}",
            "title": f"Contract {row['id']}",
            "status": row.get("status") or "active",
            "buyer_ids": several(row.get("buyers", "")),
            "supplier_ids": several(row.get("suppliers", "")),
            "former_supplier_ids": several(row.get("former", "")),
            "value_gbp": number(row.get("value", "")),
            "start": row.get("start") or None,
            "end": row.get("end") or None,
            "extended_to": row.get("extended_to") or None,
            "need_ids": several(row.get("needs", "")),
            "area_codes": several(row.get("areas", "")),
            "service_ids": several(row["services"]),
            "lots": [],
            "subcontracts": [],
            "successor_id": row.get("successor") or None,
            "published": row.get("published") != "no",
            "authority_code": row.get("authority") or None,
        }
        made.append(("contract", row["id"], found))
    return made


def facts_of(made: Records) -> Facts:
    """What network knows once it has read these records."""

    def of(kind: str) -> list[dict[str, Any]]:
        return [data for found, _, data in made if found == kind]

    hierarchy = read_areas(of("area"))
    outlines = {data["code"]: read_outline(data) for data in of("boundary")}
    return Facts(
        hierarchy=hierarchy,
        boundaries=Boundaries(hierarchy, {code: line for code, line in outlines.items() if line is not None}),
        taxonomies=read_taxonomies(of("need"), of("crosswalk")),
        directory=Directory(
            organisations=map(read_organisation, of("organisation")),
            services=map(read_service, of("service")),
            sites=(read_site(data) for data in of("site") if data.get("service_id")),
        ),
        people=read_people(of("residents"), of("index"), of("demand")),
        contracts=read_contracts(of("contract")),
    )


def facts(**tables: Any) -> Facts:
    return facts_of(records(**tables))


def ask(known: Facts, locality: str = "E06000001", **question: Any) -> Assessment:
    return assess(known, Question(locality=locality, at=question.pop("at", TODAY), **question))


def drawn(of: Assessment, what: Any) -> dict[str, str]:
    """Values of a (needs × areas) array by need, one word per area in the order of their codes."""
    return {need: " ".join(str(value) for value in what[row]) for row, need in enumerate(of.needs)}


TOWN = {
    "areas": """
        code      | name   | level     | parents   | lon  | lat
        E06000001 | Town   | authority |           |      |
        E05000001 | North  | ward      | E06000001 | 1.05 | 53.25
        E05000002 | East   | ward      | E06000001 | 1.15 | 53.15
        E05000003 | South  | ward      | E06000001 | 1.05 | 53.05
        """,
    "boundaries": {
        "E05000001": square(1.0, 53.2),
        "E05000002": square(1.1, 53.1),
        "E05000003": square(1.0, 53.0),
    },
    "needs": """
        id     | name | parent
        t:debt | Debt |
        t:food | Food |
        """,
    "organisations": """
        id  | name    | owners
        ant | Ant     | zoo
        bee | Bee     | zoo
        cat | Cat     |
        zoo | Zoo plc |
        """,
    "services": """
        id | provider | needs         | areas
        s1 | ant      | t:food        | E05000001;E05000002
        s2 | bee      | t:food        | E05000001
        s3 | cat      | t:debt        | E06000001
        s4 | ant      | t:food;t:debt | E05000001
        """,
    "residents": """
        area      | count
        E05000001 | 1000
        E05000002 | 2000
        E05000003 | 3000
        """,
}
"""Three wards. Food: North by Ant (twice) and Bee, East by Ant alone, South by nobody. Debt: Cat everywhere,
and Ant in North as well."""
