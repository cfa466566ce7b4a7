"""Services as the versions of the standard say them."""

from typing import Any

SERVICE = "11111111-1111-4111-8111-111111111111"


def of_version_1(**fields: Any) -> dict[str, Any]:
    """A service as Open Referral UK 1.0 says it, every structure once."""
    return {
        "id": "1502",
        "name": " Toddler  swim ",
        "description": "<p>Splash!</p>",
        "status": "active",
        "url": "www.swim.example",
        "email": "pool@swim.example",
        "fees": "£3",
        "assured_date": "2023-04-13",
        "attending_type": "Venue",
        "attending_access": "Drop-in",
        "deliverable_type": "Social activity",
        "organization": {"id": "77", "name": "Swim Ltd", "url": "https://swim.example", "description": ""},
        "contacts": [
            {
                "id": "c1",
                "name": "Ann Persona",
                "title": "Pool Manager",
                "phones": [{"id": "p1", "number": "0117 496 0000"}],
            }
        ],
        "eligibilitys": [{"id": "e1", "eligibility": "Under fives", "minimum_age": 0, "maximum_age": 5}],
        "service_taxonomys": [
            {
                "id": "t1",
                "taxonomy": {"id": "esdServices:293", "name": "Swimming", "vocabulary": "esdServices"},
            }
        ],
        "service_areas": [
            {
                "id": "a1",
                "service_area": "Bristol",
                "uri": "https://statistics.example/id/statistical-geography/E06000023",
            }
        ],
        "regular_schedules": [
            {
                "id": "r1",
                "byday": "MO,TU",
                "freq": "weekly",
                "opens_at": "09:00",
                "closes_at": "10:00",
                "interval": "1",
            }
        ],
        "holiday_schedules": [{"id": "h1", "closed": "true", "start_date": "2024-12-25"}],
        "cost_options": [{"id": "k1", "amount": "3.50", "amount_description": "a child", "option": "Child"}],
        "languages": [{"id": "l1", "language": "Polish"}],
        "fundings": [{"id": "f1", "source": "Council"}],
        "reviews": [{"id": "v1", "score": "5", "title": "Warm water"}],
        "service_at_locations": [
            {
                "id": "sal1",
                "location": {
                    "id": "loc1",
                    "name": "Central Baths",
                    "latitude": "51.4545",
                    "longitude": "-2.5879",
                    "accessibility_for_disabilities": [{"id": "x1", "accessibility": "Hoist"}],
                    "physical_addresses": [
                        {"id": "ad1", "address_1": "1 Pool Lane", "city": "Bristol", "postal_code": "bs14qa"}
                    ],
                },
                "regular_schedule": [{"id": "r2", "valid_from": "2024-01-01", "byday": "SA"}],
            }
        ],
        **fields,
    }


def of_version_3(**fields: Any) -> dict[str, Any]:
    return {"id": SERVICE, "name": "Advice line", "status": "active", **fields}
