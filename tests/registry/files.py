"""Sending little files to the registry, and reading what became of them."""

from typing import Any

import orjson

from tests.support.http import Client

CSV = "text/csv"
GEOJSON = "application/geo+json"
VERDICTS = ("accepted", "changed", "unchanged", "quarantined")


def table(text: str) -> bytes:
    """A CSV file from lines that may be indented."""
    return "".join(f"{line.strip()}\n" for line in text.strip().splitlines()).encode()


def send(
    client: Client,
    kind: str,
    content: str | bytes,
    *,
    media_type: str = CSV,
    headers: dict[str, str] | None = None,
    **options: str,
) -> dict[str, Any]:
    """Import a file that is expected to be taken in; gives the import."""
    body = table(content) if isinstance(content, str) else content
    answer = client.post(
        f"/v1/imports/{kind}",
        content=body,
        params=options,
        headers={"content-type": media_type, **(headers or {})},
    )
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    assert made["status"] == "completed"
    return made


def counts(made: dict[str, Any]) -> tuple[int, ...]:
    """Accepted, changed, unchanged, quarantined."""
    return tuple(made["counts"][verdict] for verdict in VERDICTS)


def receipts(client: Client, made: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    found = client.items(made["receipts"], params=params)
    if not params:
        assert sum(receipt["records"] for receipt in found) == sum(counts(made))
    return found


def quarantined(client: Client, made: dict[str, Any]) -> list[tuple[int | None, str | None, str | None]]:
    """Line, column and reason of each row that was not taken in."""
    found = receipts(client, made, verdict="quarantined")
    return [(receipt["line"], receipt["column"], receipt["reason"]) for receipt in found]


def notes(client: Client, made: dict[str, Any]) -> list[tuple[int | None, str | None, str | None]]:
    """Line, column and note of each row that was taken in with one."""
    found = receipts(client, made, noted=True)
    return [
        (receipt["line"], receipt["column"], receipt["reason"])
        for receipt in found
        if receipt["verdict"] != "quarantined"
    ]


def changes(client: Client, after: int = 0, types: str | None = None) -> list[dict[str, Any]]:
    """Every change after a number, page after page."""
    found: list[dict[str, Any]] = []
    while True:
        params: dict[str, Any] = {"after": after, "limit": 100} | ({"types": types} if types else {})
        page = client.get("/v1/changes", params=params).json()
        found += page["items"]
        if page["next"] is None:
            return found
        after = int(page["next"])


def features(*outlines: tuple[str, Any], crs: str | None = None, name: str = "code") -> bytes:
    """A FeatureCollection of codes and geometries."""
    made: dict[str, Any] = {"type": "FeatureCollection"}
    if crs is not None:
        made["crs"] = {"type": "name", "properties": {"name": crs}}
    made["features"] = [
        {"type": "Feature", "properties": {name: code}, "geometry": geometry} for code, geometry in outlines
    ]
    return orjson.dumps(made)


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


AREAS = """
    code,name,level,parent_code,vintage,successor_code,lon,lat
    E12999001,Wolds and Coast,region,,2024,,,
    E06999001,Saltmarsh,authority,E12999001,2024,,1.1,53.3
    E05999001,North Quay,ward,E06999001,2024,,1.05,53.32
    E05999002,South Quay,ward,E06999001,2024,,1.06,53.28
    E02999001,Saltmarsh 001,msoa,E06999001,2024,,,
    E01999001,Saltmarsh 001A,lsoa,E02999001;E05999001,2024,,,
    E01999002,Saltmarsh 001B,lsoa,E02999001;E05999002,2024,,,
"""
NEEDS = """
    taxonomy,term,name,parent_term
    hedgerow,food,Food,
    hedgerow,food-bank,Food bank,food
    hedgerow,debt,Debt advice,
    other,debt,Debts,
"""
ORGANISATIONS = """
    id,name,identifiers,sector,legal_form,size,status,url,email,description,owner_ids,aliases
    1,Quay Kitchen,GB-CHC:1234567;GB-COH:7654321,charity,CIO,small,,https://example.org,,Meals,3,Quay Food;QK
    2,Saltmarsh Advice,GB-COH:123456,social enterprise,,,,,,,,
    3,Harbour Holdings,,private,,large,,,,,,
"""
SERVICES = """
    id,name,organisation_id,needs,area_codes,status,minimum_age,maximum_age,capacity,valid_to,site_name,postcode,site_area_code,lon,lat
    s1,Community pantry,1,hedgerow:food-bank,E06999001,active,,,40,,The Hall,PE99 1AA,E05999001,1.05,53.32
    s2,Debt clinic,2,hedgerow:debt,E05999002,,18,,,2027-03-31,,,,,
    s3,Youth meals,1,food-bank;food,,inactive,11,17,12.5,,Pier,pe991ab,E05999002,1.06,53.28
"""


def fill(client: Client) -> None:
    """A small locality: areas, needs, organisations, services and sites."""
    for kind, content in (
        ("areas", AREAS),
        ("needs", NEEDS),
        ("organisations", ORGANISATIONS),
        ("services", SERVICES),
    ):
        made = send(client, kind, content)
        assert made["counts"]["quarantined"] == 0, receipts(client, made, verdict="quarantined")
