"""Making OCDS releases for tests, and sending them."""

from typing import Any

import orjson

from tests.registry.files import send
from tests.support.http import Client

JSON = "application/json"
NDJSON = "application/x-ndjson"


def party(
    id: str, name: str | None, *roles: str, identifier: str | None = None, **details: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {"id": id, "name": name, "roles": list(roles)}
    if identifier is not None:
        scheme, _, number = identifier.partition(":")
        made["identifier"] = {"scheme": scheme, "id": number}
    return made | ({"details": details} if details else {})


COUNCIL = party("GB-LAE-SLT", "Saltmarsh Council", "buyer")
KITCHEN = party("1", "Quay Kitchen", "supplier", identifier="GB-CHC:1234567", vcse=True, scale="small")
ADVICE = party("2", "Saltmarsh Advice", "supplier", identifier="GB-COH:00123456", scale="medium")
HARBOUR = party("3", "Harbour Holdings", "supplier", scale="large")


def gbp(amount: float) -> dict[str, Any]:
    return {"amount": amount, "currency": "GBP"}


def period(start: str, end: str) -> dict[str, Any]:
    return {"startDate": f"{start}T00:00:00Z", "endDate": f"{end}T00:00:00Z"}


def refs(*parties: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": one["id"], "name": one["name"]} for one in parties]


def release(
    ocid: str = "ocds-test-1", id: str = "r1", date: str = "2025-01-10", **sections: Any
) -> dict[str, Any]:
    """A release; its buyer is the council unless `parties` say otherwise."""
    made = {
        "ocid": ocid,
        "id": id,
        "date": f"{date}T12:00:00Z",
        "tag": ["award"],
        "initiationType": "tender",
        "language": "en",
        "parties": [COUNCIL, KITCHEN],
        "buyer": refs(COUNCIL)[0],
    }
    return made | sections


def tender(**fields: Any) -> dict[str, Any]:
    return {"id": "t", "title": "Community meals", "status": "complete", "procurementMethod": "open"} | fields


def award(id: str = "a1", **fields: Any) -> dict[str, Any]:
    made = {
        "id": id,
        "status": "active",
        "date": "2025-02-01T00:00:00Z",
        "suppliers": refs(KITCHEN),
        "value": gbp(120_000),
        "contractPeriod": period("2025-04-01", "2027-03-31"),
    }
    return made | fields


def package(*releases: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "uri": "https://example.org/releases",
            "version": "1.1",
            "publishedDate": "2025-03-01T00:00:00Z",
            "publisher": {"name": "Saltmarsh Council"},
            "releases": list(releases),
        }
    )


def send_releases(
    client: Client, *releases: dict[str, Any], source: str = "ocds", **options: str
) -> dict[str, Any]:
    return send(client, "ocds", package(*releases), media_type=JSON, source=source, **options)
