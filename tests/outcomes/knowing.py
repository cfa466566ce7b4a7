"""What outcomes has heard of the registry, for tests."""

from datetime import UTC, datetime
from typing import Any

from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from hedgerow_outcomes.actions.hearing import HEARD as HEARING

HEARD = datetime(2026, 1, 1, tzinfo=UTC)


def hear(database_url: str, *records: tuple[str, dict[str, Any]], after: int = 0) -> None:
    """Take records, as kind and data, from the registry's feed."""
    items = tuple(
        Change(after + place, kind, str(data.get("code") or data["id"]), data)
        for place, (kind, data) in enumerate(records, start=1)
    )
    database = Database(database_url)
    last = after + len(items)
    HEARING.take(database, Changes(items, last, last), after=after, heard_at=HEARD)
    database.dispose()


def contract(id: str = "C1", **fields: Any) -> tuple[str, dict[str, Any]]:
    return "contract", {
        "id": id,
        "ocid": f"ocds-test-{id}",
        "title": f"Contract {id}",
        "status": "active",
        "buyer_ids": ["council"],
        "supplier_ids": ["harbour"],
        "service_ids": ["S1"],
        "value_gbp": 6_000_000.0,
        "start": "2025-04-01",
        "end": "2030-03-31",
        "published": True,
        "authority_code": "E06999001",
    } | fields


def organisation(id: str, name: str, *identifiers: str) -> tuple[str, dict[str, Any]]:
    numbers = [{"scheme": one.split(":")[0], "id": one.split(":")[1]} for one in identifiers]
    return "organisation", {"id": id, "name": name, "identifiers": numbers}


def area(code: str, *parents: str, level: str = "ward") -> tuple[str, dict[str, Any]]:
    return "area", {"code": code, "name": code, "level": level, "parents": list(parents)}
